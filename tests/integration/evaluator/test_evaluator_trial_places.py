"""Where a trial's files lie: a socket's name is short, folders of temporary files need not be."""

import subprocess
import sys
import threading
from pathlib import Path
from tempfile import TemporaryDirectory

from pushline.evaluator.adapters.limited_child import LimitedChild
from pushline.evaluator.adapters.predictor_process import PredictorProcess, TrialLimits
from pushline.evaluator.assessed import Rules
from pushline.evaluator.assessment import Assessor
from tests.fixtures.evaluator.trials import ABOUT, material, program_of

HOLDS = """
import sys, threading
from pathlib import Path
from pushline.evaluator.adapters.predictor_process import PredictorProcess, TrialLimits
from tests.fixtures.evaluator.trials import ABOUT, program_of
with PredictorProcess(TrialLimits(), scratch=Path(sys.argv[1])).serve(ABOUT, [program_of("digits")], threading.Event()) as trial:
    print(trial._folder, flush=True)
    sys.stdin.read()
"""


def test_a_folder_for_temporary_files_may_have_a_long_name(child: LimitedChild, tmp_path: Path) -> None:
    long = tmp_path / ("long" * 30)
    long.mkdir()
    predictors = PredictorProcess(TrialLimits(), child.bubblewrap, scratch=long)

    found = Assessor(child, Rules(), predictors).assess(material(), None, threading.Event())

    assert found.verdict.verdict == "accepted"
    assert found.trial is not None
    assert found.trial.requests > 0
    assert not list(long.iterdir())


def test_a_short_one_is_used(child: LimitedChild) -> None:
    with TemporaryDirectory(prefix="p-") as name:
        predictors = PredictorProcess(TrialLimits(), child.bubblewrap, scratch=Path(name))

        with predictors.serve(ABOUT, [program_of("digits")], threading.Event()):
            (made,) = Path(name).iterdir()

        assert made.name.startswith("pushline-trial-")
        assert not made.exists()


def test_what_a_killed_evaluator_left_in_a_short_place_is_gone_with_the_next_trial(child: LimitedChild, tmp_path: Path) -> None:
    long = tmp_path / ("long" * 30)
    long.mkdir()
    with subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(long)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as killed:
        assert killed.stdout is not None
        left = Path(killed.stdout.readline().strip())
        killed.kill()
    assert left.is_dir()
    assert long not in left.parents

    with PredictorProcess(TrialLimits(), child.bubblewrap, scratch=long).serve(ABOUT, [program_of("digits")], threading.Event()):
        assert not left.exists()
