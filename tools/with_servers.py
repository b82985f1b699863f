"""Run a command with the broker and store of the tests running: tools/with_servers.py COMMAND. The environment tells it where."""

import os
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from pushline.servers.cache import NotPrepared
from pushline.servers.child import ServerNotStarted
from tests import server_kinds
from tests.servers import ENVIRON, chosen, tell


def main(command: list[str]) -> int:
    began = time.monotonic()
    with ExitStack() as stack:
        try:
            broker = server_kinds.broker(stack, chosen())
            store, said = server_kinds.store(stack, chosen())
        except (NotPrepared, ServerNotStarted) as error:
            tell(f"a server that does not start fails the run: {error}")
            return 1
        tell(f"{broker.said} at {broker.bootstrap}, {said} at {store.endpoint} ({time.monotonic() - began:.1f} s)")
        told = {
            "PUSHLINE_TEST_KAFKA": broker.bootstrap,
            "PUSHLINE_TEST_KAFKA_OPTIONS": ";".join(f"{name}={value}" for name, value in broker.options.items()),
            "PUSHLINE_TEST_KAFKA_SAID": broker.said,
            "PUSHLINE_TEST_S3": store.endpoint,
            "PUSHLINE_TEST_S3_BUCKET": store.bucket,
            "PUSHLINE_TEST_S3_ACCESS_KEY": store.access_key,
            "PUSHLINE_TEST_S3_SECRET_KEY": store.secret_key,
            "PUSHLINE_TEST_S3_REGION": store.region,
            "PUSHLINE_TEST_S3_SAID": said,
        }
        return subprocess.run(command, env={**ENVIRON, **told}, check=False).returncode


if __name__ == "__main__":
    os.chdir(Path(__file__).resolve().parent.parent)
    sys.exit(main(sys.argv[1:]))
