"""What each varied field does to each transfer: series of levels, with all else held the same."""

import math
from collections.abc import Hashable, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy import stats

from revisit.scaling import axes
from revisit.scaling.findings import Estimate, Spread, Units, difference, pool_spread, sign
from revisit.scaling.grid import Transfer
from revisit.scaling.intervals import LEVEL
from revisit.scaling.results import Result
from revisit.training.modes import RANDOM

Level = float | str


class Series(NamedTuple):
    """The metric at several levels of one field.

    Attributes:
      field: what is varied; key of axes.AXES or any other field.
      transfer: what was made of the backbones.
      label: what tells it from other series of the same field and transfer.
      results: its runs.
      levels: level -> the metric of its seeds; numbers ascending.
      spread: of the metric between seeds, pooled over levels.
      units: of the metric.
    """

    field: str
    transfer: Transfer
    label: str
    results: tuple[Result, ...]
    levels: dict[Level, tuple[float, ...]]
    spread: Spread
    units: Units

    @property
    def title(self) -> str:
        """What readers call the series."""
        return ", ".join(filter(None, (self.transfer.title, self.label)))

    @property
    def is_numeric(self) -> bool:
        """Whether levels are amounts, not names."""
        return all(isinstance(level, float | int) for level in self.levels)

    @property
    def points(self) -> tuple[np.ndarray, np.ndarray]:
        """Levels and values of all runs, [n] and [n]; of a numeric series."""
        pairs = [(level, value) for level, values in self.levels.items() for value in values]
        x, y = np.array(pairs, np.float64).T
        return x, y


def level_of(result: Result, field: str) -> Level:
    """Where a run stands on an axis."""
    axis = axes.axis_of(field)
    value = getattr(result, axis.column) if axis.column else result.run.settings.get(field, "")
    if isinstance(value, bool | str):
        return _number(str(value))
    return float(value)


def _number(text: str) -> Level:
    try:
        return float(text)
    except ValueError:
        return text or "all"


def _sort(level: Level) -> tuple[bool, float]:
    return (False, level) if isinstance(level, float) else (True, 0.0)


def _held(result: Result, field: str) -> dict[str, Any]:
    """What must be the same for two runs to differ in a field alone."""
    settings = {name: value for name, value in result.run.settings.items() if name != field}
    split = axes.axis_of(field).split(result.run.settings.get(field, ""))
    return {**settings, **({"split": split} if split else {})}


def _label(held: dict[str, Any], others: Sequence[dict[str, Any]]) -> str:
    differing = {
        name: value
        for name, value in held.items()
        if any(other.get(name) != value for other in others)
    }
    split = differing.pop("split", "")
    return ", ".join(filter(None, (split, axes.write_settings(differing))))


def split_runs(
    results: Sequence[Result], field: str, transfer: Transfer
) -> list[tuple[str, tuple[Result, ...]]]:
    """(label, runs) of each series: runs of a transfer that differ in one field alone."""
    groups: dict[Hashable, list[Result]] = {}
    for result in results:
        if result.run.transfer == transfer.name and result.run.init != RANDOM:
            groups.setdefault(repr(sorted(_held(result, field).items())), []).append(result)
    several = [
        group for group in groups.values() if len({level_of(each, field) for each in group}) > 1
    ]
    held = [_held(group[0], field) for group in several]
    return [(_label(own, held), tuple(group)) for own, group in zip(held, several, strict=True)]


def make_series(
    results: Sequence[Result], field: str, transfer: Transfer, units: Units
) -> list[Series]:
    """Every series of a field and a transfer among a study's results."""
    made = []
    for label, group in split_runs(results, field, transfer):
        levels: dict[Level, tuple[float, ...]] = {}
        for result in sorted(group, key=lambda each: _sort(level_of(each, field))):
            level = level_of(result, field)
            levels[level] = (*levels.get(level, ()), result.metrics[transfer.metric])
        spread = pool_spread(levels.values())
        made.append(Series(field, transfer, label, group, levels, spread, units))
    return made


def name_level(level: Level) -> str:
    """A level as readers see it."""
    return (
        f"{level:,g}"
        if isinstance(level, float) and level < 1e6
        else (f"{level:,.0f}" if isinstance(level, float) else level)
    )


def comparisons(series: Series) -> list[tuple[Level, Level, Estimate]]:
    """(level, level before, difference): the ends of a numeric series, else each name against the
    first."""
    first, *others = series.levels
    return [
        (other, first, difference(series.spread, series.levels[other], series.levels[first]))
        for other in (others[-1:] if series.is_numeric else others)
    ]


def compare_sentence(series: Series) -> str:
    """What the ends of a series differ by, with interval and numbers of runs."""
    units = series.units
    words = {1: "better", 0: "no difference seen", -1: "worse"}
    clauses = []
    for level, before, change in comparisons(series):
        relation = words[sign(change, units.scale)] if change.bounded else "changed by"
        counts = f"n = {len(series.levels[level])} and {len(series.levels[before])} runs"
        clauses.append(
            f"{name_level(level)} against {name_level(before)}"
            f" {axes.axis_of(series.field).unit}: {relation}: {units.change(change.value)}"
            f"{units.points} ({units.interval(change, units.change)}; {counts})"
        )
    return f"{series.title}: {'; '.join(clauses)}."


def fit_slopes(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Least-squares slopes of columns y [n, C] against x [n], and half the width of their 80%
    intervals (Student's, n - 2 degrees): [C], [C]; infinite halves where n is 2."""
    centred = x - x.mean()
    total = (centred**2).sum()
    slopes = centred @ y / total
    residuals = y - y.mean(axis=0) - centred[:, None] * slopes
    degrees = x.size - 2
    if degrees < 1:
        return slopes, np.full(slopes.shape, np.inf)
    errors = np.sqrt((residuals**2).sum(axis=0) / degrees / total)
    return slopes, stats.t.ppf((1 + LEVEL) / 2, degrees) * errors


def slope_of(series: Series) -> Estimate:
    """Change of the metric for each unit of a numeric level, or each tenfold on a log axis."""
    x, y = series.points
    slope, half = fit_slopes(np.log10(x) if axes.axis_of(series.field).log else x, y[:, None])
    if not math.isfinite(half[0]):
        return Estimate(float(slope[0]), math.nan, math.nan)
    return Estimate(float(slope[0]), float(slope[0] - half[0]), float(slope[0] + half[0]))


def interaction(smaller: Series, larger: Series) -> Estimate:
    """How much more the metric changes between the ends of one series than of another."""
    spread = pool_spread([*smaller.levels.values(), *larger.levels.values()])
    ends = [list(series.levels.values()) for series in (smaller, larger)]
    gains = [float(np.mean(each[-1]) - np.mean(each[0])) for each in ends]
    counts = [len(values) for each in ends for values in (each[0], each[-1])]
    return spread.estimate(gains[1] - gains[0], *counts)
