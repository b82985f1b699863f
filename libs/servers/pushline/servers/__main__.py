"""`python -m pushline.servers` makes a real Kafka and MinIO ready in the user's cache."""

import os
import sys

from pushline.servers.cache import NotPrepared
from pushline.servers.real_parts import prepare


def main() -> int:
    try:
        prepare(dict(os.environ), lambda line: print(f"pushline: {line}", file=sys.stderr, flush=True))
    except NotPrepared as error:
        print(f"pushline: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
