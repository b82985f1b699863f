"""The predictor: hears `deployed`, serves it, says `served`.

python -m pushline.predictor [--workers N]
python -m pushline.predictor --model FOLDER --socket PATH
"""

import gc
import os
import sys


def main() -> int:
    gc.disable()  # what is imported stays: to look for garbage in it would take a quarter of the time that all imports take
    from pushline.predictor.arguments import asked  # noqa: PLC0415 - see above

    told = asked(sys.argv[1:])
    if told.model is not None:
        from pushline.predictor.folder_process import main as one_folder  # noqa: PLC0415 - see above

        return one_folder(told.model, told.socket, told.grpc_port, os.environ)
    from pushline.predictor.process import main as process  # noqa: PLC0415 - see above

    return process(dict(os.environ) if told.workers is None else {**os.environ, "PUSHLINE_WORKERS": told.workers})


if __name__ == "__main__":
    sys.exit(main())
