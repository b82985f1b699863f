"""Durations and sizes as people write them: "90s", "1h30m", "500ms"; "4GiB", "512 MiB", "2GB", "100"."""

import re

_DURATION = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SIZE = {"": 1, "B": 1}
_SIZE |= {f"{prefix}iB": 1024**power for power, prefix in enumerate("KMGT", start=1)}
_SIZE |= {f"{prefix}B": 1000**power for power, prefix in enumerate("kMGT", start=1)}

_DURATION_PART = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)(ms|s|m|h|d)", re.ASCII)
_WHOLE_DURATION = re.compile(rf"(?:{_DURATION_PART.pattern})+", re.ASCII)
_WHOLE_SIZE = re.compile(r"(\d{1,15})\s?([kKMGT]?i?B|)", re.ASCII)


def parse_duration(text: str) -> float:
    """Give seconds, above 0. Raises ValueError."""
    if not _WHOLE_DURATION.fullmatch(text):
        raise ValueError(f'"{text}" is no duration; write for instance "90s", "3m" or "1h30m"')
    seconds = sum(float(number) * _DURATION[unit] for number, unit in _DURATION_PART.findall(text))
    if not seconds > 0:
        raise ValueError(f'"{text}" is no duration above 0')
    return seconds


def parse_size(text: str) -> int:
    """Give bytes, above 0. Raises ValueError."""
    match = _WHOLE_SIZE.fullmatch(text)
    if not match or match[2] not in _SIZE:
        raise ValueError(f'"{text}" is no size; write for instance "512MiB" or "4GiB"')
    size = int(match[1]) * _SIZE[match[2]]
    if size <= 0:
        raise ValueError(f'"{text}" is no size above 0')
    return size
