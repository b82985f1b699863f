"""What the auditor calls or runs on."""
