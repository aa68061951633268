"""Which law? The one that, fitted to a curve's smaller sizes, predicts its larger ones best."""

from typing import NamedTuple

import numpy as np

from revisit.scaling import intervals
from revisit.scaling.curves import Curve
from revisit.scaling.intervals import Draws, Drift
from revisit.scaling.laws import LAWS, Law, score

_CHOICE_DRAWS = 100


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
    """All that is known of a curve. rivals: laws that the data can't tell from the chosen one."""

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


def split_sizes(sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ascending sizes -> (smaller ones to fit, largest third to predict; at least one)."""
    num_larger = max(1, sizes.size // 3)
    return sizes[:-num_larger], sizes[-num_larger:]


def candidates(sizes: np.ndarray) -> list[Law]:
    """Laws that so many sizes can hold: any of 2 parameters, and those that the smaller sizes
    overdetermine."""
    num_smaller = split_sizes(sizes)[0].size
    return [law for law in LAWS.values() if law.num_params <= 2 or law.num_params < num_smaller]


class _Extrapolation(NamedTuple):
    """score: on the larger sizes. low, high: 80% interval of what other draws would have scored."""

    score: float
    low: float
    high: float


def _extrapolate(law: Law, x: np.ndarray, errors: np.ndarray, seed: int) -> _Extrapolation:
    smaller, _ = split_sizes(np.unique(x))
    near = x <= smaller.max()
    params = law.fit(x[near], errors[near][None])
    found = float(score(law, params, x[~near], errors[~near])[0])
    if near.sum() <= law.num_params:  # the law runs through every point: they don't tell the noise
        return _Extrapolation(found, 0.0, np.inf)
    draws = intervals.bootstrap(law, params[0], x[near], errors[near], _CHOICE_DRAWS, seed)
    low, high = intervals.bounds(score(law, draws.params, x[~near], errors[~near]))
    return _Extrapolation(found, min(found, float(low)), max(found, float(high)))


def _drift(extrapolation: float, sizes: np.ndarray) -> Drift:
    """What a law got wrong on the larger sizes, spread over how far they lay (as log size) beyond
    the smaller ones."""
    smaller, larger = split_sizes(sizes)
    distance = np.sqrt((np.log(larger / smaller.max()) ** 2).mean())
    return Drift(extrapolation / distance, float(sizes.max()))


def _rivals(chosen: str, scores: dict[str, _Extrapolation]) -> tuple[str, ...]:
    """Laws whose score's interval reaches down into the chosen law's."""
    limit = scores[chosen].high
    return tuple(name for name in scores if name != chosen and scores[name].low <= limit)


def fit_trend(x: np.ndarray, errors: np.ndarray, seed: int = 0) -> Trend:
    """The straight line's slope, error per tenfold data, with its interval."""
    law = LAWS["log_linear"]
    params = law.fit(x, errors[None])[0]
    low, high = intervals.bounds(
        intervals.bootstrap(law, params, x, errors, seed=seed).params[:, 1]
    )
    return Trend(float(params[1]), float(low), float(high))


def _notes(sizes: np.ndarray, laws: list[Law], trend: Trend) -> tuple[str, ...]:
    left_out = [law.name for law in LAWS.values() if law not in laws]
    notes = []
    if left_out:
        notes.append(f"{sizes.size} sizes are too few for {', '.join(left_out)}: left out")
    if not trend.seen:
        notes.append("no trend seen: the slope's 80% interval holds 0")
    elif trend.slope > 0:
        notes.append("the error rises with data")
    return tuple(notes)


def fit_curve(curve: Curve, num_draws: int = intervals.NUM_DRAWS, seed: int = 0) -> CurveFit:
    """Fits every law that the curve can hold and chooses among them. The curve must not be one that
    is refused."""
    x, errors = curve.x[curve.fit], curve.errors[curve.fit]
    laws = candidates(curve.sizes)
    scores = {law.name: _extrapolate(law, x, errors, seed) for law in laws}
    chosen = min(scores, key=lambda name: scores[name].score)
    fits = {}
    for law in laws:
        params = law.fit(x, errors[None])[0]
        draws = intervals.bootstrap(law, params, x, errors, num_draws, seed)
        draws = draws._replace(drift=_drift(scores[law.name].score, curve.sizes))
        fits[law.name] = LawFit(
            law, params, draws, scores[law.name].score, _held_out_score(law, params, curve)
        )
    trend = fit_trend(x, errors, seed)
    return CurveFit(
        curve, chosen, fits, _rivals(chosen, scores), trend, _notes(curve.sizes, laws, trend)
    )


def _held_out_score(law: Law, params: np.ndarray, curve: Curve) -> float | None:
    held_out = ~curve.fit & np.isfinite(curve.errors)
    if not held_out.any():
        return None
    return float(score(law, params[None], curve.x[held_out], curve.errors[held_out])[0])
