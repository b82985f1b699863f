"""Memory of large messages is taken from the kernel once."""

import subprocess
import sys

import pytest

FAULTS = """
import resource, sys, threading
from pushline.predictor.heap import keep_freed

def messages():
    [bytes(8 << 20) for _ in range(3)]

def measure():
    messages()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        messages()
    print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)

if sys.argv[1] == "kept" and not keep_freed(16 << 20):
    sys.exit("malloc is not glibc's")
thread = threading.Thread(target=measure)
thread.start()
thread.join()
"""


@pytest.mark.parametrize(("kept", "least", "most"), [("kept", 0, 10_000), ("as malloc likes it", 30_000, 1_000_000)])
def test_pages_of_messages_that_were_freed_are_used_again(kept: str, least: int, most: int) -> None:
    told = subprocess.run([sys.executable, "-c", FAULTS, kept], capture_output=True, text=True, check=True)

    assert least <= int(told.stdout) <= most
