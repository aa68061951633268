"""Which law? The one that, fitted to a curve's smaller sizes, predicts its larger ones best.

Where the data can't tell others from it, a combination of all (revisit.scaling.combination).
"""

import concurrent.futures
import functools
import multiprocessing
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

from revisit.scaling import combination, intervals
from revisit.scaling.curves import Curve
from revisit.scaling.intervals import Draws, Drift
from revisit.scaling.laws import LAWS, Law, score
from revisit.scaling.trust import fit_law

# Shares of the sizes that predict the rest: late ones, since the law that is used knows all sizes.
_ORIGINS = (0.8, 0.9)
_SURE = 0.95  # that two laws' errors differ
_ROUNDING = 1e-9
NO_TREND = "no trend seen: the slope's 80% interval holds 0"
RISES = "the error rises with data"
_FEW = 4  # curves that are fitted sooner than processes start


class Trend(NamedTuple):
    """Error against log10 of the size as a straight line: its slope and the slope's 80% interval,
    error per tenfold."""

    slope: float
    low: float
    high: float

    @property
    def seen(self) -> bool:
        """Whether the interval leaves out 0."""
        return self.low > 0 or self.high < 0


class LawFit(NamedTuple):
    """A law fitted to all points to fit.

    params: [P]. extrapolation: RMS log error of the larger sizes when fitted to the smaller ones
    (no point that is held out has a part in it). score: RMS log error of the held-out points, None
    without any.
    """

    law: Law
    params: np.ndarray
    draws: Draws
    extrapolation: float
    score: float | None


class CurveFit(NamedTuple):
    """All that is known of a curve.

    chosen: name in `laws`. rivals: laws that the data can't tell apart, the one that extrapolates
    best first; where there are any, the combination of all laws is chosen.
    """

    curve: Curve
    chosen: str
    laws: dict[str, LawFit]
    rivals: tuple[str, ...]
    trend: Trend
    notes: tuple[str, ...]

    @property
    def best(self) -> LawFit:
        """The fit of the chosen law."""
        return self.laws[self.chosen]


def _origins(num_sizes: int) -> list[int]:
    """Numbers of smaller sizes that laws are fitted to, to predict the rest."""
    wanted = {max(2, round(share * num_sizes)) for share in _ORIGINS}
    return sorted(origin for origin in wanted if origin < num_sizes)


def candidates(num_sizes: int) -> list[Law]:
    """Laws that so many sizes can hold: any of 2 parameters, and what the middle origin
    overdetermines."""
    origins = _origins(num_sizes)
    middle = origins[len(origins) // 2]
    return [law for law in LAWS.values() if law.num_params <= 2 or law.num_params < middle]


class Extrapolation(NamedTuple):
    """How a law, fitted to the smaller sizes, predicts the larger ones: root mean squares over
    origins.

    score: log error. rate: log error for each unit of log size beyond the largest size fitted.
    """

    score: float
    rate: float


def _extrapolate(law: Law, x: np.ndarray, errors: np.ndarray, origin: int) -> tuple[float, float]:
    """Score and rate for one origin, a number of sizes."""
    largest = np.unique(x)[origin - 1]
    near = x <= largest
    fitted = fit_law(law, x[near], errors[near])
    found = float(score(law, fitted.params[None], x[~near], errors[~near])[0])
    return found, found / np.sqrt((np.log(x[~near] / largest) ** 2).mean())


def extrapolate(laws: Sequence[Law], x: np.ndarray, errors: np.ndarray) -> dict[str, Extrapolation]:
    """Each law's extrapolation on the points themselves, from the origins that all laws can hold.

    A rolling origin (Tashman, "Out-of-sample tests of forecasting accuracy", 2000).
    """
    most = max(law.num_params for law in laws)
    origins = [origin for origin in _origins(np.unique(x).size) if most <= 2 or origin > most]
    found = {}
    for law in laws:
        rows = np.array([_extrapolate(law, x, errors, origin) for origin in origins])
        found[law.name] = Extrapolation(*np.sqrt((rows**2).mean(axis=0)))
    return found


def weigh(scores: Mapping[str, float]) -> dict[str, float]:
    """RMS log errors of extrapolation by law -> weights, the inverse of their squares, the heaviest
    first; they sum to 1."""
    inverse = {name: 1 / max(value, 1e-12) ** 2 for name, value in scores.items()}
    ordered = sorted(inverse, key=lambda name: -inverse[name])
    return {name: inverse[name] / sum(inverse.values()) for name in ordered}


def _rivals(weights: Mapping[str, float], num_sizes: int) -> list[str]:
    """Laws whose squared errors may be the same as the best one's, which is the first of `weights`;
    an error over a few sizes says little (Fisher's distribution), and nothing where all laws ran
    through the two sizes that they were fitted to."""
    best, *others = weights
    first = _origins(num_sizes)[0]
    if first == 2:
        return others
    predicted = num_sizes - first
    limit = stats.f.ppf(_SURE, predicted, predicted)
    return [name for name in others if weights[name] * limit >= weights[best]]


def fit_trend(x: np.ndarray, errors: np.ndarray, seed: int = 0) -> Trend:
    """The straight line's slope, error per tenfold data, with its interval; all points alike."""
    log_x = np.log10(x)
    slope = float(np.polyfit(log_x, errors, 1)[0])
    found = np.array([slope, *intervals.bounds(intervals.line_slopes(log_x, errors, seed=seed))])
    nothing = np.abs(found) < _ROUNDING * errors.mean()  # flat points have slopes of rounding
    return Trend(*np.where(nothing, 0.0, found).tolist())


def _notes(curve: Curve, laws: list[Law], trend: Trend) -> tuple[str, ...]:
    left_out = [law.name for law in LAWS.values() if law not in laws]
    x, errors, sizes = curve.x[curve.fit], curve.errors[curve.fit], curve.sizes
    means = np.array([errors[x == size].mean() for size in sizes])
    rises = int((np.diff(means) > 0).sum())
    notes = []
    if left_out:
        notes.append(f"{sizes.size} sizes are too few for {', '.join(left_out)}: left out")
    if not trend.seen:
        notes.append(NO_TREND)
    elif trend.slope > 0:
        notes.append(RISES)
    elif rises:
        notes.append(f"not monotone: the error rises at {rises} of {sizes.size - 1} steps in size")
    return tuple(notes)


def _combine(fits: Sequence[LawFit], weights: Sequence[float], curve: Curve, seed: int) -> LawFit:
    law = combination.make_combined([fit.law for fit in fits])
    params = combination.join_params(weights, [fit.params for fit in fits])
    draws = combination.join_draws(law, weights, [fit.draws for fit in fits], seed)
    extrapolation = float(np.dot(weights, [fit.extrapolation for fit in fits]))
    return LawFit(law, params, draws, extrapolation, held_out_score(law, params, curve))


def _fit_alone(
    law: Law, curve: Curve, extrapolation: Extrapolation, num_draws: int, seed: int
) -> LawFit:
    x, errors = curve.x[curve.fit], curve.errors[curve.fit]
    fitted = fit_law(law, x, errors)
    draws = intervals.bootstrap(law, fitted, x, errors, num_draws, seed)
    draws = draws._replace(drift=Drift(extrapolation.rate, float(x.max())))
    held_out = held_out_score(law, fitted.params, curve)
    return LawFit(law, fitted.params, draws, extrapolation.score, held_out)


def fit_curve(curve: Curve, num_draws: int = intervals.NUM_DRAWS, seed: int = 0) -> CurveFit:
    """Fits every law that the curve can hold and chooses among them. The curve must not be one that
    is refused."""
    x, errors = curve.x[curve.fit], curve.errors[curve.fit]
    laws = candidates(curve.sizes.size)
    found = extrapolate(laws, x, errors)
    fits = {law.name: _fit_alone(law, curve, found[law.name], num_draws, seed) for law in laws}
    weights = weigh({name: each.score for name, each in found.items()})
    best = next(iter(weights))
    rivals = _rivals(weights, curve.sizes.size)
    chosen = combination.COMBINED if rivals else best
    if rivals:
        ordered = [fits[name] for name in weights]
        fits[chosen] = _combine(ordered, list(weights.values()), curve, seed)
        rivals = [best, *rivals]
    trend = fit_trend(x, errors, seed)
    return CurveFit(curve, chosen, fits, tuple(rivals), trend, _notes(curve, laws, trend))


def fit_curves(curves: Sequence[Curve], num_draws: int) -> Iterator[CurveFit]:
    """`fit_curve` of many, beside each other on all cores, in order."""
    fit = functools.partial(fit_curve, num_draws=num_draws)
    if len(curves) <= _FEW:
        yield from map(fit, curves)
        return
    context = multiprocessing.get_context("spawn")  # a fork of a process with threads may hang
    cores = len(os.sched_getaffinity(0))
    with concurrent.futures.ProcessPoolExecutor(min(cores, len(curves)), context) as pool:
        yield from pool.map(fit, curves)


def held_out_score(law: Law, params: np.ndarray, curve: Curve) -> float | None:
    """RMS log error of params [P] on the points that are not fitted and known; None without any."""
    held_out = ~curve.fit & np.isfinite(curve.errors)
    if not held_out.any():
        return None
    return float(score(law, params[None], curve.x[held_out], curve.errors[held_out])[0])
