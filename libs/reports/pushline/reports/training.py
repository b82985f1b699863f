"""How training went, as drawings made of the history that fit reported."""

from collections.abc import Mapping, Sequence

from pushline.reports import words
from pushline.reports.charts import axis
from pushline.reports.report import Axis, Drawing, Series

HEADING = "Training"
MOST = 4
RATES = ("lr", "learning_rate")

Values = Sequence[float | None]


def training(history: Mapping[str, Values]) -> list[Drawing]:
    """One for a metric and its val_ twin; loss first, as Keras reports it."""
    stems = list(dict.fromkeys(name.removeprefix("val_") for name in history if name not in RATES))
    ordered = sorted(stems, key=lambda stem: stem != "loss")
    return [_one(stem, history) for stem in ordered if any(history.get(stem) or history.get(f"val_{stem}") or ())][:MOST]


def _one(stem: str, history: Mapping[str, Values]) -> Drawing:
    named = {"training": history.get(stem), "validation": history.get(f"val_{stem}")}
    series = tuple(
        Series(name, tuple((float(at), value) for at, value in enumerate(values, 1))) for name, values in named.items() if values
    )
    epochs = max(len(each.points) for each in series)
    values = [value for each in series for _, value in each.points]
    says = "; ".join(_says(each) for each in series)
    return Drawing(
        HEADING, f"{stem} by epoch", "lines", f"{says}.", Axis("epoch", 1, max(epochs, 2), whole=True), axis(stem, values), series
    )


def _says(series: Series) -> str:
    values = [value for _, value in series.points]
    return f"{series.name} from {words.brief(values[0])} to {words.brief(values[-1])} in {len(values)} epochs"
