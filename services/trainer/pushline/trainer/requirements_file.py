"""A repository's requirements file: exact pins and nothing else, read strictly. Pure.

What it may hold is what can be installed without running anybody's code: `name[extra]==version ; marker --hash=sha256:…`.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

MAX_BYTES, MAX_LINES = 256 * 1024, 500
_PIN = re.compile(
    r"""(?P<name>[A-Za-z0-9](?:[A-Za-z0-9._-]{0,98}[A-Za-z0-9])?)
    \s*(?:\[(?P<extras>[A-Za-z0-9._,\s-]{0,200})\])?
    \s*==\s*(?P<version>[0-9A-Za-z][0-9A-Za-z.!+_-]{0,98})
    \s*(?:;(?P<marker>[A-Za-z0-9_.,'"<>=!~()\s-]{1,500}?))?
    (?P<hashes>(?:\s+--hash=sha256:[0-9a-f]{64})*)\s*""",
    re.ASCII | re.VERBOSE,
)
_HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")
_COMMENT = re.compile(r"(^|\s)#.*$")


class WrongRequirement(Exception):
    """A line that is not allowed; the message names it and says what is."""


@dataclass(frozen=True, slots=True)
class Pin:
    name: str  # normalised
    version: str
    extras: str
    marker: str
    hashes: tuple[str, ...]

    @property
    def line(self) -> str:
        marker = f" ; {self.marker}" if self.marker else ""
        return " ".join([f"{self.name}{self.extras}=={self.version}{marker}", *self.hashes])


def normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def parse_requirements(text: str) -> tuple[Pin, ...]:
    """Raises WrongRequirement."""
    pins = tuple(_pin(number, line) for number, line in _logical_lines(text))
    if len(pins) > MAX_LINES:
        raise WrongRequirement(f"has more than {MAX_LINES} requirements")
    return pins


def clash(pins: tuple[Pin, ...], installed: Mapping[str, str]) -> str:
    """Say which pin the training environment cannot follow, "" for none. Pins with a marker are left to the resolver."""
    for pin in pins:
        there = installed.get(pin.name, "")
        if there and there != pin.version and not pin.marker:
            return (
                f"asks for {pin.name}=={pin.version}, but the training environment has {pin.name} {there}; pin that or leave it out"
            )
    return ""


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Give what stands there without comments, lines that end in a backslash joined."""
    begun, first = "", 0
    for number, raw in enumerate(text.splitlines(), 1):
        line = _COMMENT.sub("", raw).rstrip()
        first = first or number
        if line.endswith("\\"):
            begun += line[:-1] + " "
            continue
        whole, begun, at = (begun + line).strip(), "", first
        first = 0
        if whole:
            yield at, whole
    if begun.strip():
        yield first, begun.strip()


def _pin(number: int, line: str) -> Pin:
    found = _PIN.fullmatch(line)
    if found is None:
        raise WrongRequirement(f"line {number}: {_problem(line)}")
    extras = ",".join(sorted(part.strip() for part in (found["extras"] or "").split(",") if part.strip()))
    return Pin(
        normalised(found["name"]),
        found["version"],
        f"[{extras}]" if extras else "",
        " ".join((found["marker"] or "").split()),
        tuple(sorted(_HASH.findall(found["hashes"]))),
    )


def _problem(line: str) -> str:
    shown = f'"{line[:80]}"' if line.isprintable() else "it"
    if line.startswith("-"):
        return f"{shown} is an option; only pins of the form name==version may stand here, the index is the operator's"
    if "@" in line or "://" in line or line.startswith((".", "/", "git+")):
        return f"{shown} names an address or a path; only pins of the form name==version may stand here"
    return f"{shown} is no pin of the form name==version"
