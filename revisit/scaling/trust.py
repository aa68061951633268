"""How far each point of a curve is to be trusted to tell what comes beyond the largest size.

A law holds in the limit: small sizes stray from it for reasons that noise doesn't explain, and the
more the smaller they are. So a point's variance around a law is taken as

    noise^2 + misfit^2 * largest size / size

with the noise from how points stray from their neighbours, and the misfit from what the law leaves
beyond it. Where noise is all there is, as in most small studies, every point counts alike.
"""

from typing import NamedTuple

import numpy as np
from scipy import stats

from revisit.scaling import laws
from revisit.scaling.laws import Law, log_errors

_SMALLEST_NOISE = 1e-12
_SURE = 0.8  # that a variance is more than noise
_NEIGHBOURS = 2


class Fitted(NamedTuple):
    """params: [P]. weights: [n] in (0, 1], by which the points counted."""

    params: np.ndarray
    weights: np.ndarray


class Noise(NamedTuple):
    """Variance of log errors around any smooth curve, and the degrees of freedom that it was
    estimated with."""

    variance: float
    degrees: float


def _interpolations(offsets: np.ndarray) -> np.ndarray:
    """[m, k] weights of values at ascending log sizes `offsets` [m, k] from m points, which give
    the value there of the polynomial through them: a cubic for 4 different sizes, as of means for
    repeated ones."""
    span = np.abs(offsets).max(axis=1, keepdims=True)
    scaled = offsets / np.where(span > 0, span, 1.0)
    num_sizes = 1 + (np.diff(scaled, axis=1) > 0).sum(axis=1)
    weights = np.empty_like(scaled)
    for number in np.unique(num_sizes):
        rows = num_sizes == number
        weights[rows] = np.linalg.pinv(scaled[rows][:, :, None] ** np.arange(number))[:, 0]
    return weights


def _contrasts(log_x: np.ndarray) -> np.ndarray:
    """[m, w] rows of length 1: what each of m windows of w ascending sizes [n] gives to its points,
    so that smooth values sum to 0: the middle one against its neighbours."""
    size = min(_NEIGHBOURS, (log_x.size - 1) // 2)
    windows = np.lib.stride_tricks.sliding_window_view(log_x, 2 * size + 1)
    offsets = np.delete(windows - windows[:, size : size + 1], size, axis=1)
    rows = np.insert(_interpolations(offsets), size, -1.0, axis=1)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def _degrees(rows: np.ndarray) -> float:
    """Satterthwaite's degrees of freedom of the mean square of contrasts [m, w], each of which lies
    one point beyond the one before it."""
    num_rows, width = rows.shape
    total = float(num_rows)  # of squared products of all pairs of rows; with itself each has 1
    for lag in range(1, min(width, num_rows)):
        products = (rows[:-lag, lag:] * rows[lag:, :-lag]).sum(axis=1)
        total += 2 * float((products**2).sum())
    return num_rows**2 / total


def estimate_noise(x: np.ndarray, errors: np.ndarray) -> Noise:
    """The noise of errors [n] at sizes x [n], 0 for fewer than 3 points.

    Each point against the polynomial in log x through the two neighbours on each side: a line
    between one on each side (Gasser, Sroka and Jennen-Steinmetz, "Residual variance and residual
    pattern in nonlinear regression", Biometrika 1986) would take a curve's bend for noise.
    """
    if x.size < 3:
        return Noise(0.0, 1.0)
    order = np.argsort(x, kind="stable")
    rows = _contrasts(np.log(x[order]))
    windows = np.lib.stride_tricks.sliding_window_view(np.log(errors[order]), rows.shape[1])
    strays = (rows * windows).sum(axis=1)
    return Noise(float(np.mean(strays**2)), _degrees(rows))


def _weights(law: Law, params: np.ndarray, x: np.ndarray, errors: np.ndarray) -> np.ndarray:
    """[n] in (0, 1]: the inverse of the points' variances, 1 at the largest size."""
    noise = estimate_noise(x, errors)
    variance = max(noise.variance, _SMALLEST_NOISE)
    residuals = log_errors(law.predict(params[None], x)[0], errors)
    degrees = max(x.size - law.num_params, 1)
    total = (residuals**2).sum() / degrees
    # Two estimates of one variance differ by a factor with Fisher's distribution.
    factor = stats.f.ppf(_SURE, degrees, noise.degrees)
    misfit = total - variance if total > factor * variance else 0.0
    return (variance + misfit) / (variance + misfit * x.max() / x)


def fit_law(law: Law, x: np.ndarray, errors: np.ndarray) -> Fitted:
    """Fits a law to points x [n], errors [n]: all alike first, then each as far as it is to be
    trusted."""
    alike = laws.fit(law, x, errors[None])[0]
    weights = _weights(law, alike, x, errors)
    return Fitted(laws.fit(law, x, errors[None], weights)[0], weights)
