"""The tools behind this service's ports."""
