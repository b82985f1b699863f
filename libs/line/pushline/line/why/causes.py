"""The causes that an answer may have, and which reason of which record means which of them. Two tables, and nothing else.

A reason is what a stage writes into `trained`, `evaluated` or `deployed`; a test collects all of them from the services' code and
demands that each stands here.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cause:
    """`next_steps` are sentences and commands; {run}, {sha}, {model} are filled in."""

    says: str
    next_steps: tuple[str, ...] = ()


_LOG = "pushline logs {run}  # what the training printed"
_REPORT = "pushline report {run}  # every gate and number"
_MEND = "mend it and push again"
_AGAIN = "pushline rerun {run} --reason WHY  # the same commit once more"
_PROMOTE = "pushline promote {run} --reason WHY  # live all the same"
_PUT_LIVE = "pushline redeploy --model {model} --to {sha} --reason WHY  # live all the same"
_STATUS = "pushline status  # what serves, and what is on its way"

CAUSES: Mapping[str, Cause] = {
    "live": Cause("it is live"),
    "nothing_live": Cause("nothing was ever deployed", (_STATUS,)),
    "superseded": Cause("a newer push took its place", ("pushline why live --model {model}  # what took its place",)),
    "failed_in_checkout": Cause("the commit could not be checked out", (_MEND,)),
    "failed_in_configuration": Cause("pushline.toml, or a file that it names, is wrong", (_MEND,)),
    "failed_in_preparation": Cause("its packages or training data could not be had", (_LOG, _MEND, _AGAIN)),
    "failed_in_tests": Cause("the repository's own tests stopped it", (_LOG, _MEND)),
    "failed_in_training": Cause("the training failed", (_LOG, _AGAIN)),
    "failed_in_training_script": Cause("the training script failed", (_LOG, _MEND)),
    "failed_in_training_deadline": Cause(
        "the training took longer than it may", (_LOG, "train for a shorter time, or raise train.timeout in pushline.toml")
    ),
    "failed_in_training_memory": Cause(
        "the training needed more memory than it may use", (_LOG, "use less, or raise train.memory in pushline.toml")
    ),
    "failed_in_training_limit": Cause("the training broke a limit of the sandbox", (_LOG, _MEND)),
    "failed_in_training_tries": Cause("the trainer ended during each of three tries", (_AGAIN,)),
    "failed_in_training_sandbox": Cause("the trainer has no sandbox to run scripts in", ("pushline doctor", _AGAIN)),
    "failed_in_export": Cause("what the training left is no model that can serve", (_LOG, _MEND)),
    "failed_in_evaluation": Cause("what was recorded of the run cannot be judged", (_AGAIN,)),
    "failed_too_large": Cause(
        "what was to be said of it is larger than the broker takes", ("pushline topics check  # max.message.bytes", _AGAIN)
    ),
    "rejected": Cause("it was rejected", (_REPORT, _PUT_LIVE)),
    "rejected_by_gate": Cause("a gate refused it", (_REPORT, _PUT_LIVE)),
    "rejected_by_comparison": Cause("it is worse than the live model, or breaks its callers", (_REPORT, _PUT_LIVE)),
    "inconclusive": Cause("the evaluation set cannot tell whether it is good enough", (_REPORT, "judge it by more rows", _PROMOTE)),
    "rejected_by_program_check": Cause("its serving program may not be opened, or is not the model", (_REPORT, _LOG)),
    "rejected_by_trial": Cause("it failed its trial in the predictor", (_REPORT, _LOG)),
    "want_of_data": Cause("there is no evaluation set that can be used", (_MEND, _REPORT)),
    "older_than_fence": Cause("something newer was live, or was rolled back, before it was ready", (_PUT_LIVE,)),
    "barred": Cause("its model is barred since a rollback", (_PUT_LIVE,)),
    "held": Cause(
        "it is accepted and rests: the model is on hold", ("pushline release --model {model} --reason WHY  # lets it go live",)
    ),
    "rolled_back": Cause("it was live until a rollback", (_PUT_LIVE,)),
    "replaced": Cause(
        "it was live until something else was deployed", ("pushline why live --model {model}  # what is live, and why",)
    ),
    "waiting_for_training": Cause("it is being trained, or waits for that", ("pushline logs {run} -f  # follows it",)),
    "waiting_for_evaluation": Cause("it is trained, and is being judged", ("pushline wait {run}  # follows it",)),
    "waiting_for_decision": Cause("it was judged, and the deployer has not spoken yet", ("pushline wait {run}  # follows it",)),
    "waiting_for_a_person": Cause(
        "a replica serves a number that this log does not know: nothing is deployed until a person says what is to serve",
        ("pushline rollback --model {model} --reason WHY  # or redeploy",),
    ),
    "parked": Cause(
        "its partition is parked: a record there is of a newer version than this program",
        ("run services and command of that version",),
    ),
    "never_seen": Cause("the line has never seen it"),
}

_BY_CAUSE: Mapping[str, tuple[str, ...]] = {
    "superseded": ("newer_commit", "cancelled"),
    "failed_in_checkout": (
        *("no_commit", "not_on_branch", "repo_limits", "repository_unsafe", "submodules_unsupported", "lfs_unsupported"),
    ),
    "failed_in_configuration": ("bad_repository_file", "bad_requirements", "no_script", "other_model", "weakened_gate"),
    "failed_in_preparation": (
        *("requirements_conflict", "requirements_need_building", "requirements_timeout", "requirements_too_large"),
        *("requirements_unresolvable", "data_clash", "data_is_evaluation_set", "data_missing", "data_not_allowed"),
        *("data_too_large", "data_wrong_digest"),
    ),
    "failed_in_tests": (
        *("tests_failed", "tests_timeout", "tests_memory", "tests_disk_full", "tests_processes", "tests_files", "tests_pretended"),
    ),
    "failed_in_training_script": ("script_failed",),
    "failed_in_training_deadline": ("timeout",),
    "failed_in_training_memory": ("memory",),
    "failed_in_training_limit": ("processes", "files", "pretended", "disk_full"),
    "failed_in_training_tries": ("crashed",),
    "failed_in_training_sandbox": ("sandbox_unavailable",),
    "failed_in_export": (
        *("no_model", "not_a_model", "non_finite_weights", "not_servable", "output_invalid", "output_too_large"),
        "metrics_too_large",
    ),
    "failed_in_evaluation": ("bad_manifest", "not_judged"),
    "failed_too_large": ("event_too_large",),
    "rejected_by_gate": (
        *("below_gate", "above_gate", "too_costly", "leakage", "duplicates", "not_better_than_constant", "not_finite", "no_gate"),
        *("unknown_gate", "gate_without_number", "gate_not_finite", "bad_confidence", "no_slices", "empty_slice"),
        *("unknown_task", "quantiles", "too_many_classes", "too_many_labels"),
    ),
    "rejected_by_comparison": ("worse_than_champion", "worse_on_slice", "breaking_change", "champion_not_comparable"),
    "inconclusive": ("set_cannot_tell",),
    "rejected_by_program_check": (
        *("no_program", "program_refused", "program_crashed", "program_timeout", "program_out_of_memory", "program_disagrees"),
        *("program_too_large_answers", "no_answers", "file_too_large"),
    ),
    "rejected_by_trial": ("predictor_refused", "predictor_crashed", "predictor_timeout", "predictor_disagrees"),
    "want_of_data": ("no_evaluation_set", "dataset", "bad_dataset", "slices"),
    "older_than_fence": ("older_than_live",),
    "barred": ("barred",),
}

REASONS: Mapping[str, str] = {reason: cause for cause, reasons in _BY_CAUSE.items() for reason in reasons}
