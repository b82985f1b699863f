"""The pushline command."""
