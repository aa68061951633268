"""Laws of how a model's error falls with data: one row each in LAWS.

x is the data size (images, tokens; any positive number from 10 to 1e10), y an error or a loss
(positive; the lower the better). An accuracy is turned into the error 1 - accuracy before it comes
here (revisit.scaling.curves).

M1 to M4 are those of Alabdulmohsin, Neyshabur and Zhai, "Revisiting Neural Scaling Laws in Language
and Vision", 2022 (arXiv:2209.06640); M2 is also the power law with an offset of Hestness et al.,
"Deep Learning Scaling is Predictable, Empirically", 2017 (arXiv:1712.00409). The straight line over
log x is how Sun et al., "Revisiting Unreasonable Effectiveness of Data in Deep Learning Era", 2017
(arXiv:1707.02968) draw their figures. BNSL is the smoothly broken power law with one break of
Caballero et al., "Broken Neural Scaling Laws", 2022 (arXiv:2210.14891).

All but the line are fitted by least squares of log(prediction) - log(y), which is also what they
are scored by; the released code of M2 and M4 measures the residual of a transformed equation
instead, which has several minima and depends on where it starts. How much a point counts is for
the caller to say (revisit.scaling.trust).
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np

from revisit.scaling import least_squares

# The form that the search sees: parameters are logarithms (so their signs are fixed) and log x is
# centred.
LogPredict = Callable[
    [np.ndarray, np.ndarray], np.ndarray
]  # theta [R, P], log x [m] -> log y [R, m]

_REFINE_STEPS = 10
_SMALLEST = 1e-300
_NEWTON_STEPS = 12
# Logarithms of the exponents that are tried, 1e-4 to 1.5: errors fall no faster than 1/x in theory,
# and a steeper fit is one to noise that flattens at once beyond the points.
_EXPONENTS = (-9.0, 0.4)


class Law(NamedTuple):
    """What can be asked of a law once it has parameters.

    predict(params [R, P], x [m]) -> errors [R, m]
    """

    name: str
    formula: str
    params: tuple[str, ...]
    citation: str
    predict: Callable[[np.ndarray, np.ndarray], np.ndarray]

    @property
    def num_params(self) -> int:
        """Numbers that are fitted."""
        return len(self.params)


def _root(weights: np.ndarray | None) -> np.ndarray | float:
    """What residuals are multiplied by."""
    return 1.0 if weights is None else np.sqrt(weights)


def _line(
    regressor: np.ndarray, values: np.ndarray, weights: np.ndarray | None = None
) -> np.ndarray:
    """Least squares of values [..., n] on 1 and regressor [n] -> [..., 2]."""
    root = _root(weights)
    design = np.stack([np.ones_like(regressor), regressor], axis=1)
    return (values * root) @ np.linalg.pinv((design.T * root).T).T


def exponent(theta: np.ndarray) -> np.ndarray:
    """A law's exponent from its logarithm, kept to what is tried."""
    return np.exp(np.clip(theta, *_EXPONENTS))


def _log(values: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(values, _SMALLEST))


def _log_falling(slope: np.ndarray) -> np.ndarray:
    """log of minus a slope; a slope that doesn't fall counts as nearly flat."""
    return np.log(np.maximum(-slope, 1e-3))


def _fit_log_linear(
    x: np.ndarray,
    errors: np.ndarray,
    weights: np.ndarray | None,
    near: np.ndarray | None,
) -> np.ndarray:
    del near  # closed form
    return _line(np.log10(x), errors, weights)


def _predict_log_linear(params: np.ndarray, x: np.ndarray) -> np.ndarray:
    return params[:, :1] + params[:, 1:2] * np.log10(x)


def _fit_m1(
    x: np.ndarray,
    errors: np.ndarray,
    weights: np.ndarray | None,
    near: np.ndarray | None,
) -> np.ndarray:
    del near  # closed form
    log_b, c = np.moveaxis(_line(np.log(x), np.log(errors), weights), -1, 0)
    return np.stack([np.exp(log_b), c], axis=1)


def _predict_m1(params: np.ndarray, x: np.ndarray) -> np.ndarray:
    return np.exp(_log(params[:, :1]) + params[:, 1:2] * np.log(x))


class _Form(NamedTuple):
    """What M2 to M4 give to the search that they share."""

    log_predict: LogPredict
    starts: Callable[[np.ndarray, np.ndarray], np.ndarray]  # log x [n], log y [n] -> theta [K, P]
    params: Callable[[np.ndarray, float], np.ndarray]  # theta of x / exp(centre) -> parameters of x
    theta: Callable[[np.ndarray, float], np.ndarray]  # the way back


def _search(
    form: _Form, log_x: np.ndarray, log_y: np.ndarray, root: np.ndarray | float
) -> np.ndarray:
    """[P]: the best of several searches for one curve; `root` multiplies its residuals."""
    return least_squares.search(
        lambda theta: root * form.log_predict(theta, log_x),
        form.starts(log_x, log_y),
        root * log_y,
    )


def _fit(
    form: _Form,
    x: np.ndarray,
    errors: np.ndarray,
    weights: np.ndarray | None,
    near: np.ndarray | None,
) -> np.ndarray:
    centre, root = float(np.log(x).mean()), _root(weights)
    log_x, log_y = np.log(x) - centre, np.log(errors)
    if near is None:
        found = np.stack([_search(form, log_x, row, root) for row in log_y])
    else:
        starts = np.repeat(form.theta(near[None], centre), len(log_y), axis=0)
        found, _ = least_squares.minimize(
            lambda theta: root * form.log_predict(theta, log_x), starts, root * log_y, _REFINE_STEPS
        )
    return form.params(found, centre)


def _predict(form: _Form, params: np.ndarray, x: np.ndarray) -> np.ndarray:
    return np.exp(form.log_predict(form.theta(params, 0.0), np.log(x)))


# M2: theta = log e_inf, log b, log -c


def _log_predict_m2(theta: np.ndarray, log_x: np.ndarray) -> np.ndarray:
    return np.logaddexp(theta[:, :1], theta[:, 1:2] - exponent(theta[:, 2:3]) * log_x)


def _starts_m2(log_x: np.ndarray, log_y: np.ndarray) -> np.ndarray:
    y = np.exp(log_y)
    e_inf = y.min() * np.array(
        [1e-4, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.995]
    )
    log_b, c = _line(log_x, np.log(y - e_inf[:, None])).T
    return np.stack([np.log(e_inf), log_b, _log_falling(c)], axis=1)


def _params_m2(theta: np.ndarray, centre: float) -> np.ndarray:
    c = -exponent(theta[:, 2])
    return np.stack([np.exp(theta[:, 0]), np.exp(theta[:, 1] - c * centre), c], axis=1)


def _theta_m2(params: np.ndarray, centre: float) -> np.ndarray:
    e_inf, b, c = params.T
    return np.stack([_log(e_inf), _log(b) + c * centre, _log(-c)], axis=1)


# M3: theta = log g, log b, log c


def _log_predict_m3(theta: np.ndarray, log_x: np.ndarray) -> np.ndarray:
    return theta[:, 1:2] + exponent(theta[:, 2:3]) * np.logaddexp(theta[:, :1], -log_x)


def _starts_m3(log_x: np.ndarray, log_y: np.ndarray) -> np.ndarray:
    log_g = -log_x.max() + np.log(10.0) * np.arange(-4, 4.5, 0.5)
    lines = np.stack([_line(np.logaddexp(value, -log_x), log_y) for value in log_g])
    return np.stack([log_g, lines[:, 0], _log_falling(-lines[:, 1])], axis=1)


def _params_m3(theta: np.ndarray, centre: float) -> np.ndarray:
    c = exponent(theta[:, 2])
    return np.stack([np.exp(theta[:, 0] - centre), np.exp(theta[:, 1] + c * centre), c], axis=1)


def _theta_m3(params: np.ndarray, centre: float) -> np.ndarray:
    g, b, c = params.T
    return np.stack([_log(g) + centre, _log(b) - c * centre, _log(c)], axis=1)


# M4: theta = log e_inf, log(e_0 - e_inf), log alpha, log b, log -c


def _log_share(log_odds: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """log t where log t - alpha log(1 - t) = log_odds, by Newton's method on the logit of t.

    The left side rises in the logit with a slope between min(1, alpha) and max(1, alpha) and bends
    one way, so that Newton's steps settle from either end.
    """
    logit = np.where(log_odds < 0, log_odds, log_odds / alpha)
    for _ in range(_NEWTON_STEPS):
        log_t, log_rest = -np.logaddexp(0, -logit), -np.logaddexp(0, logit)
        slope = np.exp(log_rest) + alpha * np.exp(log_t)
        step = np.clip((log_t - alpha * log_rest - log_odds) / slope, -20, 20)
        logit = logit - step
        if np.abs(step).max() < 1e-6:  # the step after it would be of its square
            break
    return -np.logaddexp(0, -logit)


def _log_predict_m4(theta: np.ndarray, log_x: np.ndarray) -> np.ndarray:
    alpha, log_range = exponent(theta[:, 2:3]), theta[:, 1:2]
    log_f = theta[:, 3:4] - exponent(theta[:, 4:5]) * log_x
    return np.logaddexp(
        theta[:, :1], log_range + _log_share(log_f + (alpha - 1) * log_range, alpha)
    )


def _starts_m4(log_x: np.ndarray, log_y: np.ndarray) -> np.ndarray:
    y = np.exp(log_y)
    grid = np.meshgrid(
        y.min() * np.array([1e-4, 0.3, 0.6, 0.8, 0.9, 0.97]),
        y.max() * np.array([1.003, 1.02, 1.1, 1.5, 3.0]),
        np.array([0.1, 0.5, 1.0, 2.0, 4.0]),
    )
    e_inf, e_0, alpha = (values.reshape(-1, 1) for values in grid)
    log_b, c = _line(log_x, np.log(y - e_inf) - alpha * np.log(e_0 - y)).T
    nonlinear = np.concatenate([np.log(e_inf), np.log(e_0 - e_inf), np.log(alpha)], axis=1)
    return np.concatenate([nonlinear, log_b[:, None], _log_falling(c)[:, None]], axis=1)


def _params_m4(theta: np.ndarray, centre: float) -> np.ndarray:
    e_inf, c = np.exp(theta[:, 0]), -exponent(theta[:, 4])
    e_0 = e_inf + np.exp(theta[:, 1])
    return np.stack(
        [e_inf, e_0, exponent(theta[:, 2]), np.exp(theta[:, 3] - c * centre), c], axis=1
    )


def _theta_m4(params: np.ndarray, centre: float) -> np.ndarray:
    e_inf, e_0, alpha, b, c = params.T
    return np.stack(
        [_log(e_inf), _log(e_0 - e_inf), _log(alpha), _log(b) + c * centre, _log(-c)], axis=1
    )


# BNSL, one break: theta = log a, log b, log c0, c1, log of the break, log f


def _log_predict_bnsl(theta: np.ndarray, log_x: np.ndarray) -> np.ndarray:
    log_a, log_b, log_c0, c1, log_d, log_f = (theta[:, i : i + 1] for i in range(6))
    f = np.exp(np.clip(log_f, -3.0, 2.0))
    bend = f * np.logaddexp(0, (log_x - log_d) / f)
    return np.logaddexp(log_a, log_b - exponent(log_c0) * log_x - c1 * bend)


def _starts_bnsl(log_x: np.ndarray, log_y: np.ndarray) -> np.ndarray:
    offset, log_b, log_c0 = _starts_m2(log_x, log_y)[::4].T  # without a break it is M2
    breaks = np.quantile(log_x, [0.2, 0.4, 0.6, 0.8])
    grid = np.meshgrid(np.arange(offset.size), breaks, [-0.1, 0.1, 0.5])
    row, log_d, c1 = (values.ravel() for values in grid)
    row = row.astype(int)
    return np.stack([offset[row], log_b[row], log_c0[row], c1, log_d, np.zeros(row.size)], axis=1)


def _params_bnsl(theta: np.ndarray, centre: float) -> np.ndarray:
    log_a, log_b, log_c0, c1, log_d, log_f = theta.T
    c0, f = exponent(log_c0), np.exp(np.clip(log_f, -3.0, 2.0))
    b, d = np.exp(log_b + c0 * centre), np.exp(log_d + centre)
    return np.stack([np.exp(log_a), b, c0, c1, d, f], axis=1)


def _theta_bnsl(params: np.ndarray, centre: float) -> np.ndarray:
    a, b, c0, c1, d, f = params.T
    columns = [_log(a), _log(b) - c0 * centre, _log(c0), c1, _log(d) - centre, _log(f)]
    return np.stack(columns, axis=1)


_M2 = _Form(_log_predict_m2, _starts_m2, _params_m2, _theta_m2)
_M3 = _Form(_log_predict_m3, _starts_m3, _params_m3, _theta_m3)
_M4 = _Form(_log_predict_m4, _starts_m4, _params_m4, _theta_m4)
_BNSL = _Form(_log_predict_bnsl, _starts_bnsl, _params_bnsl, _theta_bnsl)

_SUN = "Sun et al. 2017, arXiv:1707.02968"
_ALABDULMOHSIN = "Alabdulmohsin et al. 2022, arXiv:2209.06640"
_CABALLERO = "Caballero et al. 2022, arXiv:2210.14891"

# Each with what `fit` does.
_ROWS = (
    (
        Law("log_linear", "y = a + k log10(x)", ("a", "k"), _SUN, _predict_log_linear),
        _fit_log_linear,
    ),
    (Law("M1", "y = b x^c", ("b", "c"), _ALABDULMOHSIN, _predict_m1), _fit_m1),
    (
        Law("M2", "y = e_inf + b x^c", ("e_inf", "b", "c"), _ALABDULMOHSIN, partial(_predict, _M2)),
        partial(_fit, _M2),
    ),
    (
        Law("M3", "y = b (1/x + g)^c", ("g", "b", "c"), _ALABDULMOHSIN, partial(_predict, _M3)),
        partial(_fit, _M3),
    ),
    (
        Law(
            "M4",
            "(y - e_inf) / (e_0 - y)^alpha = b x^c",
            ("e_inf", "e_0", "alpha", "b", "c"),
            _ALABDULMOHSIN,
            partial(_predict, _M4),
        ),
        partial(_fit, _M4),
    ),
    (
        Law(
            "BNSL",
            "y = a + b x^-c0 (1 + (x/d)^(1/f))^(-c1 f)",
            ("a", "b", "c0", "c1", "d", "f"),
            _CABALLERO,
            partial(_predict, _BNSL),
        ),
        partial(_fit, _BNSL),
    ),
)
LAWS: dict[str, Law] = {law.name: law for law, _ in _ROWS}
_FITS: dict[str, Callable[..., np.ndarray]] = {law.name: fitted for law, fitted in _ROWS}


def fit(
    law: Law,
    x: np.ndarray,
    errors: np.ndarray,
    weights: np.ndarray | None = None,
    near: np.ndarray | None = None,
) -> np.ndarray:
    """Fits one of LAWS to R curves over the same sizes.

    Args:
      law: one of LAWS.
      x: [n] sizes.
      errors: [R, n].
      weights: [n] of the points; all weigh alike without.
      near: [P] parameters to start from; the law's own starts without.

    Returns:
      [R, P] parameters.
    """
    return _FITS[law.name](x, errors, weights, near)


def log_errors(predicted: np.ndarray, observed: np.ndarray) -> np.ndarray:
    """log(predicted) - log(observed); a line that has fallen below zero error counts as a
    thousandth of what was seen."""
    return np.log(np.maximum(predicted, 1e-3 * observed)) - np.log(observed)


def score(law: Law, params: np.ndarray, x: np.ndarray, errors: np.ndarray) -> np.ndarray:
    """[R] root mean squared log error of params [R, P] at points x [m], errors [m]: the benchmark's
    score."""
    return np.sqrt((log_errors(law.predict(params, x), errors) ** 2).mean(axis=1))
