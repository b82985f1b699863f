"""Ends with 0 where the service beside it is well, else says what is not: `health.py /readyz SETTING PORT`.

SETTING may name another port. A predictor is asked for /livez, since one to which nothing was deployed yet is well, and not ready.
"""

import http.client
import os
import sys


def main(path: str, setting: str, port: str) -> int:
    told = os.environ.get(setting, "")  # noqa: TID251 - a program of its own
    asked = http.client.HTTPConnection("127.0.0.1", int(told or port), timeout=5)
    try:
        asked.request("GET", path)
        answer = asked.getresponse()
        said = answer.read(4096).decode("utf-8", "replace").strip()
    except (OSError, http.client.HTTPException) as error:
        print(f"{path} does not answer: {error}")
        return 1
    print(said)
    return int(answer.status != http.client.OK)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
