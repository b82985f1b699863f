"""What a reload of a model with 50 MB of weights costs the answers: benchmarks/reload.py with fewer swaps."""

import sys

from benchmarks import reload

if __name__ == "__main__":
    reload.main(["--large", "--swaps", "50", "--fast", "50", *sys.argv[1:]])
