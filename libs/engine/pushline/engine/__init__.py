"""The serving program: check, load, run."""
