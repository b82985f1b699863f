"""README.md read as data: its code blocks, and one bash script that runs a chapter of it as it stands."""

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BEGIN, END = "<!-- run: start -->", "<!-- run: end -->"
CLONED_FROM = "https://git.example.com/pushline/pushline.git"


@dataclass(frozen=True, slots=True)
class Block:
    language: str
    text: str


def blocks(text: str = README) -> list[Block]:
    return [Block(language, body) for language, body in BLOCK.findall(text)]


def chapter() -> list[str]:
    """Give the shell blocks of the chapter on a model of one's own, in order."""
    inside = README.partition(BEGIN)[2].partition(END)[0]
    return [block.text for block in blocks(inside) if block.language == "sh"]


def python_blocks() -> list[str]:
    return [block.text for block in blocks() if block.language == "python"]


def console_commands(names: Sequence[str]) -> str:
    """Give what README shows behind a prompt with one of these programs in it, and all of the block before it, as a script."""
    shown = [block.text for block in blocks() if not block.language and block.text.startswith("$ ")]
    found = [text for text in shown if any(name in text for name in names)]
    lines = [line for text in found for line in text.splitlines() if line.startswith(("$ ", "    "))]
    return "\n".join(line.removeprefix("$ ") for line in lines)


def script(after_clone: str, before_stop: Sequence[str]) -> str:
    """Give the chapter as one script that ends at the first error.

    `after_clone` runs once the repository is cloned, `before_stop` in front of the last block, which stops the line. What each
    part prints stands behind a line that names it.
    """
    shell = chapter()
    parts = {f"block {number}": block for number, block in enumerate(shell, start=1)}
    parts["block 1"] += after_clone
    last = parts.popitem()
    parts |= {f"added {number}": text for number, text in enumerate(before_stop, start=1)}
    parts |= dict([last])
    said = [f"echo {shlex.quote(f'=== {name}')}\n{text}" for name, text in parts.items()]
    return "set -eo pipefail\n" + "\n".join(said)


def outputs(printed: str) -> dict[str, str]:
    """Part → what it printed."""
    pieces = re.split(r"^=== (.*)$", printed, flags=re.MULTILINE)[1:]
    return dict(zip(pieces[::2], pieces[1::2], strict=True))
