"""Texts that strangers wrote, as Markdown that says them and does nothing else, on GitHub, GitLab and Gitea.

Forges look for mentions, references and addresses in the text that Markdown has made, where a backslash no longer helps. So an
invisible word joiner stands where such a thing would begin: after `@` and `#`, within `://` and `www.`.
"""

import re
import unicodedata

JOINER = "\N{WORD JOINER}"
MOST = 300

_PLAIN = str.maketrans(
    {
        "&": "&amp;",
        "<": "&lt;",
        ">": "&gt;",
        "$": "&#36;",
        **{mark: f"\\{mark}" for mark in "\\`*_{}[]#|~"},
    }
)
_BLOCK = re.compile(r"\W|\d+[.)]")  # would begin a list, a heading, or one of GitLab's quick actions
_BEGINS = re.compile(r"(?<=[@#!%&~$:^])(?=[\w\"'])|(?<=:)(?=//)|(?<=www)(?=\.)|(?<=gh)(?=-\d)", re.IGNORECASE)


def text(stranger: str, most: int = MOST) -> str:
    """Give one line of Markdown that shows the text as it is, cut to `most` characters."""
    kept = line(stranger, most)
    begun = JOINER + kept if _BLOCK.match(kept) else kept
    return _BEGINS.sub(JOINER, begun).translate(_PLAIN)


def code(stranger: str, most: int = MOST) -> str:
    """Give a code span that shows the text; the bar is escaped as in a table."""
    inside = line(stranger, most).replace("|", "\\|")
    longest = max((len(run) for run in re.findall("`+", inside)), default=0)
    fence = "`" * (longest + 1)
    room = " " if longest else ""
    return f"{fence}{room}{inside}{room}{fence}" if inside.strip() else ""


def line(stranger: str, most: int = MOST) -> str:
    """Give the text as one line without control, format and private characters, cut to `most` characters."""
    kept = "".join(" " if each.isspace() or unicodedata.category(each) == "Cc" else each for each in stranger[: most * 4])
    kept = "".join(each for each in kept if unicodedata.category(each) not in ("Cf", "Cs", "Co", "Cn"))
    kept = " ".join(kept.split())
    return kept if len(kept) <= most else f"{kept[: most - 1]}\N{HORIZONTAL ELLIPSIS}"


def address(url: str) -> str:
    """Give a link's target, or nothing where it is no plain web address."""
    return url if re.fullmatch(r"https?://[A-Za-z0-9._~:/?#@!$&'*+,;=%\[\]-]+", url) else ""
