"""What a study's results say: a curve for each transfer mode, and sentences made from statistics.

No sentence assumes an outcome. What may be said of a difference hangs on its 80% interval: above 0,
below 0, or holding 0.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

from revisit.errors import UserError
from revisit.scaling import curves, tables
from revisit.scaling.curves import Curve, Scale
from revisit.scaling.grid import Transfer
from revisit.scaling.intervals import LEVEL
from revisit.scaling.results import Result
from revisit.scaling.selection import CurveFit, fit_curve

SCRATCH_TITLES = {"linear_probe": "random frozen features", "finetune": "training from scratch"}
FORECAST_TIMES = 10  # beyond the largest size


class Estimate(NamedTuple):
    """A value with its 80% interval, in the metric's unit. NaN ends: too few seeds for one."""

    value: float
    low: float
    high: float

    @property
    def bounded(self) -> bool:
        """Whether there is an interval."""
        return math.isfinite(self.low)


class Units(NamedTuple):
    """How the metric is written: an accuracy of 0.4123 as 41.2%, a loss of 0.4123 as 0.4123."""

    scale: Scale

    @property
    def percent(self) -> bool:
        """Whether values are written in percent."""
        return self.scale.metric == "accuracy"

    def value(self, value: float) -> str:
        """A value, or the end of its interval, with its unit; no accuracy is outside 0 to 100%."""
        share = min(max(value / self.scale.whole, 0.0), 1.0)
        return f"{share:.1%}" if self.percent else f"{value:.4f}"

    def change(self, change: float) -> str:
        """A difference of two values, with its sign."""
        factor = 100 / self.scale.whole
        return f"{factor * change:+.1f}" if self.percent else f"{change:+.4f}"

    @property
    def points(self) -> str:
        """The unit of a change."""
        return " points" if self.percent else ""

    def interval(self, estimate: Estimate, write: Callable[[float], str]) -> str:
        """The ends of an interval, each as `write` has it."""
        if not estimate.bounded:
            return "one seed: no interval"
        return f"80% interval {write(estimate.low)} to {write(estimate.high)}"


class Spread(NamedTuple):
    """How seeds differ: variance of a run, pooled over sizes, and its degrees of freedom."""

    variance: float
    degrees: int

    def estimate(self, value: float, *counts: int) -> Estimate:
        """A mean of `counts` seeds, or a difference of two such means, with Student's interval."""
        if not self.degrees:
            return Estimate(value, math.nan, math.nan)
        factor = stats.t.ppf((1 + LEVEL) / 2, self.degrees)
        half = float(factor * math.sqrt(self.variance * sum(1 / count for count in counts)))
        return Estimate(value, value - half, value + half)


class Finding(NamedTuple):
    """What is known of one curve of a transfer against data size.

    Attributes:
      transfer: what was made of the backbones.
      label: what tells the curve from others of the transfer: "depth 10"; "" where there is one.
      values: size -> the metric of its seeds, ascending sizes.
      scratch: the metric of the runs from random weights; empty without any.
      spread: of the metric between seeds.
      curve: all points, as errors.
      fit: None where no law can be fitted, `refusal` says why.
      sentences: gains, last step, against scratch, law; plain text. The first and last are always
      there.
    """

    transfer: Transfer
    label: str
    values: dict[int, tuple[float, ...]]
    scratch: tuple[float, ...]
    spread: Spread
    curve: Curve
    fit: CurveFit | None
    refusal: str
    sentences: tuple[str, ...]

    @property
    def title(self) -> str:
        """What readers call the curve."""
        return ", ".join(filter(None, (self.transfer.title, self.label)))

    @property
    def scratch_title(self) -> str:
        """What readers call the same transfer without pretraining."""
        return SCRATCH_TITLES[self.transfer.mode]


def pool_spread(groups: Iterable[Sequence[float]]) -> Spread:
    """Spread of the seeds of several sizes, taken to be the same at each: 2 seeds alone say
    little."""
    arrays = [np.asarray(group) for group in groups if len(group)]
    degrees = sum(array.size - 1 for array in arrays)
    squares = float(sum(((array - array.mean()) ** 2).sum() for array in arrays))
    return Spread(squares / max(degrees, 1), degrees)


def difference(spread: Spread, values: Sequence[float], others: Sequence[float]) -> Estimate:
    """Mean of values minus mean of others."""
    change = float(np.mean(values) - np.mean(others))
    return spread.estimate(change, len(values), len(others))


def sign(estimate: Estimate, scale: Scale) -> int:
    """1 better for certain, -1 worse, 0 not told (the interval holds 0, or there is none)."""
    better, worse = (estimate.low > 0, estimate.high < 0)
    if scale.metric == "error":
        better, worse = worse, better
    return int(better) - int(worse)


def trend_estimate(fit: CurveFit, scale: Scale) -> Estimate:
    """Change of the metric for ten times the data."""
    slope, *ends = (scale.from_change(value) for value in fit.trend)
    return Estimate(slope, min(ends), max(ends))


def gains_sentence(finding: Finding, units: Units) -> str:
    """Whether the metric grows with data, and how fast."""
    if finding.fit is None:
        return f"{finding.title}: no trend can be told: {finding.refusal}."
    trend = trend_estimate(finding.fit, units.scale)
    direction = sign(trend, units.scale)
    words = {1: "gains grow with data", 0: "no growth seen", -1: "it gets worse with data"}[
        direction
    ]
    if direction == 1 and sign(_last_step(finding), units.scale) == 1:
        words = "gains still grow"
    holds = ", which holds 0" if direction == 0 else ""
    return (
        f"{finding.title}: {words}: {units.change(trend.value)}{units.points} per tenfold data,"
        f" {units.interval(trend, units.change)}{holds}."
    )


def _last_step(finding: Finding) -> Estimate:
    earlier, later = list(finding.values.values())[-2:]
    return difference(finding.spread, later, earlier)


def step_sentence(finding: Finding, units: Units) -> str:
    """The step between the two largest sizes."""
    before, size = list(finding.values)[-2:]
    step = _last_step(finding)
    words = {1: "still gained", 0: "shows no difference beyond that of seeds", -1: "lost"}[
        sign(step, units.scale)
    ]
    return (
        f"{finding.title}: the last step, from {before:,} to {size:,} images,"
        f" {words if step.bounded else 'changed it by'}: {units.change(step.value)}{units.points}"
        f" ({units.interval(step, units.change)})."
    )


def scratch_sentence(finding: Finding, units: Units) -> str:
    """What the largest pretraining is worth beside none."""
    size, values = list(finding.values.items())[-1]
    change = difference(finding.spread, values, finding.scratch)
    words = {1: "better than", 0: "no difference seen from", -1: "worse than"}
    relation = words[sign(change, units.scale)] if change.bounded else "beside"
    return (
        f"{finding.title}: {units.value(float(np.mean(values)))} with {size:,} pretraining images,"
        f" {relation} {finding.scratch_title} at"
        f" {units.value(float(np.mean(finding.scratch)))}: {units.change(change.value)}"
        f"{units.points} ({units.interval(change, units.change)})."
    )


def law_sentence(finding: Finding, units: Units) -> str:
    """The law that was chosen and what it foresees."""
    fit = finding.fit
    if fit is None:
        return f"{finding.title}: no law fitted: {finding.refusal}."
    pairs = zip(fit.best.law.params, fit.best.params, strict=True)
    params = ", ".join(f"{name} = {value:.4g}" for name, value in pairs if "." not in name)
    rivals = f" The data can't tell it from {', '.join(fit.rivals)}." if fit.rivals else ""
    notes = "".join(f" {note[0].upper()}{note[1:]}." for note in fit.notes)
    return (
        f"{finding.title}: {fit.chosen}, {fit.best.law.formula} with {params}, where y is"
        f" {'the error, 1 - accuracy,' if units.percent else 'the error'} and x the number of"
        f" pretraining images.{rivals} {_forecast_sentence(fit, units)}{notes}"
    )


def _forecast_sentence(fit: CurveFit, units: Units) -> str:
    if not fit.trend.seen:
        return "Nothing is foreseen without a trend."
    size = FORECAST_TIMES * float(fit.curve.sizes.max())
    forecast = tables.forecast(fit.best, fit.curve, [size], units.scale)
    return (
        f"At {size:,.0f} images ({FORECAST_TIMES} times the data) it foresees"
        f" {units.value(forecast.yhat[0])} (80% interval {units.value(forecast.low[0])} to"
        f" {units.value(forecast.high[0])} for one run)."
    )


def _values(results: Sequence[Result], metric: str) -> dict[int, tuple[float, ...]]:
    sizes = sorted({result.num_examples for result in results})
    return {
        size: tuple(each.metrics[metric] for each in results if each.num_examples == size)
        for size in sizes
    }


def scale_of(results: Sequence[Result], transfer: Transfer) -> Scale:
    """How a transfer's metric is written: accuracies as fractions or in percent.

    Raises:
      UserError: a run lacks the metric, or units are mixed.
    """
    lacking = [result.run.name for result in results if transfer.metric not in result.metrics]
    if lacking:
        raise UserError(f"run {lacking[0]} has no figure {transfer.metric!r}: set config.metric")
    values = np.array([result.metrics[transfer.metric] for result in results])
    return curves.recognize_scale(values, transfer.metric_type, transfer.metric)


def find(
    results: Sequence[Result],
    scratch: Sequence[Result],
    transfer: Transfer,
    label: str,
    scale: Scale,
) -> Finding:
    """What a curve of the metric against data size says.

    Args:
      results: of one transfer from pretrained backbones that differ in data size alone.
      scratch: of the same from random weights; may be empty.
      transfer: which.
      label: what tells the curve from others of the transfer.
      scale: of its metric.
    """
    metric = transfer.metric
    x = [result.num_examples for result in results]
    values = np.array([result.metrics[metric] for result in results])
    curve = curves.make_curve(x, scale.to_errors(values), (transfer.name, label))
    refusal = curves.refusal(curve)
    fit = None if refusal else fit_curve(curve)
    by_size = _values(results, metric)
    without = tuple(each.metrics[metric] for each in scratch)
    spread = pool_spread([*by_size.values(), without])
    finding = Finding(transfer, label, by_size, without, spread, curve, fit, refusal, ())
    units = Units(scale)
    sentences = [gains_sentence(finding, units)]
    if len(by_size) > 1:
        sentences.append(step_sentence(finding, units))
    if without:
        sentences.append(scratch_sentence(finding, units))
    return finding._replace(sentences=(*sentences, law_sentence(finding, units)))


def length_sentence(pretrained: Sequence[Result]) -> str:
    """How long the backbones of a curve were pretrained beside each other: it decides what the
    curve means. Empty where the results don't tell."""
    known = [result for result in pretrained if result.pretrain_seen]
    if not known:
        return ""
    epochs = [result.pretrain_seen / result.num_examples for result in known]
    seen = [float(result.pretrain_seen) for result in known]
    if max(seen) <= 1.02 * min(seen):
        return (
            f"Equal length: every backbone was pretrained on {np.mean(seen):,.0f} images, repeats"
            f" counted ({min(epochs):.1f} to {max(epochs):.1f} epochs), so that the sizes of the"
            " data alone differ."
        )
    if max(epochs) <= 1.1 * min(epochs):
        return (
            f"Equal epochs: every backbone saw its own data {np.mean(epochs):.1f} times, as in the"
            f" paper; so more data also meant longer training ({min(seen):,.0f} to {max(seen):,.0f}"
            " images, repeats counted), and the curve shows both together."
        )
    return (
        f"Neither equal length nor equal epochs: {min(seen):,.0f} to {max(seen):,.0f} images,"
        f" repeats counted, {min(epochs):.1f} to {max(epochs):.1f} epochs; read the curve so."
    )
