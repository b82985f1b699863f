"""The log: broker, events, ledger, stage."""
