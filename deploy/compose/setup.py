"""The jobs of compose.yaml that run once: `setup.py keys`, then, with broker and store there, `setup.py line`.

`keys` makes a secret where there is none. `line` makes topics and bucket, and gives the store two users: one that may write, for
trainer, evaluator and deployer, and one that may read. Both may run again at any time.
"""

import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from minio import MinioAdmin
from minio.credentials.providers import StaticProvider

KEYS = Path("/var/lib/pushline/keys")
STORE, BUCKET, PARTITIONS = "store:9000", "pushline", "4"
UNREACHABLE, PATIENCE_SECONDS, PAUSE_SECONDS = 3, 120.0, 1.0  # the first is the command's exit code for it
READS = ["s3:GetObject", "s3:ListBucket", "s3:GetBucketLocation"]
WRITES = [*READS, "s3:PutObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts", "s3:ListBucketMultipartUploads"]
USERS = {"line": WRITES, "reader": READS}


def make_keys() -> None:
    for user in ("root", *USERS):
        _once(KEYS / user / "access-key", lambda user=user: f"pushline-{user}")  # type: ignore[misc]
        _once(KEYS / user / "secret-key", lambda: secrets.token_hex(20))
    _once(KEYS / "webhook" / "webhook", lambda: secrets.token_hex(32))
    _once(
        KEYS / "grafana" / "password", lambda: secrets.token_hex(20), 0o444
    )  # it has a user of its own, and nobody else the volume
    (KEYS / "grafana").chmod(0o755)


def _once(path: Path, make: Callable[[], str], mode: int = 0o400) -> None:
    """Whole or not at all: a job that was killed may have left half of it."""
    if not path.exists():
        beside = path.with_suffix(".new")
        beside.write_text(make())
        beside.chmod(mode)
        beside.replace(path)


def set_up_line() -> int:
    """Give the exit code of the first step that failed."""
    for words in (["topics", "create", "--partitions", PARTITIONS], ["store", "create"]):
        code = _pushline(words)
        if code != 0:
            return code
    keys = StaticProvider(_key("root", "access-key"), _key("root", "secret-key"))
    admin = MinioAdmin(endpoint=STORE, credentials=keys, secure=False)
    for user, actions in USERS.items():
        admin.policy_add(user, policy={"Version": "2012-10-17", "Statement": [_allowed(actions)]})
        admin.user_add(_key(user, "access-key"), _key(user, "secret-key"))
        admin.policy_set(user, user=_key(user, "access-key"))
    return 0


def _pushline(words: list[str]) -> int:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        code = subprocess.run([sys.executable, "-m", "pushline.cli", *words], check=False).returncode
        if code != UNREACHABLE or time.monotonic() > deadline:
            return code
        time.sleep(PAUSE_SECONDS)


def _allowed(actions: list[str]) -> dict[str, object]:
    return {"Effect": "Allow", "Action": actions, "Resource": [f"arn:aws:s3:::{BUCKET}", f"arn:aws:s3:::{BUCKET}/*"]}


def _key(user: str, name: str) -> str:
    return (KEYS / user / name).read_text()


if __name__ == "__main__":
    if sys.argv[1] == "keys":
        os.umask(0o077)
        make_keys()
    else:
        sys.exit(set_up_line())
