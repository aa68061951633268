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


class Fitted(NamedTuple):
    """params: [P]. weights: [n] in (0, 1], by which the points counted."""

    params: np.ndarray
    weights: np.ndarray


def noise_variance(x: np.ndarray, errors: np.ndarray) -> float:
    """Variance of log errors [n] at sizes x [n] around any smooth curve, 0 for fewer than 3 points.

    Each point against the line between its neighbours in log x (Gasser, Sroka and Jennen-Steinmetz,
    "Residual variance and residual pattern in nonlinear regression", Biometrika 1986).
    """
    if x.size < 3:
        return 0.0
    order = np.argsort(x, kind="stable")
    log_x, log_y = np.log(x[order]), np.log(errors[order])
    span = log_x[2:] - log_x[:-2]
    left = np.where(span > 0, (log_x[2:] - log_x[1:-1]) / np.where(span > 0, span, 1.0), 0.5)
    right = 1 - left
    strays = left * log_y[:-2] + right * log_y[2:] - log_y[1:-1]
    return float(np.mean(strays**2 / (left**2 + right**2 + 1)))


def _weights(law: Law, params: np.ndarray, x: np.ndarray, errors: np.ndarray) -> np.ndarray:
    """[n] in (0, 1]: the inverse of the points' variances, 1 at the largest size."""
    noise = max(noise_variance(x, errors), _SMALLEST_NOISE)
    residuals = log_errors(law.predict(params[None], x)[0], errors)
    degrees = max(x.size - law.num_params, 1)
    total = (residuals**2).sum() / degrees
    # Two estimates of one variance differ by a factor with Fisher's distribution.
    factor = stats.f.ppf(_SURE, degrees, max(x.size - 2, 1))
    misfit = total - noise if total > factor * noise else 0.0
    return (noise + misfit) / (noise + misfit * x.max() / x)


def fit_law(law: Law, x: np.ndarray, errors: np.ndarray) -> Fitted:
    """Fits a law to points x [n], errors [n]: all alike first, then each as far as it is to be
    trusted."""
    alike = laws.fit(law, x, errors[None])[0]
    weights = _weights(law, alike, x, errors)
    return Fitted(laws.fit(law, x, errors[None], weights)[0], weights)
