"""Where a trial's files lie: a socket's name is short, folders of temporary files need not be."""

import threading
from pathlib import Path
from tempfile import TemporaryDirectory

from pushline.evaluator.adapters.limited_child import LimitedChild
from pushline.evaluator.adapters.predictor_process import PredictorProcess, TrialLimits
from pushline.evaluator.assessed import Rules
from pushline.evaluator.assessment import Assessor
from tests.fixtures.evaluator.trials import ABOUT, material, program_of


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
