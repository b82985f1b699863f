"""Files that commands write for people: never over something that is there, unless asked to."""

import os
from pathlib import Path

from pushline.cli.exits import Exit, Said


def write_new(path: Path, text: str, *, mode: int = 0o644, force: bool = False) -> None:
    """Raises Said where the file is there already and `force` is not set."""
    refuse_existing([path], force=force)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as out:
            out.write(text)
        path.chmod(mode)
    except OSError as error:
        raise Said(f"{path} cannot be written: {error.strerror}.", Exit.BAD_FILE) from None


def refuse_existing(paths: list[Path], *, force: bool) -> None:
    there = [str(path) for path in paths if path.exists() or path.is_symlink()]
    if there and not force:
        raise Said(f"{', '.join(there)} {'is' if len(there) == 1 else 'are'} there already; --force overwrites.", Exit.BAD_FILE)
