"""`pushline init`: a commented pushline.toml and the hooks, in a model repository."""

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from pushline.cli.config_writer import check_name
from pushline.cli.exits import Exit, Said
from pushline.cli.files import refuse_existing, write_new
from pushline.cli.hooks import HookSettings, post_receive, pre_push
from pushline.cli.options import Force, Json, LineOption
from pushline.cli.terminal import terminal_of

PUSHLINE_TOML = """\
# What Pushline should do with this repository. Every line may be left out: a script that saves model.h5 is enough.

[model]
name = "{name}"                  # must be the operator's name of this model
# task = "classification"        # or "multilabel", "regression"; else taken from the loss and the output
# labels = ["no", "yes"]         # names of the classes, in order
# quantiles = [0.1, 0.5, 0.9]    # what the columns of a regression's answers are, where they are quantiles

[train]
# script = "train.py"
# timeout = "1h"                 # no more than the operator allows
# memory = "4GiB"

[evaluate]
# dataset = "data/test.npz"      # arrays x and y; else what the script gave model.evaluate or its validation; best is one that
#                                # the script never sees: "s3://bucket/datasets/{name}/test.npz#sha256=…"
# metrics = ["python:money:profit"]   # functions of this repository: profit(y, answers) gives one number
# slices = ["region", "x[3]"]    # rows that are measured on their own; each class always is

[gates]                          # without any: not worse than what is live, and better than the best constant answer
# accuracy = {{ min = 0.95, max_drop = 0.02 }}   # 0.02 worse than the live model is ruled out, as far as the set can tell
# recall = {{ min = 0.90 }}

[deploy]
strategy = "immediate"
"""

NEXT = """
Next: commit pushline.toml; the operator's file must name this repository as model {name}.
So that a push is heard at once, install one of the hooks:
  .pushline/post-receive  in the bare repository, as hooks/post-receive
  .pushline/pre-push      in this clone, as .git/hooks/pre-push"""


def init(
    context: typer.Context,
    *,
    folder: Annotated[
        Path, typer.Argument(metavar="[FOLDER]", show_default=False, help="The repository; here if left out.")
    ] = Path(),
    model: Annotated[str, typer.Option("--model", "-m", metavar="NAME", help="Model name; the folder's name if left out.")] = "",
    url: Annotated[str, typer.Option("--url", metavar="URL", help="The trainer's address, for the hooks.")] = "",
    secret_file: Annotated[str, typer.Option("--secret-file", metavar="FILE", help="Secret that signs hints, for the hooks.")] = "",
    line: LineOption = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Make a git repository one of Pushline's: writes pushline.toml and the hooks.

    In a bare repository the post-receive hook is put in place; in a clone the hooks are written to .pushline/ to be copied.
    """
    name = model or folder.resolve().name.removesuffix(".git")
    check_name(name)
    bare = _is_bare(folder)
    named = str(line.resolve()) if line else ""
    command = (sys.executable, "-m", "pushline.cli") if bare or line else ("pushline",)
    settings = HookSettings(name, url, named, secret_file, command)
    files = _bare(folder, settings) if bare else _clone(folder, settings)
    refuse_existing(list(files), force=force)
    for path, (text, mode) in files.items():
        write_new(path, text, mode=mode, force=force)
    terminal = terminal_of(context)
    if as_json:
        terminal.json({"model": name, "files": [str(path) for path in files]})
        return
    for path in files:
        terminal.say(f"wrote {path}")
    terminal.say(_next_bare(settings) if bare else NEXT.format(name=name))


def _is_bare(folder: Path) -> bool:
    told = subprocess.run(
        ["git", "-C", str(folder), "rev-parse", "--is-bare-repository"], capture_output=True, text=True, check=False
    )
    if told.returncode != 0:
        raise Said(f"{folder.resolve()} is no git repository; make one with `git init`.", Exit.BAD_FILE)
    return told.stdout.strip() == "true"


def _bare(folder: Path, settings: HookSettings) -> dict[Path, tuple[str, int]]:
    return {folder / "hooks" / "post-receive": (post_receive(settings), 0o755)}


def _clone(folder: Path, settings: HookSettings) -> dict[Path, tuple[str, int]]:
    return {
        folder / "pushline.toml": (PUSHLINE_TOML.format(name=settings.model), 0o644),
        folder / ".pushline" / "post-receive": (post_receive(settings), 0o755),
        folder / ".pushline" / "pre-push": (pre_push(settings), 0o755),
    }


def _next_bare(settings: HookSettings) -> str:
    if settings.line_file or settings.url:
        return "Every push into this repository now tells the line at once."
    return "Next: say in this hook where the line is, or write it again with --line FILE or --url and --secret-file, and --force."
