"""Files that only look like a model: each is refused with a sentence, most of them before Keras is asked."""

from collections.abc import Mapping
from typing import Protocol

import pytest

REFUSED = {
    "lambda": "needs 'Lambda'; only Keras' own layers",
    "tfsm-layer": "needs 'TFSMLayer'",
    "torch": "needs 'TorchModuleWrapper'",
    "foreign-module": "needs Dense of 'os'",
    "foreign-key": "says 'fn_module' of Flatten",
    "function": "uses the activation 'os.system'",
    "vocabulary-path": "names a file in its model_config (vocabulary)",
    "foreign-encoding": "has encoding='unicode_escape' in its model_config; known is utf-8",
    "foreign-split": "has split='os.system' in its model_config; known are whitespace, character",
    "no-vocabulary": "does not hold the vocabulary of its StringLookup",
    "path-name": "has the name '../../x'",
    "config-bomb": "says units=2000000000 in its model_config, and holds 71 weights",
    "square-bomb": "describes a model of 4973 weights in its model_config, and holds 71",
    "input-bomb": "takes an input of the shape",
    "external-link": "links to elsewhere in /model_weights/price/price/kernel",
    "soft-link": "links to elsewhere",
    "external-storage": "keeps the data of /model_weights/price/price/kernel in other files",
    "virtual-data": "in other files",
    "hard-link-cycle": "holds one thing under two names",
    "shape-bomb": "declares more than 67108864 bytes",
    "empty-data": "declares 4000000 bytes in /model_weights/price/price/kernel and holds 0",
    "compression-bomb": "packs 36000000 bytes",
    "unknown-filter": "needs the filter 32000",
    "objects": "no plain numbers",
    "big-endian": "holds >f4",
    "nan": "holds NaN or infinite values in /model_weights/price/price/kernel",
    "wrong-shape": "cannot be loaded by Keras: ValueError: Shape mismatch",
    "missing-weight": "cannot be loaded by Keras: ValueError: Weight count mismatch",
    "no-config": "no whole Keras model",
    "truncated": "cannot be read",
    "wrong-magic": "is no HDF5 file",
    "empty": "is no HDF5 file",
}


class Made(Protocol):
    @property
    def said(self) -> Mapping[str, str]: ...


def test_what_keras_wrote_is_opened(made: Made) -> None:
    assert made.said["good"] == ""


@pytest.mark.parametrize("name", REFUSED)
def test_a_hostile_file_is_refused_and_the_sentence_says_why(made: Made, name: str) -> None:
    assert REFUSED[name] in made.said[name]


def test_every_file_that_is_made_is_looked_at(made: Made) -> None:
    assert set(made.said) == {"good", *REFUSED}
