"""Intake of webhooks: receive within limits, verify the signature over the raw bytes, then parse, then look."""
