"""Label noise: what a clean label is worth, and how clean the labels of a data set are."""

import math
from typing import NamedTuple

import numpy as np
from scipy import stats

from revisit.errors import UserError
from revisit.scaling.ablations import Series, slope_of
from revisit.scaling.findings import Estimate, difference, sign
from revisit.scaling.intervals import LEVEL

NUM_DRAWS = 4000


class Worth(NamedTuple):
    """How many labels of one noise level are worth one of the cleanest level.

    Attributes:
      share: the noise, as the axis has it.
      ratio: with its interval; means nothing where there is a reason.
      reason: why there is no ratio; "" with one.
    """

    share: float
    ratio: Estimate
    reason: str


def label_precision(correct: int, checked: int) -> Estimate:
    """Share of labels that are right, from a random sample of them that people verified.

    The interval is Clopper and Pearson's exact one (Biometrika 26, 1934) at 80%: it holds the truth
    at least that often whatever the truth is.

    Raises:
      UserError: counts that can't be.
    """
    if not 0 <= correct <= checked or checked < 1:
        raise UserError(
            f"{correct} correct of {checked} checked labels: give 0 <= correct <= checked, and"
            " check at least 1"
        )
    found = stats.binomtest(correct, checked).proportion_ci(LEVEL, method="exact")
    return Estimate(correct / checked, float(found.low), float(found.high))


def _draws(estimate: Estimate, degrees: int, seed: int) -> np.ndarray:
    """[NUM_DRAWS] of what an estimate with Student's interval may truly be."""
    half = (estimate.high - estimate.low) / 2 / stats.t.ppf((1 + LEVEL) / 2, degrees)
    random = np.random.default_rng(seed)
    return estimate.value + half * random.standard_t(degrees, NUM_DRAWS)


def clean_worth(noise: Series, size: Series) -> list[Worth]:
    """ "One clean label is worth k noisy ones", for each noise level above the cleanest.

    N noisy labels do what N / k clean ones do: the metric falls log-linearly with fewer labels by
    slope * log10(k), and by what was measured between the levels. Both are estimates; the interval
    comes from drawing each from its own Student's distribution (a ratio, as Fieller's).

    Args:
      noise: levels of a noise field, the same data size.
      size: levels of data size at the cleanest of these labels.
    """
    slope = slope_of(size)
    if not slope.bounded or not noise.spread.degrees:
        reason = "too few seeds"
    elif sign(slope, noise.units.scale) != 1:
        reason = "no gain with data size is told, so labels have no price in data"
    else:
        reason = ""
    if reason:
        return [Worth(float(level), slope, reason) for level in list(noise.levels)[1:]]
    slopes = _draws(slope, size.points[0].size - 2, 0)
    first, *others = noise.levels
    found = []
    for level in others:
        loss = difference(noise.spread, noise.levels[first], noise.levels[level])
        decades = _draws(loss, noise.spread.degrees, 1) / slopes
        low, high = np.quantile(decades, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        ratio = [_power(value) for value in (loss.value / slope.value, low, high)]
        found.append(Worth(float(level), Estimate(*ratio), ""))
    return found


def _power(decades: float) -> float:
    return 10.0 ** min(decades, 300.0) if math.isfinite(decades) else math.nan


def worth_sentence(worth: Worth, kind: str) -> str:
    """One plain sentence of a Worth; kind: "wrong" or "missing"."""
    if worth.reason:
        return f"At {worth.share:.0%} {kind} labels: {worth.reason}."
    ratio = worth.ratio
    unsure = ", which holds 1: no difference told" if ratio.low <= 1 <= ratio.high else ""
    return (
        f"With {worth.share:.0%} of labels {kind}, one clean label is worth {ratio.value:.3g} noisy"
        f" ones (80% interval {ratio.low:.3g} to {ratio.high:.3g}{unsure})."
    )


def precision_sentence(correct: int, checked: int) -> str:
    """What a verified sample says of a data set's labels."""
    found = label_precision(correct, checked)
    return (
        f"Label precision: {found.value:.1%} (80% interval {found.low:.1%} to {found.high:.1%}),"
        f" {correct:,} of {checked:,} verified labels right."
    )
