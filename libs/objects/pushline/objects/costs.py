"""What serving a model costs: the figures that gates may name, and how far above its limit each may be measured."""

TIMES = ("latency_p50_ms", "latency_p99_ms", "latency_64_p99_ms")
TOLERANCES = {**dict.fromkeys(TIMES, 0.5), "program_bytes": 0.0, "peak_memory_bytes": 0.1}  # shares of the limit
