"""Run the script as `python script` would."""

import sys
import traceback
import types
from pathlib import Path

from .result import Failed, what


def run(script: str) -> None:
    """Raises Failed with the reason script_failed; the traceback, from the script's own frame on, goes to stderr."""
    path = Path(script)
    sys.argv = [script]
    sys.path[:0] = list(dict.fromkeys([str(Path.cwd()), str(path.resolve().parent)]))
    module = types.ModuleType("__main__")
    module.__dict__.update(__file__=script, __builtins__=__builtins__)
    sys.modules["__main__"] = module
    try:
        source = path.read_bytes()
    except OSError as error:
        raise Failed("script_failed", f"{script} cannot be read: {error.strerror}") from error
    try:
        exec(compile(source, script, "exec", dont_inherit=True), module.__dict__)  # noqa: S102 it is what this is for
    except SystemExit as left:
        if left.code not in (None, 0):
            print(left.code, file=sys.stderr)
            raise Failed("script_failed", f"{script} ended with sys.exit({left.code!r})") from left
    except BaseException as error:
        _print_from_the_script_on(error)
        raise Failed("script_failed", f"{script} raised {what(error)}") from error


def _print_from_the_script_on(error: BaseException) -> None:
    frames = error.__traceback__
    traceback.print_exception(type(error), error, frames.tb_next if frames else None)
