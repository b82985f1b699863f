"""Where things lie in the bucket (DESIGN: objects). Keys name; digests prove."""


def model_file(model: str, sha256: str, name: str) -> str:
    return f"models/{model}/{sha256}/{name}"


def dataset(model: str, sha256: str) -> str:
    return f"datasets/{model}/{sha256}.npz"


def manifests(model: str, run: str) -> str:
    """Prefix of a run's manifests; the first complete one in name order counts."""
    return f"runs/{model}/{run}/manifests/"


def manifest(model: str, run: str, sha256: str) -> str:
    return f"{manifests(model, run)}{sha256}.json"


def tries(model: str, run: str) -> str:
    return f"runs/{model}/{run}/tries/"


def try_file(model: str, run: str, attempt_name: str, name: str) -> str:
    """attempt_name is `<n>-<random>`; name is started, progress.json, log.txt or history.json."""
    return f"{tries(model, run)}{attempt_name}/{name}"


def try_order(attempt_name: str) -> tuple[int, str]:
    """Sort a run's tries by this, the newest last."""
    number = attempt_name.partition("-")[0]
    return (int(number) if number.isascii() and number.isdigit() else 0, attempt_name)


def evaluations(model: str, run: str, baseline_digest: str) -> str:
    """Prefix of a run's evaluations against one champion; the first complete one (it has report.json) counts."""
    return f"runs/{model}/{run}/evaluation/{baseline_digest}/"


def evaluation_file(model: str, run: str, baseline_digest: str, random: str, name: str) -> str:
    return f"{evaluations(model, run, baseline_digest)}{random}/{name}"
