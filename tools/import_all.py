"""Import every module of a package, its __main__ included, and fail where TensorFlow, or what it must not have, is there."""

import importlib
import pkgutil
import sys
from importlib.util import find_spec

NEVER = {"tensorflow", "keras"}
NOT_IN_CLIENT = {"confluent_kafka", "minio", "ai_edge_litert", "pushline.line", "pushline.runtime"}
NOT_IN = {
    "pushline.deployer": {"grpc", "numpy"},
    "pushline.auditor": {"grpc", "numpy"},
    "pushline.trainer": {"grpc"},
    "pushline.client": NOT_IN_CLIENT,
}


def main() -> int:
    name = sys.argv[1]
    package = importlib.import_module(name)
    for module in pkgutil.walk_packages(package.__path__, f"{name}."):
        if not module.name.startswith("pushline.trainer.launcher."):  # that part runs in the sandbox, beside TensorFlow
            importlib.import_module(module.name)
    there = sorted(each for each in NEVER | NOT_IN.get(name, set()) if find_spec(each) is not None)
    if there:
        print(f"{name} comes with {', '.join(there)}", file=sys.stderr)
    return 1 if there else 0


if __name__ == "__main__":
    sys.exit(main())
