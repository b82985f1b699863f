"""The client is typed for whoever uses it: mypy, as strict as it is, finds a user's mistakes and nothing else."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import numpy as np

from pushline.client import Answer, AsyncClient, Client, Model, Overloaded, Tls


def ask(client: Client) -> tuple[str, int, tuple[str, ...]]:
    model: Model = client.describe("iris")
    rows = np.zeros((1, *model.inputs[0].shape[1:]), model.inputs[0].dtype)
    answer: Answer = client.predict({"flower": rows}, model="iris", timeout_seconds=1.5, version=7)
    return answer.commit, answer.deploy_seq, answer.labels


async def ask_in_a_loop() -> str:
    async with AsyncClient("host:8001", tls=Tls(ca_file="ca.pem"), token="t" * 16, retry_overload=True) as client:
        return (await client.predict([["text"]], model="words")).digest


def wait(refused: Overloaded) -> float:
    return refused.retry_after_seconds or 1.0


Client("host:8001", retries=7)  # wrong: no such option
number: int = Client("host:8001").predict([[1.0]]).commit  # wrong: it is a text
AsyncClient("host:8001").predict([[1.0]]).commit  # wrong: it was not awaited
Client("host:8001").predict(x=[[1.0]], model=7)  # wrong: a name is a text
"""


def test_mypy_finds_a_users_mistakes_and_no_others(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    wanted = {number for number, line in enumerate(PROGRAM.splitlines(), start=1) if "# wrong" in line}
    found = [ROOT / "client", ROOT / "libs" / "contracts"]  # editable here; installed, they are beside each other
    words = ["--strict", "--config-file=", "--namespace-packages", "--explicit-package-bases", "--no-error-summary", "program.py"]
    environ = {"PATH": "/usr/bin:/bin", "MYPYPATH": ":".join(map(str, found))}

    told = subprocess.run(
        [sys.executable, "-m", "mypy", *words], cwd=tmp_path, env=environ, capture_output=True, text=True, check=False
    )

    complaints = [line for line in told.stdout.splitlines() if ": error: " in line]
    assert {int(line.split(":")[1]) for line in complaints if line.startswith("program.py:")} == wanted, told.stdout + told.stderr
    assert [line for line in complaints if not line.startswith("program.py:")] == []
