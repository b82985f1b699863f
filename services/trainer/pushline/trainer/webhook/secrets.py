"""The secrets that webhooks are signed with, as the operator's file and the files that it names say now.

Of a model's secrets each counts, so nothing is refused while one is changed: add the new one, change it at the forge, take the old
one out. What else the operator's file says is read at the start alone.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pushline.runtime.config_watch import ConfigWatch
from pushline.runtime.logs import Logger
from pushline.runtime.operator_file import ModelConfig, OperatorFileError, read_operator_file
from pushline.trainer.webhook.signature import Keyring


class Secrets:
    """`forges` and `own` are of the newest files for ever. start(), stop(); without a path they stay as they are."""

    def __init__(self, path: Path | None, models: Sequence[ModelConfig], emit_secret: bytes, log: Logger) -> None:
        self._path, self._models, self._emit_secret, self._log = path, tuple(models), emit_secret, log
        self.forges, self.own = Keyring.of(models), Keyring.of(models, emit_secret)
        self._watch = ConfigWatch(path, self._files, self.read_again) if path is not None else None

    def start(self) -> None:
        if self._watch is not None:
            self._watch.start()
            self.read_again()  # for a change that came before the watch did

    def stop(self) -> None:
        if self._watch is not None:
            self._watch.stop()

    def read_again(self) -> None:
        """Take the new secrets of the models that are known; files that do not fit change nothing."""
        if self._path is None:
            return
        try:
            said = {model.name: model for model in read_operator_file(self._path).models}
        except OperatorFileError as error:
            self._log.error("the new webhook secrets are refused; the ones before them count on", **{"error.message": str(error)})
            return
        newest = tuple(_with_secrets_of(said.get(model.name, model), model) for model in self._models)
        if newest != self._models:
            self._models = newest
            self.forges.turn(Keyring.of(newest))
            self.own.turn(Keyring.of(newest, self._emit_secret))
            counts = ", ".join(f"{model.name} {len(model.webhook_secrets)}" for model in newest)
            self._log.info("the new webhook secrets count from now on", **{"labels.secrets": counts})

    def _files(self) -> tuple[Path, ...]:
        return tuple(file for model in self._models for file in model.webhook_secret_files)


def _with_secrets_of(newer: ModelConfig, model: ModelConfig) -> ModelConfig:
    return replace(model, webhook_secrets=newer.webhook_secrets, webhook_secret_files=newer.webhook_secret_files)
