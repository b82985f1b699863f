"""A first operator's file for one model, with the secret that signs its webhook."""

import re
import secrets
from dataclasses import dataclass
from pathlib import Path

from pushline.cli.exits import Exit, Said
from pushline.cli.files import refuse_existing, write_new

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")

TEMPLATE = """\
# The operator's file of a Pushline line: what a committer must not decide.
# `pushline up {file}` runs it. Keep this file and the secrets beside it out of the models' repositories.

[[models]]
name = "{name}"
# A URL or a path. Also what a webhook's repository is matched with.
repository = "{repository}"
branch = "{branch}"
# Only the newest commit is trained; older ones that wait are superseded.
policy = "latest"
# A newer commit stops the training of an older one.
cancel_running = true
# Signs webhooks. Name a second file while you change the secret.
webhook_secret_files = ["secrets/{name}"]
# How often to look at the branch without being told.
reconcile_interval = "3m"

# Tells your forge (github, gitlab or gitea) what becomes of each commit: a status, and one comment.
# [models.forge]
# kind = "github"
# project = "team/{name}"
# api = "https://api.github.com"
# token_file = "secrets/{name}-forge"

# Least demands on every model; the repository's pushline.toml may ask for more, never for less.
# [models.gates]
# accuracy = {{ min = 0.8 }}

# Upper bounds of a training; pushline.toml may ask for less.
# [models.limits]
# timeout = "1h"
# memory = "4GiB"
# processes = 256
# disk = "2GiB"
# output = "1GiB"

[up]
# Everything of the running line lies here, and is gone when it ends. Relative to this file.
state = "state"
"""


@dataclass(frozen=True, slots=True)
class FirstModel:
    name: str
    repository: str
    branch: str = "main"


def write_config(path: Path, model: FirstModel, *, force: bool = False) -> Path:
    """Write the file and a new secret (0600); give the secret's path."""
    check_name(model.name)
    for value, option in ((model.repository, "--repository"), (model.branch, "--branch")):
        if not value or any(character in value for character in '"\\\n\r'):
            raise Said(f"{option} must not be empty or hold quotes, backslashes or line breaks.", Exit.USAGE)
    secret = path.parent / "secrets" / model.name
    refuse_existing([path, secret], force=force)
    write_new(secret, secrets.token_hex(32) + "\n", mode=0o600, force=force)
    secret.parent.chmod(0o700)
    text = TEMPLATE.format(file=path.name, name=model.name, repository=model.repository, branch=model.branch)
    write_new(path, text, mode=0o600, force=force)
    return secret


def check_name(name: str) -> None:
    if not NAME.fullmatch(name):
        raise Said(f"{name!r} is no model name: lower-case letters, digits and hyphens, at most 63, no hyphen first.", Exit.USAGE)
