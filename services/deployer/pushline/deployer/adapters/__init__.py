"""The deployer's tools."""
