"""Bootstrap intervals of a fitted law: which laws would we have got from other seeds and other
points?

New points are drawn around the fitted law and the law is fitted to each draw. A point's log error
strays from the law for two reasons, drawn apart: its seed (by which points of one size differ), and
what no seed explains (by which the means of the sizes stray: the law's lack of fit; with one seed a
size it is all there is). Points that are trusted less (revisit.scaling.trust) stray more. How large
the noise is must be guessed from few points, so each draw also draws its size (a chi-square), which
makes the intervals of few points as wide as Student's are.

Beyond the largest size a law may also bend otherwise than the points told. How far is taken from
what it got wrong when it predicted the larger sizes from the smaller (`Drift`), and grows with the
distance in log size.
"""

from typing import NamedTuple

import numpy as np

from revisit.scaling import laws
from revisit.scaling.laws import Law, log_errors
from revisit.scaling.trust import Fitted

NUM_DRAWS = 400
LEVEL = 0.8
_LARGEST_STRAY = 10.0


class Noise(NamedTuple):
    """How points stray from a law, in log error (from a straight line: in error).

    sizes: [S] what the mean of a size strays by beyond its seeds. seeds: [n] what a point strays by
    from its size.
    degrees: degrees of freedom that these were estimated with.
    """

    sizes: np.ndarray
    seeds: np.ndarray
    degrees: int

    @property
    def std(self) -> float:
        """Standard deviation of a single point's log error around the law."""
        return float(np.sqrt((self.sizes**2).mean() + (self.seeds**2).mean()))


class Drift(NamedTuple):
    """rate: standard deviation of log error for each unit of log size beyond `largest`."""

    rate: float = 0.0
    largest: float = np.inf

    def std(self, x: np.ndarray) -> np.ndarray:
        """Deviation of log error at sizes x [N]; 0 up to the largest size."""
        return self.rate * np.log(np.maximum(x / self.largest, 1.0))


class Draws(NamedTuple):
    """params: [R, P] a law for each draw. noise, scales: the points' noise and, [R], its drawn
    size."""

    law: Law
    params: np.ndarray
    noise: Noise
    scales: np.ndarray
    seed: int
    drift: Drift = Drift()

    def predict(self, x: np.ndarray) -> np.ndarray:
        """[R, m] errors at sizes x [m], with each draw's drift beyond the largest size."""
        bends = np.random.default_rng([self.seed, 2]).standard_normal((len(self.params), 1))
        return self.law.predict(self.params, x) * np.exp(bends * self.drift.std(x))


def estimate_noise(
    strays: np.ndarray, x: np.ndarray, weights: np.ndarray, num_params: int
) -> Noise:
    """Splits how points [n] stray from a law into what their seeds and what their sizes x [n]
    account for, as of sizes of weight 1; num_params: that the law was fitted by."""
    _, index, counts = np.unique(x, return_inverse=True, return_counts=True)
    means = np.bincount(index, strays) / counts
    within = strays - means[index]
    means *= np.sqrt(np.bincount(index, weights) / counts)
    several = counts[index] > 1
    # The deviations from a mean of n seeds are too small by sqrt((n - 1) / n).
    seeds = within[several] * np.sqrt(counts[index] / np.maximum(counts[index] - 1, 1))[several]
    seed_variance = (seeds**2).mean() if seeds.size else 0.0
    spread = (means**2).sum() / max(means.size - num_params, 1)
    unexplained = max(spread - seed_variance * (1 / counts).mean(), 0.0)
    sizes = means * np.sqrt(unexplained / max((means**2).mean(), 1e-30))
    return Noise(sizes, seeds if seeds.size else np.zeros(1), max(x.size - num_params, 1))


def _strays(
    noise: Noise,
    index: np.ndarray,
    weights: np.ndarray | float,
    scales: np.ndarray,
    random: np.random.Generator,
) -> np.ndarray:
    """[R, n] how new points stray; those with the same index share their size's part, which is the
    larger the less they are trusted."""
    by_size = _resample(noise.sizes, (scales.size, index.max() + 1), random)[:, index]
    by_size = by_size / np.sqrt(weights)
    by_seed = _resample(noise.seeds, (scales.size, index.size), random)
    return scales[:, None] * (by_size + by_seed)


def _draw_scales(noise: Noise, num_draws: int, random: np.random.Generator) -> np.ndarray:
    """[R] how many times as large as estimated the noise may be."""
    return np.sqrt(noise.degrees / random.chisquare(noise.degrees, num_draws))


def _factors(strays: np.ndarray) -> np.ndarray:
    """Log errors as factors; a few points can draw a scale so large that exp overflows."""
    return np.exp(np.clip(strays, -_LARGEST_STRAY, _LARGEST_STRAY))


def _resample(
    values: np.ndarray, shape: tuple[int, ...], random: np.random.Generator
) -> np.ndarray:
    """Draws with replacement, to either side: the signs of 2 or 3 values would say little."""
    return random.choice(values, shape) * random.choice(np.array([-1.0, 1.0]), shape)


def draw_factors(
    noise: Noise, x: np.ndarray, weights: np.ndarray, num_draws: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """What the errors [n] of new points at sizes x [n] are multiplied by, [R, n], and the size of
    the noise in each draw, [R]."""
    random = np.random.default_rng(seed)
    scales = _draw_scales(noise, num_draws, random)
    index = np.unique(x, return_inverse=True)[1]
    return _factors(_strays(noise, index, weights, scales, random)), scales


def bootstrap(
    law: Law,
    fitted: Fitted,
    x: np.ndarray,
    errors: np.ndarray,
    num_draws: int = NUM_DRAWS,
    seed: int = 0,
) -> Draws:
    """Fits the law again to num_draws data sets drawn around it.

    Args:
      law: what was fitted.
      fitted: what `fit_law` gave for x [n] and errors [n].
      x: [n] sizes; equal ones are seeds of one size.
      errors: [n] positive.
      num_draws: R.
      seed: the same seed gives the same draws.
    """
    strays = -log_errors(law.predict(fitted.params[None], x)[0], errors)
    noise = estimate_noise(strays, x, fitted.weights, law.num_params)
    centre = np.maximum(
        law.predict(fitted.params[None], x), 0.1 * errors.min()
    )  # a straight line may fall below 0
    factors, scales = draw_factors(noise, x, fitted.weights, num_draws, seed)
    params = laws.fit(law, x, centre * factors, fitted.weights, fitted.params)
    return Draws(law, params, noise, scales, seed)


def line_slopes(
    x: np.ndarray, errors: np.ndarray, num_draws: int = NUM_DRAWS, seed: int = 0
) -> np.ndarray:
    """[R] slopes, error for each unit of x, that straight lines through x [n] and errors [n] may
    truly have; noise is added to errors, not multiplied as that of laws."""
    random = np.random.default_rng(seed)
    centred = x - x.mean()
    regress = centred / (centred**2).sum()
    slope = regress @ errors
    noise = estimate_noise(errors - errors.mean() - slope * centred, x, np.ones(x.size), 2)
    scales = _draw_scales(noise, num_draws, random)
    index = np.unique(x, return_inverse=True)[1]
    return slope + _strays(noise, index, 1.0, scales, random) @ regress


def bounds(values: np.ndarray, level: float = LEVEL) -> tuple[np.ndarray, np.ndarray]:
    """The middle `level` of values [R, ...] -> (low, high) of shape [...]."""
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return low, high


def curve_bounds(
    draws: Draws, x: np.ndarray, level: float = LEVEL
) -> tuple[np.ndarray, np.ndarray]:
    """Interval of the law itself (of the mean over many seeds) at sizes x [m]: errors [m], [m]."""
    return bounds(draws.predict(x), level)


def point_bounds(
    draws: Draws, x: np.ndarray, level: float = LEVEL
) -> tuple[np.ndarray, np.ndarray]:
    """Interval of one new measurement at sizes x [m]: the law's interval and the noise of a point.
    Errors [m], [m]."""
    random = np.random.default_rng([draws.seed, 1])
    strays = _strays(draws.noise, np.arange(x.size), 1.0, draws.scales, random)
    return bounds(draws.predict(x) * _factors(strays), level)


def sizes_for(
    law: Law, params: np.ndarray, target: float, x: np.ndarray, reach: float = 1e6
) -> np.ndarray:
    """[R] the size at which each law, params [R, P], first comes down to the target error.

    Searched from the smallest of x to `reach` times the largest; infinite where the law doesn't get
    there.
    """
    grid = np.geomspace(x.min(), x.max() * reach, 2000)
    there = law.predict(params, grid) <= target
    return np.where(there.any(axis=1), grid[there.argmax(axis=1)], np.inf)
