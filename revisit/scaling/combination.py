"""One forecast of several laws: their mean, weighted by how well each extrapolates.

Bates and Granger, "The Combination of Forecasts", 1969: a mean of forecasts errs less than the
choice of one where no choice is safe. Draws of the combination take one law each, as often as it is
weighted, so that intervals hold what the laws disagree by.
"""

import functools
from collections.abc import Sequence

import numpy as np

from revisit.scaling.intervals import Draws, Drift
from revisit.scaling.laws import Law

COMBINED = "combined"
_SMALLEST = 1e-12


def _predict(params: np.ndarray, x: np.ndarray, laws: Sequence[Law]) -> np.ndarray:
    ends = np.cumsum([len(laws), *(law.num_params for law in laws)])
    weights, *each = np.split(params, ends[:-1], axis=1)
    predicted = [law.predict(own, x) for law, own in zip(laws, each, strict=True)]
    kept = np.maximum(np.stack(predicted), _SMALLEST)  # [K, R, m]; a straight line may fall below 0
    return np.einsum("rk,krm->rm", weights, kept)


def make_combined(laws: Sequence[Law]) -> Law:
    """The law whose parameters are the weights of K laws, and then their own, one after the other
    (`join_params`)."""
    names = [law.name for law in laws]
    own = [f"{law.name}.{param}" for law in laws for param in law.params]
    return Law(
        COMBINED,
        f"weighted mean of {', '.join(names)}",
        (*(f"weight_{name}" for name in names), *own),
        "Bates and Granger 1969",
        functools.partial(_predict, laws=tuple(laws)),
    )


def join_params(weights: Sequence[float], params: Sequence[np.ndarray]) -> np.ndarray:
    """Weights of K laws and their parameters -> [P] parameters of the combination."""
    return np.concatenate([np.asarray(weights), *params])


def join_draws(law: Law, weights: Sequence[float], draws: Sequence[Draws], seed: int) -> Draws:
    """Draws of the combination from R draws of each of K laws."""
    random = np.random.default_rng([seed, 3])
    num_draws = len(draws[0].params)
    taken = random.choice(len(draws), num_draws, p=np.asarray(weights))
    params = np.concatenate([np.eye(len(draws))[taken], *(each.params for each in draws)], 1)
    scales = np.stack([each.scales for each in draws])[taken, np.arange(num_draws)]
    rate = float(np.dot(weights, [each.drift.rate for each in draws]))
    heaviest = draws[int(np.argmax(weights))]
    return Draws(law, params, heaviest.noise, scales, seed, Drift(rate, heaviest.drift.largest))
