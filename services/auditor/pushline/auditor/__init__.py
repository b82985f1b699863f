"""Reads every event, checks the line, shows its history."""
