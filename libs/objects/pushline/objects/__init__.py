"""The object store: content-addressed files, manifests."""
