"""The demo's git: a bare repository with a hook that tells the line, and a clone in which the example is improved."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pushline.cli.exits import Exit, Said

SCRIPT = "train.py"
BEFORE, AFTER = "HIDDEN = 32", "HIDDEN = 128"
# Nothing of the user's own git settings: a hooksPath or a signing key would change what happens.
GIT = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0"}
AUTHOR = ("-c", "user.name=Demo", "-c", "user.email=demo@example.com", "-c", "commit.gpgsign=false")


@dataclass(frozen=True, slots=True)
class DemoRepository:
    bare: Path
    clone: Path
    environ: Mapping[str, str]

    def install_hook(self, text: str) -> None:
        hook = self.bare / "hooks" / "post-receive"
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(text)
        hook.chmod(0o755)

    def improve(self) -> None:
        script = self.clone / SCRIPT
        text = script.read_text()
        if BEFORE not in text:
            raise Said(f"The example's {SCRIPT} has no line {BEFORE!r} that the demo could improve.", Exit.BAD_FILE)
        script.write_text(text.replace(BEFORE, AFTER))

    def commit(self, message: str) -> str:
        """Give the SHA."""
        self._git("add", "--all")
        self._git(*AUTHOR, "commit", "--quiet", "--message", message)
        return self._git("rev-parse", "HEAD").strip()

    def push(self) -> str:
        """Give what git and the hook said."""
        return self._git("push", "--quiet", "origin", "main")

    def _git(self, *arguments: str) -> str:
        return _git(self.environ, "-C", str(self.clone), *arguments)


def make_repository(folder: Path, example: Path, environ: Mapping[str, str]) -> DemoRepository:
    if not (example / SCRIPT).is_file():
        raise Said(f"{example} holds no {SCRIPT}; name the example's folder by --example.", Exit.BAD_FILE)
    bare, clone, environ = folder / "digits.git", folder / "digits", {**environ, **GIT}
    _git(environ, "init", "--quiet", "--bare", "--initial-branch=main", str(bare))
    shutil.copytree(example, clone, ignore=shutil.ignore_patterns("__pycache__", "model.h5", ".git"))
    _git(environ, "init", "--quiet", "--initial-branch=main", str(clone))
    _git(environ, "-C", str(clone), "remote", "add", "origin", os.fspath(bare))
    return DemoRepository(bare, clone, environ)


def _git(environ: Mapping[str, str], *arguments: str) -> str:
    told = subprocess.run(["git", *arguments], env=dict(environ), capture_output=True, text=True, check=False)
    if told.returncode != 0:
        words = [word for word in arguments if word in {"init", "add", "commit", "push", "remote", "rev-parse"}]
        raise Said(f"git {' '.join(words)} failed: {told.stderr.strip()[-500:]}", Exit.FAILED)
    return told.stdout + told.stderr
