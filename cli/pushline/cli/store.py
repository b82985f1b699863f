"""`pushline store`: the bucket of a real object store, made and put to the test."""

import hashlib
from collections.abc import Callable, Iterator

import typer

from pushline.cli.exits import Exit, Said
from pushline.cli.options import Json
from pushline.cli.terminal import Terminal, terminal_of
from pushline.objects.minio_store import MinioStore
from pushline.objects.store import StoreError, StoreUnavailable
from pushline.runtime.settings import SettingsError, StoreSettings, read

KEY = "checks/self-test"  # reserved: nothing else is ever kept there
DATA = bytes(range(256)) * 4096  # 1 MiB
store = typer.Typer(help="The bucket of a real object store.", no_args_is_help=True)


@store.callback()
def _store() -> None:
    """The bucket of a real object store, which the settings PUSHLINE_S3_* name."""


@store.command()
def create(context: typer.Context, *, as_json: Json = False) -> None:
    """Make the bucket where it is not there, and test it as `check` does."""
    terminal = terminal_of(context)
    settings, opened = _open(terminal)
    try:
        made = opened.make_bucket()
    except StoreError as error:
        raise _said(error) from None
    if not as_json:
        terminal.say(f"{'made ' if made else 'there'}  bucket {settings.bucket} on {settings.endpoint}")
    _report(terminal, opened, {"bucket": settings.bucket, "created": made}, as_json=as_json)


@store.command()
def check(context: typer.Context, *, as_json: Json = False) -> None:
    """Put, get, read in part and list an object under a reserved key, and name what does not work."""
    terminal = terminal_of(context)
    settings, opened = _open(terminal)
    _report(terminal, opened, {"bucket": settings.bucket}, as_json=as_json)


def steps(opened: MinioStore) -> Iterator[tuple[str, Callable[[], bool]]]:
    """Give each step by name; it is false where the store answers with something else than was put there."""
    sha256 = hashlib.sha256(DATA).hexdigest()
    yield "put", lambda: opened.put_bytes(KEY, DATA).sha256 == sha256
    yield "get", lambda: opened.read_bytes(KEY) == DATA
    yield "verify", lambda: _verified(opened, sha256)
    yield "range", lambda: opened.read_range(KEY, 1000, 500) == DATA[1000:1500]
    yield "list", lambda: KEY in opened.list("checks/")


def _verified(opened: MinioStore, sha256: str) -> bool:
    with opened.fetch(KEY, sha256) as path:
        return path.stat().st_size == len(DATA)


def _report(terminal: Terminal, opened: MinioStore, facts: dict[str, object], *, as_json: bool) -> None:
    """Stops at the first step that fails: those behind it would fail for the same reason."""
    passed: list[str] = []
    for name, step in steps(opened):
        try:
            right = step()
        except StoreError as error:
            raise Said(f"{name}: {error}", _said(error).code) from None
        if not right:
            raise Said(f"{name}: the store gives back something else than was put there.", Exit.FAILED)
        passed.append(name)
        if not as_json:
            terminal.say(f"ok     {name}")
    if as_json:
        terminal.json({**facts, "passed": passed})


def _open(terminal: Terminal) -> tuple[StoreSettings, MinioStore]:
    try:
        found = read(StoreSettings, terminal.environ)
        return found, MinioStore(found.endpoint, found.bucket, found.access_key, found.secret_key, found.region)
    except (SettingsError, StoreError) as error:
        raise Said(str(error), Exit.BAD_FILE) from None


def _said(error: StoreError) -> Said:
    return Said(f"The store: {error}", Exit.UNREACHABLE if isinstance(error, StoreUnavailable) else Exit.FAILED)
