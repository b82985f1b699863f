"""The panels of the dashboards: what each asks Prometheus for. dashboards.py makes Grafana's JSON of them."""

from collections.abc import Sequence
from typing import NamedTuple

from pushline.evaluator.known_metrics import ERROR_METRICS

OF_MODEL, OF_REPLICA = 'model=~"$model"', 'instance=~"$instance"'
PREDICTOR = "pushline_predictor_"
ERRORS = "|".join(sorted(ERROR_METRICS))  # of which lower is better


class Query(NamedTuple):
    expr: str
    legend: str


class Panel(NamedTuple):
    title: str
    unit: str
    queries: Sequence[Query]
    says: str = ""


class Board(NamedTuple):
    uid: str
    title: str
    variables: Sequence[tuple[str, str]]  # name, the query of its values
    rows: Sequence[tuple[str, Sequence[Panel]]]


def rate(metric: str, by: str, matching: str = "", function: str = "rate") -> str:
    return f"sum by ({by}) ({function}({metric}{{{matching}}}[$__rate_interval]))"


def quantiles(histogram: str, by: str = "", matching: str = "", legend: str = "") -> list[Query]:
    of = f"{by}, le" if by else "le"
    name = f"{legend} " if legend else ""
    return [
        Query(f"histogram_quantile({share}, {rate(f'{histogram}_bucket', of, matching)})", f"{name}p{share * 100:g}")
        for share in (0.5, 0.99)
    ]


LINE = Board(
    "pushline-line",
    "Pushline: the line",
    (),
    (
        (
            "Open work",
            (
                Panel("Open runs", "short", [Query("stage:pushline_open_runs:max", "{{stage}}")], "What they wait for."),
                Panel("Age of the oldest open run", "s", [Query("stage:pushline_oldest_open_age:seconds", "{{stage}}")]),
                Panel("Ready", "short", [Query("min by (job) (pushline_ready)", "{{job}}")], "1: every replica can do its work."),
            ),
        ),
        (
            "What the stages do",
            (
                Panel(
                    "Outcomes",
                    "short",
                    [Query(rate("pushline_stage_outcomes_total", "job, outcome", "", "increase"), "{{job}} {{outcome}}")],
                ),
                Panel(
                    "Seconds from the start of work to its event", "s", quantiles("pushline_stage_seconds", "job", legend="{{job}}")
                ),
                Panel(
                    "Trouble",
                    "ops",
                    [
                        Query(rate("pushline_stage_waits_total", "job"), "{{job}} waits"),
                        Query(rate("pushline_stage_defects_total", "job"), "{{job}} defects"),
                    ],
                    "Tries that met trouble which passes, and errors that nobody expected.",
                ),
            ),
        ),
        (
            "Intake",
            (
                Panel("Webhooks", "reqps", [Query(rate("pushline_webhooks_total", "form, status"), "{{form}} {{status}}")]),
                Panel("Looks at branches", "ops", [Query(rate("pushline_looks_total", "outcome"), "{{outcome}}")]),
                Panel("Seconds of a look", "s", quantiles("pushline_look_seconds")),
            ),
        ),
        (
            "Records",
            (
                Panel("Records", "short", [Query('max by (topic) (pushline_records_total{verdict="valid"})', "{{topic}}")]),
                Panel(
                    "Invalid records",
                    "short",
                    [Query("max by (topic, rule) (pushline_invalid_records_total)", "{{topic}} {{rule}}")],
                ),
                Panel(
                    "Dead letters",
                    "short",
                    [
                        Query("topic:pushline_dead_letters:max", "{{topic}}"),
                        Query("max(pushline_bad_records_in_a_row) or vector(0)", "in a row, stopping a stage"),
                    ],
                ),
            ),
        ),
        (
            "Around it",
            (
                Panel(
                    "Free room on disks",
                    "percentunit",
                    [Query("pushline_disk_free_bytes / pushline_disk_size_bytes", "{{job}} {{folder}}")],
                ),
                Panel(
                    "Auditor",
                    "short",
                    [
                        Query("max(pushline_audit_gaps)", "gaps in the log"),
                        Query("max(pushline_audit_kept)", "records that wait for their cause"),
                        Query("max(pushline_forge_waiting)", "words that wait for a forge"),
                    ],
                ),
                Panel("Answering", "short", [Query('up{job=~"pushline-.+"}', "{{job}} {{instance}}")]),
            ),
        ),
    ),
)
SERVING = Board(
    "pushline-predictor",
    "Pushline: predictors",
    (("instance", f"label_values({PREDICTOR}requests_in_flight, instance)"),),
    (
        (
            "Requests",
            (
                Panel("By code", "reqps", [Query(rate(f"{PREDICTOR}requests_total", "code", OF_REPLICA), "{{code}}")]),
                Panel("By method", "reqps", [Query(rate(f"{PREDICTOR}requests_total", "method", OF_REPLICA), "{{method}}")]),
                Panel("Time to answer", "s", quantiles(f"{PREDICTOR}request_seconds", "", OF_REPLICA)),
            ),
        ),
        (
            "Load",
            (
                Panel("In flight", "short", [Query(f"{PREDICTOR}requests_in_flight{{{OF_REPLICA}}}", "{{instance}}")]),
                Panel(
                    "By model",
                    "short",
                    [
                        Query(f"sum by (model) ({PREDICTOR}model_in_flight{{{OF_REPLICA}}})", "{{model}} in flight"),
                        Query(f"sum by (model) ({PREDICTOR}model_queue{{{OF_REPLICA}}})", "{{model}} waiting"),
                    ],
                ),
                Panel("Rows asked at once", "short", quantiles(f"{PREDICTOR}batch_rows", "model", OF_REPLICA, "{{model}}")),
            ),
        ),
        (
            "Budgets",
            (
                Panel(
                    "Failed predictions",
                    "percentunit",
                    [
                        Query(f"model:{PREDICTOR}errors:ratio_rate{window}", f"{{{{model}}}} {window}")
                        for window in ("5m", "1h", "1d")
                    ],
                    "Callers' own mistakes are not counted. Promised: below 0.1 %.",
                ),
                Panel(
                    "Slow answers",
                    "percentunit",
                    [
                        Query(f"model:{PREDICTOR}slow:ratio_rate{window}", f"{{{{model}}}} {window}")
                        for window in ("5m", "1h", "1d")
                    ],
                    "Above 0.1 s. Promised: below 1 %.",
                ),
                Panel(
                    "Numbers that are none",
                    "reqps",
                    [Query(rate(f"{PREDICTOR}not_finite_total", "model, where", OF_REPLICA), "{{model}} {{where}}")],
                    "NaN or an infinity, in an input or in a model's answer.",
                ),
            ),
        ),
        (
            "Deployments",
            (
                Panel(
                    "Served, and recorded",
                    "short",
                    [
                        Query(f"{PREDICTOR}deploy_seq{{{OF_REPLICA}}}", "{{model}} at {{instance}}"),
                        Query("max by (model) (pushline_deploy_seq)", "{{model}} recorded"),
                    ],
                ),
                Panel(
                    "Stale, or not loaded",
                    "short",
                    [
                        Query(f"{PREDICTOR}stale{{{OF_REPLICA}}}", "{{model}} at {{instance}} stale"),
                        Query(f"{PREDICTOR}load_failing{{{OF_REPLICA}}}", "{{model}} at {{instance}} not loaded"),
                    ],
                ),
                Panel(
                    "Loads",
                    "short",
                    [Query(rate(f"{PREDICTOR}reloads_total", "model, outcome", OF_REPLICA, "increase"), "{{model}} {{outcome}}")],
                ),
                Panel("Seconds of a load", "s", quantiles(f"{PREDICTOR}reload_seconds", "", OF_REPLICA)),
                Panel("Seconds of a swap", "s", quantiles(f"{PREDICTOR}swap_seconds", "", OF_REPLICA)),
            ),
        ),
    ),
)
MODEL = Board(
    "pushline-model",
    "Pushline: a model",
    (("model", "label_values(pushline_deploy_seq, model)"),),
    (
        (
            "Verdicts",
            (
                Panel(
                    "Scores of each verdict",
                    "short",
                    [Query(f'max by (metric) (pushline_evaluated_metric{{{OF_MODEL}, metric!~"{ERRORS}"}})', "{{metric}}")],
                    "Higher is better. docs/METRICS.md says what each is.",
                ),
                Panel(
                    "Errors of each verdict",
                    "short",
                    [Query(f'max by (metric) (pushline_evaluated_metric{{{OF_MODEL}, metric=~"{ERRORS}"}})', "{{metric}}")],
                    "Lower is better.",
                ),
                Panel(
                    "Verdicts",
                    "short",
                    [
                        Query(f"max by (verdict, reason) (pushline_verdicts_total{{{OF_MODEL}}})", "{{verdict}} {{reason}}"),
                        Query(f"max by (model) (pushline_refused_verdicts_in_a_row{{{OF_MODEL}}})", "refused in a row"),
                    ],
                ),
            ),
        ),
        (
            "What became of its commits",
            (
                Panel(
                    "Outcomes",
                    "short",
                    [
                        Query(
                            rate("pushline_stage_outcomes_total", "job, outcome, reason", OF_MODEL, "increase"),
                            "{{job}} {{outcome}} {{reason}}",
                        )
                    ],
                ),
                Panel("Looks at its branch", "ops", [Query(rate("pushline_looks_total", "outcome", OF_MODEL), "{{outcome}}")]),
                Panel(
                    "Reports of replicas",
                    "short",
                    [Query(f"max by (state) (pushline_replica_reports_total{{{OF_MODEL}}})", "{{state}}")],
                ),
            ),
        ),
        (
            "Serving",
            (
                Panel(
                    "What is served",
                    "short",
                    [
                        Query(
                            f"sum by (commit, digest, deploy_seq) ({PREDICTOR}model_info{{{OF_MODEL}}})",
                            "{{deploy_seq}}: {{commit}} {{digest}}",
                        )
                    ],
                    "Replicas, by what they serve.",
                ),
                Panel(
                    "Time since it was loaded",
                    "s",
                    [Query(f"time() - {PREDICTOR}model_loaded_timestamp_seconds{{{OF_MODEL}}}", "{{instance}}")],
                ),
                Panel("Rows asked at once", "short", quantiles(f"{PREDICTOR}batch_rows", "", OF_MODEL)),
                Panel("Requests by code", "reqps", [Query(rate(f"{PREDICTOR}model_requests_total", "code", OF_MODEL), "{{code}}")]),
                Panel("Time to answer", "s", quantiles(f"{PREDICTOR}model_request_seconds", "", OF_MODEL)),
                Panel(
                    "In flight",
                    "short",
                    [
                        Query(f"sum({PREDICTOR}model_in_flight{{{OF_MODEL}}})", "in flight"),
                        Query(f"sum({PREDICTOR}model_queue{{{OF_MODEL}}})", "waiting"),
                    ],
                ),
            ),
        ),
    ),
)
BOARDS = (LINE, SERVING, MODEL)
