"""Requests of REST that are wrong in some way: right bodies with any part replaced, then any byte; paths, methods and headers too.

`request(seed, number)` is always the same one.
"""

import gzip
import json
import random
from collections.abc import Iterator
from copy import deepcopy
from typing import Any, NamedTuple
from urllib.parse import quote

from benchmarks.hostile.subject import LIGHT_MODEL, MIXED_MODEL

Chance = random.Random
JSON_SIZE = "Inference-Header-Content-Length"
TYPES = (*("application/json",) * 12, "", "text/plain", "application/octet-stream", "application/json; charset=latin-1")
LONG = 20_000
PREFIXES = ("infer", "infer", "infer", "infer", "infer", "versions/1/infer", "versions/2/infer", "versions/-1/infer")
PATHS = ("/v2", "/v2/health/live", "/v2/models", "/v2/models/", "/v2/repository/index", "/", "//", "/v2/%2e%2e/%2e%2e", "/metrics")
METHODS = ("PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "HEAD", "X" * 40)
MODELS = (LIGHT_MODEL, MIXED_MODEL, "other", "", "ß", "\0", "..", "%", "m" * 5000, "\udcff")
LEAVES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 4, 0.5, -0.0, 1e308, 5e-324, 2**31, 2**53 + 1, 2**63, 2**64, -(2**63), 10**400),
    *(float("nan"), float("inf"), "", "x", "FP32", "FP16", "INT64", "BYTES", "\0", "\ud800", "ß\U0001f600", "s" * LONG),
    *([], {}, [[]], [1, 2, 3, 4], [[1, 2, 3, 4]], [1, [2, 3], 4], [None] * 4, list(range(3000)), {"binary_data_size": 16}),
    *({"binary_data_size": 2**62}, {"binary_data_size": -1}, {"binary_data": True}, {"classification": 3}),
)
TOKENS = (
    b"NaN",
    b"-Infinity",
    b"1e999",
    b"-1e999",
    b"9" * 5000,
    b"0x10",
    b"01",
    b"'x'",
    b"[" * 3000,
    b'{"a":' * 3000,
    b"\xff",
    b"\xef\xbb\xbf",
)


class Request(NamedTuple):
    method: str
    path: str
    headers: dict[str, str]
    body: bytes | None


def request(seed: int, number: int) -> Request:
    chance = random.Random(f"{seed}/{number}")  # noqa: S311 - chance that can be repeated, no secret
    kind = chance.random()
    if kind < 0.12:
        return _looking(chance)
    path = f"/v2/models/{_quoted(chance)}/{chance.choice(PREFIXES)}" if kind < 0.9 else f"/v1/models/{_quoted(chance)}:predict"
    document = (
        _document(chance) if kind < 0.9 else chance.choice(({"instances": [[1, 2, 3, 4]]}, {"inputs": {"x": [[1, 2, 3, 4]]}}))
    )
    for _ in range(chance.choice((0, 1, 1, 1, 2, 4))):
        _replace(document, chance)
    body = json.dumps(document).encode("utf-8", "surrogatepass")
    headers = {"Content-Type": chance.choice(TYPES)}
    if chance.random() < 0.15:
        headers[JSON_SIZE] = chance.choice((str(len(body)), str(len(body)), "0", "-1", "1" * 40, "99999", "²", "x"))
        body += chance.choice((b"", bytes(16), bytes(15), bytes(17)))
    for _ in range(chance.choice((0, 0, 0, 1, 2))):
        body = _damaged(body, chance)
    headers = _with_more(headers, chance)
    if chance.random() < 0.1:
        headers["Content-Encoding"] = chance.choice(("gzip", "gzip", "deflate"))
        body = gzip.compress(body, 1) if chance.random() < 0.8 else body
        body = body[: chance.randrange(len(body) + 1)] if chance.random() < 0.2 else body
    return Request("POST", path, headers, body)


def _document(chance: Chance) -> dict[str, Any]:
    rows = chance.choice((1, 1, 2, 3))
    data: Any = [[1.0, 2.0, 3.0, 4.0]] * rows if chance.random() < 0.5 else [1.0, 2.0, 3.0, 4.0] * rows
    document: dict[str, Any] = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [rows, 4], "data": data}]}
    if chance.random() < 0.3:
        document |= {"id": "one", "outputs": [{"name": "output_0", "parameters": {"binary_data": chance.random() < 0.5}}]}
    if chance.random() < 0.1:
        document["inputs"] = document["inputs"] * chance.choice((2, 500))
    return json.loads(json.dumps(document))  # type: ignore[no-any-return]  # so that no part is there twice


def _replace(document: dict[str, Any], chance: Chance) -> None:
    """Put something else in one place, or take it away."""
    places = list(_places(document))
    if not places:
        return
    holder, key = chance.choice(places)
    if isinstance(holder, dict) and chance.random() < 0.15:
        del holder[key]
    else:
        holder[key] = deepcopy(chance.choice(LEAVES))


def _places(node: Any) -> Iterator[tuple[Any, Any]]:  # noqa: ANN401 - any JSON
    keys = list(node) if isinstance(node, dict) else range(min(len(node), 20))
    for key in keys:
        yield node, key
        if isinstance(node[key], (dict, list)):
            yield from _places(node[key])


def _damaged(body: bytes, chance: Chance) -> bytes:
    place = chance.randrange(len(body) + 1)
    what = chance.randrange(5)
    if what == 0:
        return body[:place]
    if what == 1:
        return body[:place] + bytes([chance.randrange(256)]) + body[place + 1 :]
    if what == 2:
        return body[:place] + chance.choice(TOKENS) + body[place:]
    if what == 3:
        return body.replace(b'"shape"', b'"name"', 1)  # a key twice
    return chance.randbytes(chance.choice((0, 1, 30, 3000)))


def _looking(chance: Chance) -> Request:
    model = f"/v2/models/{_quoted(chance)}"
    path = chance.choice((*PATHS, model, f"{model}/ready", f"{model}/versions/{chance.choice(('1', '2', 'x'))}", f"{model}/infer"))
    method = chance.choice(("GET", "GET", "GET", "POST", *METHODS))
    return Request(method, path, _with_more({}, chance), chance.choice((None, b"", b"{}")))


def _quoted(chance: Chance) -> str:
    name = LIGHT_MODEL if chance.random() < 0.8 else chance.choice(MODELS)
    return quote(name.encode("utf-8", "surrogateescape"), safe="")


def _with_more(headers: dict[str, str], chance: Chance) -> dict[str, str]:
    more: tuple[dict[str, str], ...] = (
        {},
        {},
        {},
        {},
        {"Accept-Encoding": "gzip"},
        {"Content-Encoding": "br"},
        {"X-A": "a" * 3000},
        {"Accept": "\xff"},
        {"Expect": "nothing"},
    )
    return {**headers, **chance.choice(more)}
