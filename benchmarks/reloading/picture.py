"""The picture of a run: latency over time, with the swaps marked."""
