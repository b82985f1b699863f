"""Where code of a repository runs: without credentials, network, or a way to write outside its own folder."""
