"""Searching for planted secrets in every form in which one may slip out."""

import base64
from urllib.parse import quote


def forms(secret: str) -> dict[str, bytes]:
    """Give what to look for: plain, reversed, hex, URL-encoded, base64 at each of its three alignments."""
    data = secret.encode()
    found = {"plain": data, "reversed": data[::-1], "hex": data.hex().encode(), "HEX": data.hex().upper().encode()}
    found["quoted"] = quote(secret, safe="").encode()
    for shift in range(3):
        whole = base64.b64encode(b"\0" * shift + data)
        found[f"base64+{shift}"] = whole[4 if shift else 0 : len(whole) // 4 * 4 - 4]  # without what neighbours change
    return found


class Search:
    """Collects where a secret was found."""

    def __init__(self, secrets: dict[str, str]) -> None:
        self._wanted = {f"{name} {form}": data for name, secret in secrets.items() for form, data in forms(secret).items()}
        self.found: list[str] = []
        self.searched = 0

    def look(self, where: str, data: bytes) -> None:
        self.searched += 1
        self.found += [f"{what} in {where}" for what, wanted in self._wanted.items() if wanted in data]
