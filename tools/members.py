"""Print the folders of a service and of every Pushline library that it depends on, a line each."""

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def folders() -> dict[str, Path]:
    found = {}
    for path in [*ROOT.glob("libs/*/pyproject.toml"), *ROOT.glob("services/*/pyproject.toml"), *ROOT.glob("cl*/pyproject.toml")]:
        found[tomllib.loads(path.read_text())["project"]["name"]] = path.parent
    return found


def members(name: str, known: dict[str, Path]) -> list[str]:
    project = tomllib.loads((known[name] / "pyproject.toml").read_text())["project"]
    named = [re.split(r"[\[<>=~! ]", wanted)[0] for wanted in project["dependencies"]]
    inner = [each for wanted in named if wanted in known for each in members(wanted, known)]
    return list(dict.fromkeys([*inner, name]))


def main() -> None:
    known = folders()
    for name in members(f"pushline-{sys.argv[1]}", known):
        print(known[name].relative_to(ROOT))


if __name__ == "__main__":
    main()
