"""A bill of materials of a model (CycloneDX 1.6, JSON): model, files, evaluation set, packages, and its card as a `modelCard`.

Without time stamps: the same report gives the same document.
"""

import json
import uuid
from typing import Any

from pushline.reports import words
from pushline.reports.findings import Estimate
from pushline.reports.forge_text import line
from pushline.reports.report import Report

VERSION = "1.6"
PYPI = ("tensorflow", "keras", "numpy")  # of the versions that a report names: those that are packages of the index
MOST_METRICS = 500

Json = dict[str, Any]


def bill_of_materials(report: Report) -> bytes:
    data = [_dataset(report)] if report.dataset else []
    libraries = [_library(name, version) for name, version in sorted(report.versions.items())]
    files = [_file(file.name, file.sha256) for file in report.files]
    document: Json = {
        "$schema": f"http://cyclonedx.org/schema/bom-{VERSION}.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": VERSION,
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, f'pushline:{report.run_id}:{report.digest}')}",
        "version": 1,
        "metadata": {"component": _model(report)},
        "components": [*files, *data, *libraries],
        "dependencies": [{"ref": "model", "dependsOn": [each["bom-ref"] for each in (*files, *data, *libraries)]}],
    }
    return json.dumps(document, ensure_ascii=False, indent=1, sort_keys=True, allow_nan=False).encode() + b"\n"


def _model(report: Report) -> Json:
    facts = {
        "run": report.run_id,
        "attempt": str(report.attempt),
        "baseline": report.baseline_digest,
        "manifest": report.manifest_sha256,
        "sandbox": report.sandbox,
        "verdict": report.verdict,
        **{f"seed:{name}": str(seed) for name, seed in sorted(report.seeds.items())},
    }
    return {
        "bom-ref": "model",
        "type": "machine-learning-model",
        "name": line(report.model),
        "version": report.commit.sha,
        "description": line(words.sentence(report.sentence), 1000),
        "hashes": _sha256(report.digest),
        "pedigree": {"commits": [_commit(report)]},
        "modelCard": _card(report),
        "properties": [{"name": f"pushline:{name}", "value": line(value)} for name, value in facts.items() if value],
    }


def _commit(report: Report) -> Json:
    return {
        "uid": report.commit.sha,
        "author": {"name": line(report.commit.author) or "unknown"},
        "message": line(report.commit.message, 1000),
    }


def _card(report: Report) -> Json:
    specs = {
        side: [{"format": f"{line(each.name, 80)}: {each.dtype}{list(each.shape)}"} for each in tensors]
        for side, tensors in (("inputs", report.inputs), ("outputs", report.outputs))
    }
    return {
        "modelParameters": {
            "approach": {"type": "supervised"},
            **({"task": report.task} if report.task else {}),
            **{side: found for side, found in specs.items() if found},
            **({"datasets": [{"ref": "dataset"}]} if report.dataset else {}),
        },
        "quantitativeAnalysis": {"performanceMetrics": _metrics(report)},
        "considerations": {
            "technicalLimitations": ["The numbers hold for rows like those of the evaluation set, and for no others."]
        },
    }


def _metrics(report: Report) -> list[Json]:
    whole = [_metric(name, found, "") for name, found in report.metrics.items() if "." not in name]
    sliced = [
        _metric(report.first_metric, found.metrics[report.first_metric], words.slice_name(found))
        for found in report.slices
        if report.first_metric in found.metrics
    ]
    return [metric for metric in (*whole, *sliced) if metric][:MOST_METRICS]


def _metric(name: str, found: Estimate, of: str) -> Json:
    if found.value is None:
        return {}
    ends = {"lowerBound": found.low, "upperBound": found.high}
    interval = {name: repr(end) for name, end in ends.items() if end is not None}
    return {
        "type": line(name),
        "value": repr(found.value),
        **({"slice": line(of)} if of else {}),
        **({"confidenceInterval": interval} if interval else {}),
    }


def _dataset(report: Report) -> Json:
    set_ = report.dataset
    if set_ is None:
        return {}
    words_ = f"{set_.rows} rows, from {'the repository' if set_.origin == 'repository' else 'the store'} ({line(set_.taken_from)})"
    return {
        "bom-ref": "dataset",
        "type": "data",
        "name": "evaluation set",
        "version": set_.sha256,
        "hashes": _sha256(set_.sha256),
        "data": [{"type": "dataset", "name": "evaluation set", "description": words_}],
    }


def _library(name: str, version: str) -> Json:
    plain, number = line(name, 80), line(version, 80)
    purl = {"purl": f"pkg:pypi/{plain}@{number}"} if plain in PYPI else {}
    kind = "platform" if plain == "python" else "library"
    return {"bom-ref": f"library:{plain}", "type": kind, "name": plain, "version": number, **purl}


def _file(name: str, sha256: str) -> Json:
    return {"bom-ref": f"file:{line(name)}", "type": "file", "name": line(name), "hashes": _sha256(sha256)}


def _sha256(digest: str) -> list[Json]:
    return [{"alg": "SHA-256", "content": digest}]
