"""From a run to its `trained` event: checkout, packages and data, its tests, the script in the sandbox, upload.

Implements ports.Trainer.
"""

import secrets
import shutil
import threading
from collections import OrderedDict
from dataclasses import dataclass, field, replace
from pathlib import Path

from pushline.line.events import ModelTrained
from pushline.line.ledger import Run
from pushline.line.stage import Transient
from pushline.objects.manifest import BadManifest, Manifest
from pushline.objects.store import Store, StoreError
from pushline.runtime.operator_file import Limits, ModelConfig
from pushline.trainer import metrics_bundle, repository_tests, trained_event, tries, upload
from pushline.trainer.checkout import Checkout, CheckoutLimits, CheckoutRefused, Forge, ForgeUnavailable
from pushline.trainer.data import DataRefused
from pushline.trainer.environments import EnvironmentRefused
from pushline.trainer.failures import Failure, failure_of
from pushline.trainer.launch_result import NAME, BadResult, LaunchResult, read_result
from pushline.trainer.leased_cache import LeaseCancelled
from pushline.trainer.live import LiveTraining
from pushline.trainer.metrics_bundle import BundleRefused
from pushline.trainer.preparation import Needs, Preparation, Prepared
from pushline.trainer.repository_file import Plan, RepositoryFileError, read_repository_file
from pushline.trainer.sandbox.box import Ended, Job, Received, Sandbox, SandboxUnavailable
from pushline.trainer.upload import Product

LAUNCHER = Path(__file__).with_name("launcher")
ANSWERS_KEPT = 64
_CRASHED = Failure(
    "crashed", f"The training was begun {tries.MAX_TRIES} times, and each time the trainer ended before the training did."
)


@dataclass
class Training:
    """Thread-safe: several runs may be trained side by side.

    What was trained is kept on this machine until the store has it, and an answer until it was given again, so that trouble with
    the store or the broker never costs a training.
    """

    store: Store
    forge: Forge
    sandbox: Sandbox
    work_folder: Path
    preparation: Preparation
    launcher: Path = LAUNCHER
    checkout_limits: CheckoutLimits = field(default_factory=CheckoutLimits)
    owner: str = field(default_factory=lambda: secrets.token_hex(8), init=False)  # whose tries need not be waited for
    _unsent: dict[str, tuple[Path, Product]] = field(default_factory=dict, init=False)
    _waiting: dict[str, tries.Try] = field(default_factory=dict, init=False)  # begun, and let go until trouble has passed
    _answers: OrderedDict[str, ModelTrained] = field(default_factory=OrderedDict, init=False)

    def prepare(self) -> None:
        """Remove what a former process left; call before the first training. Two trainers never share a work folder.

        So tries that were begun from the same folder are known to have ended with their process.
        """
        self.leave()
        remembered = self.work_folder / "owner"
        if not remembered.exists():
            remembered.write_text(self.owner, encoding="ascii")
        self.owner = remembered.read_text(encoding="ascii")

    def leave(self) -> None:
        """Call after the last training. What still waits for the store is made again by the next start."""
        shutil.rmtree(self.work_folder / "trainings", ignore_errors=True)

    def train(self, run: Run, config: ModelConfig, cancelled: threading.Event, /) -> ModelTrained | None:
        try:
            answer = self._answers.get(run.run_id) or self._train(run, config, cancelled)
        except ForgeUnavailable as error:
            raise Transient(f"forge: {error}") from error
        except StoreError as error:
            raise Transient(f"store: {error}") from error
        self._waiting.pop(run.run_id, None)
        if answer is not None:
            self._answers[run.run_id] = answer
            while len(self._answers) > ANSWERS_KEPT:
                self._answers.popitem(last=False)
        return answer

    def _train(self, run: Run, config: ModelConfig, cancelled: threading.Event) -> ModelTrained | None:
        if run.run_id in self._unsent:
            return self._upload(run)
        self._drop_older(run)
        known = upload.found(self.store, run) or self._made_by_others(run, cancelled)
        if known is not None:
            return trained_event.succeeded(run, *known)
        folder = self.work_folder / "trainings" / f"{run.run_id}-{secrets.token_hex(4)}"
        try:
            return self._attempt(run, config, cancelled, folder)
        except (CheckoutRefused, RepositoryFileError) as error:
            return trained_event.failed(run, Failure(error.reason, error.sentence), "")
        except (EnvironmentRefused, DataRefused) as error:
            return trained_event.failed(run, error.failure, "")
        except SandboxUnavailable as error:
            return trained_event.failed(run, Failure("sandbox_unavailable", f"No sandbox for the script: {error}."), "")
        finally:
            if run.run_id not in self._unsent:
                shutil.rmtree(folder, ignore_errors=True)

    def _made_by_others(self, run: Run, cancelled: threading.Event) -> tuple[Manifest, str] | None:
        begun = tries.wait_for_others(self.store, run.model, run.run_id, self.owner, cancelled)
        return upload.found(self.store, run) if begun else None  # there is no manifest without a try

    def _drop_older(self, run: Run) -> None:
        """A run that is trained while an older one of its model still waits for the store has taken that one's place."""
        for run_id, (folder, product) in list(self._unsent.items()):
            if product.run.model == run.model:
                del self._unsent[run_id]
                shutil.rmtree(folder, ignore_errors=True)

    def _attempt(self, run: Run, config: ModelConfig, cancelled: threading.Event, folder: Path) -> ModelTrained | None:
        """The checkout comes before the try begins: a forge that is away costs none of the tries."""
        self.sandbox.check()
        checkout = self.forge.checkout(config.repository, config.branch, run.commit.sha, folder / "source", self.checkout_limits)
        plan = read_repository_file(checkout.folder, config)
        if cancelled.is_set():
            return None
        made = self._begin(run)
        if made is None:
            return trained_event.failed(run, _CRASHED, self.sandbox.name)
        live = LiveTraining(made)
        outcome = self._shown(_Work(run, config, plan, checkout, live, cancelled), made)
        if isinstance(outcome, Failure):
            return trained_event.failed(run, outcome, self.sandbox.name)
        if outcome is None:
            return None
        self._unsent[run.run_id] = (folder, outcome)
        try:
            return self._upload(run)
        finally:
            live.join()

    def _begin(self, run: Run) -> tries.Try | None:
        """Go on with the try that waited for trouble to pass, so that waiting leaves no heap of tries."""
        waited = self._waiting.get(run.run_id)
        if waited is not None:
            return tries.resume(waited, self.owner)
        return tries.begin(self.store, run.model, run.run_id, self.owner)

    def _shown(self, work: "_Work", made: tries.Try) -> Product | Failure | None:
        """Do the work while its log and progress are shown. A try that is stopped in good order is let go.

        What succeeded is uploaded while they are written a last time.
        """
        stage, live = "stopped", work.live
        live.start()
        try:
            outcome = self._steps(work)
            stage = "failed" if isinstance(outcome, Failure) else "uploading" if outcome else "stopped"
        except LeaseCancelled:
            return None
        except (EnvironmentRefused, DataRefused) as refused:
            live.say(f"failed ({refused.failure.reason}): {refused.failure.sentence}")
            stage = "failed"
            raise
        except (Transient, StoreError) as error:
            live.say(f"waits: {error}")
            self._waiting[work.run.run_id] = made
            raise
        finally:
            live.finish(stage)
            if stage != "uploading":
                live.join()
            if stage == "stopped":
                made.let_go()
        return outcome

    def _steps(self, work: "_Work") -> Product | Failure | None:
        run, live = work.run, work.live
        live.say(f"commit {run.commit.sha} of {run.commit.ref}, generation {run.generation}, attempt {run.attempt}")
        for note in work.checkout.notes:
            live.say(note)
        if self.sandbox.name == "off":
            live.say("WARNING: this script runs without a sandbox (PUSHLINE_SANDBOX=off)")
        environment_sha256 = self.sandbox.environment_sha256
        needs = Needs(run.model, work.plan, work.config.data, work.checkout.folder, environment_sha256)
        with self.preparation.of(needs, live, work.cancelled) as prepared:
            outcome = self._test(work, prepared) or self._script(work, prepared)
        if isinstance(outcome, Failure):
            live.say(f"failed ({outcome.reason}): {outcome.sentence}")
        elif outcome is None:
            live.say("stopped")
        return outcome

    def _test(self, work: "_Work", prepared: Prepared) -> Failure | None:
        """Run the repository's own tests, if it has any, in a sandbox of their own. None: they stand in nobody's way."""
        plan, live = work.plan, work.live
        command = repository_tests.command_of(plan.tests, work.checkout.folder)
        if not command:
            return None
        live.begin("tests")
        limits = replace(plan.limits, timeout_seconds=plan.tests.timeout_seconds)
        ended = self._run(work, prepared, "tests-results", limits, command)
        failure = repository_tests.failure_of(ended, command, limits)
        if failure is None and ended.stopped != "cancelled":
            none = " (there are none)" if repository_tests.is_empty(ended, command) else ""
            live.say(f"tests ended well in {ended.seconds:.1f} s{none}")
        return failure

    def _script(self, work: "_Work", prepared: Prepared) -> Product | Failure | None:
        if work.cancelled.is_set():
            return None
        work.live.begin("running")
        ended = self._run(work, prepared, "results", work.plan.limits, ())
        if ended.stopped == "cancelled":
            return None
        outcome = self._outcome(work, prepared, ended)
        if isinstance(outcome, Product):
            work.live.say(f"trained in {ended.seconds:.1f} s: {_summary(outcome)}")
        return outcome

    def _run(self, work: "_Work", prepared: Prepared, results: str, limits: Limits, command: tuple[str, ...]) -> Ended:
        folder, live = work.checkout.folder, work.live
        into = folder.with_name(results)
        into.mkdir()
        job = Job(
            folder,
            self.launcher,
            () if command else _arguments(work.plan),
            limits,
            into,
            live.on_log,
            live.on_progress,
            shown=prepared.shown,
            python_path=prepared.python_path,
            command=command,
        )
        ended = self.sandbox.run(job, work.cancelled)
        live.end(ended.tail)
        return ended

    def _outcome(self, work: "_Work", prepared: Prepared, ended: Ended) -> Product | Failure:
        result: LaunchResult | None = None
        problem = f"There is no {NAME}."
        try:
            if NAME in ended.files:
                result = read_result(ended.files[NAME].path)
        except BadResult as error:
            problem = f"{error}."
        if result is None and ended.exit_code == 0 and not ended.refused:
            return Failure("output_invalid", problem)
        failure = failure_of(ended, result, work.plan.limits, work.plan.script)
        if failure is not None or result is None:
            return failure or Failure("output_invalid", problem)
        try:
            files = ended.files | _bundle(work)
        except BundleRefused as error:
            return error.failure
        told = (result, files, ended.seconds, self.sandbox.name, prepared.environment_sha256)
        return Product(work.run, work.plan, *told, prepared.evaluation_set)

    def _upload(self, run: Run) -> ModelTrained:
        """Raises StoreError; the files are kept for the next time."""
        folder, product = self._unsent[run.run_id]
        try:
            manifest, sha256 = upload.upload(self.store, product)
            answer = trained_event.succeeded(run, manifest, sha256)
        except BadManifest as error:
            answer = trained_event.failed(
                run, Failure("output_invalid", f"What the training says of its model is wrong: {error}."), product.sandbox
            )
        del self._unsent[run.run_id]
        shutil.rmtree(folder, ignore_errors=True)
        return answer


@dataclass(frozen=True, slots=True)
class _Work:
    """One try of a run."""

    run: Run
    config: ModelConfig
    plan: Plan
    checkout: Checkout
    live: LiveTraining
    cancelled: threading.Event


def _bundle(work: _Work) -> dict[str, Received]:
    """Out of the checkout, which the sandbox has only seen a copy of."""
    if not work.plan.metrics:
        return {}
    folder = work.checkout.folder
    return {metrics_bundle.NAME: metrics_bundle.bundle(folder, folder.with_name(metrics_bundle.NAME))}


def _arguments(plan: Plan) -> tuple[str, ...]:
    words = ["--script", plan.script]
    if plan.from_store is not None:
        words += ["--set-elsewhere"]
    elif plan.dataset:
        words += ["--dataset", plan.dataset]
    if plan.task:
        words += ["--task", plan.task]
    return tuple(words)


def _summary(product: Product) -> str:
    frozen, chosen = product.result.dataset, product.evaluation_set
    if chosen is not None:
        return f"{', '.join(sorted(product.files))}; {chosen.rows} rows to evaluate, from {chosen.file.address}"
    rows = f"{frozen.rows} rows to evaluate, from {frozen.taken_from}" if frozen else "nothing to evaluate with"
    problem = f" ({product.result.dataset_problem})" if product.result.dataset_problem else ""
    return f"{', '.join(sorted(product.files))}; {rows}{problem}"
