"""The embedded store's process: python -m pushline.servers.store_process FOLDER."""

import logging
import secrets
import sys
import tempfile
from pathlib import Path

from minio import Minio
from moto.moto_server.threaded_moto_server import ThreadedMotoServer

from pushline.servers.child import say_and_wait
from pushline.servers.embedded import BUCKET

LOOPBACK = "127.0.0.1"


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    tempfile.tempdir = str(folder)  # moto spools larger objects into temporary files
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(LOOPBACK, 0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    access_key, secret_key = "embedded", secrets.token_hex(16)
    Minio(f"{LOOPBACK}:{port}", access_key, secret_key, secure=False, region="us-east-1").make_bucket(BUCKET)
    say_and_wait(endpoint=f"http://{LOOPBACK}:{port}", access_key=access_key, secret_key=secret_key)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
