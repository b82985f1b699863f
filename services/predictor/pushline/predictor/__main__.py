"""The predictor: hears `deployed`, serves it, says `served`.

python -m pushline.predictor [--workers N]
"""

import gc
import os
import sys


def main() -> int:
    gc.disable()  # what is imported stays: to look for garbage in it would take a quarter of the time that all imports take
    from pushline.predictor.process import main as process  # noqa: PLC0415 - see above

    return process(os.environ)


if __name__ == "__main__":
    sys.exit(main())
