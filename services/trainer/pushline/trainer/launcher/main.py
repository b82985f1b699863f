"""The launcher's steps: watch the script, take its model, export it, write what it is judged by, say how it ended."""

import argparse
import os
import sys
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from . import dataset, modelfile, noise, proof, result, script, task, trained_rows
from .export import Answers, Exported, NotCompiled, adopt, export
from .freeze import Array, Frozen
from .hooks import AfterImport, hook
from .interface import Interface, interface_of, named
from .progress import Progress
from .reload import reloaded
from .watch import Watch

ANSWERED_ROWS = 2_000
OWN_PROGRAM = "program.tflite"


def main(words: Sequence[str]) -> None:
    """Ends the process: 0 after a success, 1 after a failure; result.json says which, and why."""
    arguments = _parsed(words)
    _prepare_process()
    progress = Progress(arguments.progress_fd)
    folder = Path.cwd()
    watch = Watch(folder / "model.h5", progress)
    sys.meta_path.insert(0, AfterImport(lambda keras: hook(keras, watch)))
    try:
        script.run(arguments.script)
        os.chdir(folder)
        progress.say("export")
        with noise.held_back():
            ended = _finished_or_failed(arguments, watch)
    except result.Failed as failed:
        ended = result.failure(failed)
        print(f"{failed.reason}: {failed.sentence}", file=sys.stderr)
    result.write(ended, arguments.out)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0 if ended["outcome"] == "succeeded" else 1)  # the script's threads, and TensorFlow's end, are not waited for


def _parsed(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="launch.py", description="Run a training script and export its model.")
    parser.add_argument("--script", required=True)
    parser.add_argument("--out", required=True, type=Path, help="folder for the results")
    parser.add_argument("--progress-fd", type=int, help="file descriptor for progress, one JSON object a line")
    parser.add_argument("--dataset", help="evaluation set: a .npz file of the repository, or python:module:function")
    parser.add_argument(
        "--set-elsewhere", action="store_true", help="the evaluation set is none of the script's, and not shown here"
    )
    parser.add_argument("--task", choices=task.TASKS)
    arguments = parser.parse_args(words)
    arguments.out = arguments.out.resolve()
    return arguments


def _prepare_process() -> None:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # noqa: TID251 TensorFlow is told in no other way
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)  # type: ignore[union-attr] # real files here
    noise.quieten_python()


def _finished_or_failed(arguments: argparse.Namespace, watch: Watch) -> dict[str, Any]:
    try:
        return _finished(arguments, watch)
    except result.Failed:
        raise
    except Exception as error:
        traceback.print_exc()
        raise result.Failed("not_servable", f"the model cannot be exported: {result.what(error)}") from error


def _finished(arguments: argparse.Namespace, watch: Watch) -> dict[str, Any]:
    out: Path = arguments.out
    modelfile.take_model(Path("model.h5"), out / "model.h5", arguments.script, watch)
    import keras  # noqa: PLC0415 only now is it certain to be needed

    model = modelfile.live_model(out / "model.h5", watch, keras)
    interface = interface_of(model, watch.sample(model), keras)
    frozen = None if arguments.set_elsewhere else dataset.chosen(arguments.dataset, watch, model)
    rows = _rows(frozen, interface, arguments.dataset, watch)
    known = rows or proof.rows_of(watch.sample(model), interface)
    exported = _exported(model, interface, known, out)
    answers = _answers(model, interface, rows, exported, out)
    if rows is None:
        answers = proof.write(model, interface, known, exported, out)
    watch.trained.write(out / trained_rows.NAME)
    loss = task.loss_name(model)
    return result.success(
        inputs=[each.as_json() for each in exported.inputs],
        outputs=[each.as_json() for each in exported.outputs],
        programs=_written(exported, out),
        engine="litert" if exported.programs else "tensorflow",
        max_difference=exported.max_difference,
        task=arguments.task or task.infer(loss, answers, frozen.y if frozen else None),
        loss=loss,
        from_logits=task.from_logits(model),
        dataset=_dataset(frozen, rows, exported, out),
        dataset_problem="" if rows else result.one_line(watch.problem),
        history=watch.history(model),
        seeds=watch.seeds,
    )


def _rows(frozen: Frozen | None, interface: Interface, words: str | None, watch: Watch) -> dict[str, Array] | None:
    if frozen is None:
        return None
    try:
        return named(frozen, interface)
    except ValueError as error:
        if words:
            raise result.Failed("bad_dataset", f"the evaluation set {words} does not fit the model: {error}") from error
        watch.problem = f"what {frozen.taken_from} was given does not fit the model: {error}"
        return None


def _exported(model: Any, interface: Interface, rows: Mapping[str, Array] | None, out: Path) -> Exported:  # noqa: ANN401 a Keras model
    own = Path(OWN_PROGRAM)
    if not own.is_file() or own.is_symlink():
        try:
            return export(model, interface, rows)
        except NotCompiled as refusal:
            return reloaded(out / "model.h5", model, interface, rows, refusal)
    modelfile.take(own, out / OWN_PROGRAM)
    return adopt((out / OWN_PROGRAM).read_bytes(), model, interface, rows)


def _written(exported: Exported, out: Path) -> list[dict[str, Any]]:
    programs = []
    for batch, content in exported.programs:
        name = OWN_PROGRAM if batch is None else f"program-{batch}.tflite"
        (out / name).write_bytes(content)
        programs.append({"file": name, "batch": batch})
    return programs


def _answers(
    model: Any,  # noqa: ANN401 a Keras model
    interface: Interface,
    rows: Mapping[str, Array] | None,
    exported: Exported,
    out: Path,
) -> dict[str, Array] | None:
    if rows is None:
        return None
    answers = Answers(model, interface)({name: array[:ANSWERED_ROWS] for name, array in rows.items()})
    answers = {exported.output_names[name]: array for name, array in answers.items()}
    np.savez(out / "answers.npz", allow_pickle=False, **answers)
    return answers


def _dataset(frozen: Frozen | None, rows: Mapping[str, Array] | None, exported: Exported, out: Path) -> dict[str, Any] | None:
    if frozen is None or rows is None:
        return None
    dataset.write({exported.input_names[name]: array for name, array in rows.items()}, frozen, out / "dataset.npz")
    return {"file": "dataset.npz", "rows": frozen.rows, "taken_from": frozen.taken_from, "truncated": frozen.truncated}
