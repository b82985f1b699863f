"""Say how many tests ran in which ring, from pytest's JUnit files. A ring without tests, or with skipped ones, fails.

A ring that runs in several passes leaves a file for each: `faults.xml`, `faults.alone.xml`.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree as ET


def count(files: Sequence[Path]) -> tuple[int, int, int, float]:
    """Give tests run, failed, skipped and seconds; (0, 0, 0, 0) where the ring left no file."""
    if not files:
        return 0, 0, 0, 0.0
    suites = [suite for path in files for suite in ET.parse(path).getroot().iter("testsuite")]  # noqa: S314 - written by pytest a moment ago
    numbers = [
        (
            int(suite.get("tests", 0)),
            int(suite.get("failures", 0)) + int(suite.get("errors", 0)),
            int(suite.get("skipped", 0)),
            float(suite.get("time", 0)),
        )
        for suite in suites
    ]
    tests, failed, skipped, seconds = (sum(column) for column in zip(*numbers, strict=True))
    return int(tests), int(failed), int(skipped), float(seconds)


def main() -> int:
    folder, rings = Path(sys.argv[1]), sys.argv[2:]
    rows = {ring: count([*folder.glob(f"{ring}.xml"), *folder.glob(f"{ring}.*.xml")]) for ring in rings}
    print(f"\n{'ring':<14}{'tests':>7}{'failed':>8}{'skipped':>9}{'seconds':>9}")
    for ring, (tests, failed, skipped, seconds) in rows.items():
        print(f"{ring:<14}{tests:>7}{failed:>8}{skipped:>9}{seconds:>9.1f}")
    bad = sum(failed for _, failed, _, _ in rows.values())
    passed = sum(tests - failed - skipped for tests, failed, skipped, _ in rows.values())
    print(f"\n{passed} passed, {bad} failed")
    wrong = [ring for ring, (tests, failed, skipped, _) in rows.items() if not tests or failed or skipped]
    if wrong:
        print(f"not as it must be: {', '.join(wrong)} (no test, a failure, or a skipped test)", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
