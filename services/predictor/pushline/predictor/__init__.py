"""Serves the deployed model and reloads without a gap."""
