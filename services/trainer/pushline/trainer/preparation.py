"""What a script needs beside its checkout: packages, data, data sets. Leased while the run lasts, shown read-only."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from pushline.objects import keys
from pushline.runtime.operator_file import DataConfig
from pushline.trainer import data
from pushline.trainer.data import DataFile, DataRefused, DataRules, TrainingData
from pushline.trainer.environments import Environments
from pushline.trainer.evaluation_set import StoreSet, look_at
from pushline.trainer.failures import Failure
from pushline.trainer.live import LiveTraining
from pushline.trainer.repository_file import Plan
from pushline.trainer.sandbox.box import Shown

KERAS_DATASETS = "~/.keras/datasets"
EVALUATION_SET = "evaluation-set.npz"  # beside the checkout, of which the sandbox sees nothing else


@dataclass(frozen=True, slots=True)
class Prepared:
    shown: tuple[Shown, ...]
    python_path: tuple[Path, ...]
    environment_sha256: str
    evaluation_set: StoreSet | None = None


@dataclass(frozen=True, slots=True)
class Needs:
    """What a commit asks for."""

    model: str
    plan: Plan
    rules: DataConfig
    source: Path  # its checkout
    base_sha256: str  # of the training environment


@dataclass(frozen=True, slots=True)
class Preparation:
    environments: Environments
    data: TrainingData
    bucket: str  # the line's own
    datasets: Path | None = None  # what the operator has filled for scripts that fetch data sets by name

    @contextmanager
    def of(self, needs: Needs, live: LiveTraining, cancelled: threading.Event) -> Iterator[Prepared]:
        """Raises EnvironmentRefused, DataRefused, Transient, StoreError, LeaseCancelled."""
        plan, sha256, python_path = needs.plan, needs.base_sha256, tuple[Path, ...]()
        shown = [Shown(self.datasets, KERAS_DATASETS)] if self.datasets is not None and self.datasets.is_dir() else []
        with ExitStack() as leases:
            if plan.pins:
                live.begin("environment")
                lease = self.environments.lease(plan.requirements, plan.pins, sha256, cancelled, live.say)
                environment = leases.enter_context(lease)
                live.say(f"packages of {plan.requirements}: {', '.join(environment.installed) or 'all are there already'}")
                python_path, sha256 = (environment.path,), environment.sha256
            if plan.data:
                live.begin("data")
                shown.append(Shown(self._data(needs, leases, live, cancelled), data.FOLDER))
            evaluation_set = self._evaluation_set(needs, live, cancelled) if plan.from_store else None
            yield Prepared(tuple(shown), python_path, sha256, evaluation_set)

    def _rules(self, needs: Needs) -> DataRules:
        return DataRules((f"s3://{self.bucket}/datasets/{needs.model}/", *needs.rules.allow), needs.rules.max_bytes)

    def _evaluation_set(self, needs: Needs, live: LiveTraining, cancelled: threading.Event) -> StoreSet | None:
        """Lay it where the run's files are until they are in the store. It is no part of what is shown."""
        file, rules = needs.plan.from_store, self._rules(needs)
        if file is None:
            return None
        live.begin("data")
        at = needs.source.with_name(EVALUATION_SET)
        with self.data.lease(file, rules, rules.max_bytes, cancelled) as path:
            data.put(path, at)
        found = look_at(file, at)
        live.say(f"evaluation set: {found.rows} rows, {found.size} bytes of {file.address}; the script does not see it")
        return found

    def _check_unseen(self, model: str, file: DataFile) -> None:
        """What judged a model once is never shown to a training of it, whatever it is called. Raises DataRefused, StoreError."""
        if self.data.store_of(self.bucket).exists(keys.dataset(model, file.sha256)):
            sentence = f"{file.address} is an evaluation set of this model, which no training of it may see."
            raise DataRefused(Failure("data_is_evaluation_set", sentence))

    def _data(self, needs: Needs, leases: ExitStack, live: LiveTraining, cancelled: threading.Event) -> Path:
        rules = self._rules(needs)
        left, fetched = rules.max_bytes, list[tuple[str, Path]]()
        for file in needs.plan.data:
            self._check_unseen(needs.model, file)
            path = leases.enter_context(self.data.lease(file, rules, left, cancelled))
            left -= path.stat().st_size
            fetched.append((file.name, path))
            live.say(f"data/{file.name}: {path.stat().st_size} bytes of {file.address}")
        folder = needs.source.with_name("data")
        data.lay_out(folder, needs.source / data.FOLDER, fetched)
        return folder
