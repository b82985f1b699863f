"""Fixtures for every test. Imports nothing heavy: a server's client libraries are imported when its fixture is first used."""

pytest_plugins = ["tests.servers"]
