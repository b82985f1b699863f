"""The manifest's bytes: the same for equal manifests, and every broken one named by its field."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from pushline.objects import manifest as manifests
from pushline.objects.manifest import BadManifest, Dataset, Gate, Manifest, ManifestFile, Program, TensorSpec

A, B = "a" * 64, "b" * 64
MANIFEST = Manifest(
    schema=1,
    model="digits",
    run_id="r",
    generation=3,
    attempt=1,
    commit={"sha": "c" * 40, "message": "größer"},
    digest=A,
    files=(ManifestFile("model.h5", A, 10), ManifestFile("program.tflite", B, 5)),
    programs=(Program("program.tflite", None),),
    inputs=(TensorSpec("x", "float32", (-1, 64)),),
    outputs=(TensorSpec("y", "float32", (-1, 10)),),
    task="classification",
    labels=("0", "1"),
    dataset=Dataset(B, 7, 360, "repository", "evaluate"),
    gates=(Gate("accuracy", 0.9, None, 0.01, {"eps": 0.05}, "operator"),),
    slices=(),
    from_logits=False,
    loss="",
    versions={"keras": "3.15.1"},
    environment_sha256=A,
    seeds={"numpy": 1},
    history={"loss": (0.5, None)},
    seconds=4.0,
    sandbox="bubblewrap",
)


def test_a_manifest_comes_back_as_it_was() -> None:
    assert manifests.load(manifests.dump(MANIFEST)) == MANIFEST


def test_a_manifest_without_an_evaluation_set_comes_back() -> None:
    without = replace(MANIFEST, dataset=None)

    assert manifests.load(manifests.dump(without)) == without


def test_equal_manifests_have_the_same_bytes() -> None:
    turned = replace(MANIFEST, commit=dict(reversed(MANIFEST.commit.items())))

    assert manifests.dump(turned) == manifests.dump(MANIFEST)


def _set(*path: Any) -> Callable[[dict[str, Any]], None]:
    *inner, last, value = path

    def change(plain: dict[str, Any]) -> None:
        place: Any = plain
        for step in inner:
            place = place[step]
        place[last] = value

    return change


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (_set("schema", 2), "schema is 2"),
        (lambda plain: plain.pop("task"), "task is missing"),
        (_set("generation", "3"), "generation is not of type int"),
        (_set("attempt", True), "attempt is not of type int"),
        (_set("files", {}), "files is not a list"),
        (_set("files", 1, "size", -1), r"files\[1\].size is below 0"),
        (_set("files", 1, "name", "../x"), r"files\[1\].name is no plain file name"),
        (_set("files", 1, "sha256", "B" * 64), r"files\[1\].sha256"),
        (_set("files", 1, "name", "model.h5"), "files names one file twice"),
        (_set("programs", 0, "file", "other"), r"programs\[0\].file is 'other'"),
        (_set("programs", 0, "batch", 0), r"programs\[0\].batch"),
        (_set("inputs", 0, "shape", [-1, 1.5]), r"inputs\[0\].shape\[1\] is not of type int"),
        (_set("gates", 0, "parameters", "eps", "big"), r"gates\[0\].parameters.eps is not of type float"),
        (_set("history", []), "history is not an object"),
        (_set("digest", "x"), "digest is not"),
        (_set("seconds", float("inf")), "seconds is not finite"),
        (_set("history", "loss", [10**400]), r"history.loss\[0\] is not finite"),
    ],
)
def test_a_broken_manifest_is_named_by_its_field(change: Callable[[dict[str, Any]], None], sentence: str) -> None:
    plain = json.loads(manifests.dump(MANIFEST))
    change(plain)

    with pytest.raises(BadManifest, match=sentence):
        manifests.load(json.dumps(plain).encode())


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"\xff", b"[" * 100_000, b" " * (5 * 1024 * 1024)])
def test_what_is_no_manifest_at_all_is_refused(data: bytes) -> None:
    with pytest.raises(BadManifest, match="the manifest"):
        manifests.load(data)


@pytest.mark.parametrize("bad", [{"seconds": float("nan")}, {"digest": "x"}, {"history": {"loss": (float("inf"),)}}])
def test_a_manifest_that_could_not_be_read_back_is_not_written(bad: dict[str, Any]) -> None:
    with pytest.raises(BadManifest):
        manifests.dump(replace(MANIFEST, **bad))


def test_a_field_of_a_later_version_is_ignored() -> None:
    plain = json.loads(manifests.dump(MANIFEST)) | {"later": 1}

    assert manifests.load(json.dumps(plain).encode()) == MANIFEST
