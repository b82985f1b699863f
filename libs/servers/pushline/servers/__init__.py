"""Broker and object store for one machine, started as part of a process."""
