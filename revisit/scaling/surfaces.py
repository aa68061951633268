"""One surface for curves of several model sizes: error against data size n and model size m.

Rosenfeld, Rosenfeld, Belinkov and Shavit, "A Constructive Prediction of the Generalization Error
Across Scales", 2020 (arXiv:1909.12673), equations 5 and 6: a power law in each, their sum and a
floor, and, where small sizes come near to guessing, what keeps it below the guess e_0 (their eta
only scales the others: it is e_0 here).

Fitted by least squares of log error, and chosen between the two by extrapolation to the largest
data. A slice of the surface at one model size is a law like any other.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from revisit.errors import UserError
from revisit.scaling import intervals, least_squares
from revisit.scaling.curves import Curve
from revisit.scaling.intervals import Draws, Drift, Noise
from revisit.scaling.laws import Law, exponent, log_errors
from revisit.scaling.selection import CurveFit, Extrapolation, LawFit, Trend, held_out_score
from revisit.scaling.tables import Answer

SURFACE = "surface"
MIN_SIZES = 3  # of data and of models: two can't tell a power from a floor
_REFINE_STEPS = 10
_SMALLEST = 1e-300
_CITATION = "Rosenfeld et al. 2020, arXiv:1909.12673"


class Points(NamedTuple):
    """n points: data sizes, model sizes and errors, [n] each."""

    data: np.ndarray
    models: np.ndarray
    errors: np.ndarray

    @property
    def cells(self) -> np.ndarray:
        """[n] number of each point's pair of sizes."""
        pairs = np.stack([self.data, self.models], axis=1)
        return np.unique(pairs, axis=0, return_inverse=True)[1].ravel()

    def where(self, kept: np.ndarray) -> "Points":
        """The points of a mask [n]."""
        return Points(self.data[kept], self.models[kept], self.errors[kept])


class Form(NamedTuple):
    """A shape of surface. theta [R, P]: its parameters' logarithms, for centred log sizes.

    log_predict(theta, log n [k], log m [k]) -> log errors [R, k]; starts(log errors [k]) -> [K, P].
    """

    formula: str
    params: tuple[str, ...]
    log_predict: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
    starts: Callable[[np.ndarray], np.ndarray]


def _log_sum(theta: np.ndarray, log_n: np.ndarray, log_m: np.ndarray) -> np.ndarray:
    data = theta[:, 0:1] - exponent(theta[:, 1:2]) * log_n
    model = theta[:, 2:3] - exponent(theta[:, 3:4]) * log_m
    return np.logaddexp(np.logaddexp(data, model), theta[:, 4:5])


def _log_guessing(theta: np.ndarray, log_n: np.ndarray, log_m: np.ndarray) -> np.ndarray:
    inner = _log_sum(theta, log_n, log_m)
    return inner - 0.5 * np.logaddexp(0, 2 * (inner - theta[:, 5:6]))


def _starts_sum(log_y: np.ndarray) -> np.ndarray:
    grid = np.meshgrid([0.1, 0.3, 0.8], [0.1, 0.3, 0.8], [1e-3, 0.3, 0.7], [0.2, 0.5, 0.8])
    alpha, beta, floor, share = (values.ravel() for values in grid)
    floor = floor * np.exp(log_y.min())
    rest = np.exp(log_y.mean()) - floor
    return np.log(np.stack([share * rest, alpha, (1 - share) * rest, beta, floor], axis=1))


def _starts_guessing(log_y: np.ndarray) -> np.ndarray:
    starts = _starts_sum(log_y)
    guesses = log_y.max() + np.log([1.02, 1.3, 3.0])
    return np.concatenate([np.column_stack([starts, np.full(len(starts), g)]) for g in guesses])


_SUM = ("a", "alpha", "b", "beta", "c")
FORMS = (
    Form("y = a n^-alpha + b m^-beta + c", _SUM, _log_sum, _starts_sum),
    Form(
        "y = s / sqrt(1 + (s / e_0)^2), s = a n^-alpha + b m^-beta + c",
        (*_SUM, "e_0"),
        _log_guessing,
        _starts_guessing,
    ),
)


class Surface(NamedTuple):
    """A fitted form. params: [P] of plain sizes. draws: [R, P]. noise, scales: as in
    intervals.Draws. extrapolation: to the largest data, fitted to the rest. ends: the smallest and
    the largest data size that were measured."""

    form: Form
    params: np.ndarray
    draws: np.ndarray
    noise: Noise
    scales: np.ndarray
    extrapolation: Extrapolation
    ends: tuple[float, float]


def _params(theta: np.ndarray, log_n: float, log_m: float) -> np.ndarray:
    """theta [R, P] of sizes centred at log_n and log_m -> parameters of plain sizes."""
    params = np.exp(theta)
    params[:, 1], params[:, 3] = exponent(theta[:, 1]), exponent(theta[:, 3])
    params[:, 0] *= np.exp(params[:, 1] * log_n)
    params[:, 2] *= np.exp(params[:, 3] * log_m)
    return params


def _predict(
    params: np.ndarray, x: np.ndarray, form: Form, model: float | np.ndarray
) -> np.ndarray:
    """[R, k] errors at data sizes x [k] and one model size, or one for each."""
    log_m = np.broadcast_to(np.log(model), x.shape)
    return np.exp(form.log_predict(np.log(np.maximum(params, _SMALLEST)), np.log(x), log_m))


class _Fitting(NamedTuple):
    """The search for one form on some points."""

    form: Form
    points: Points

    @property
    def centres(self) -> tuple[float, float]:
        return float(np.log(self.points.data).mean()), float(np.log(self.points.models).mean())

    def log_predict(self, theta: np.ndarray) -> np.ndarray:
        log_n, log_m = self.centres
        data, models = np.log(self.points.data), np.log(self.points.models)
        return self.form.log_predict(theta, data - log_n, models - log_m)

    def best(self) -> np.ndarray:
        """theta [P]."""
        log_y = np.log(self.points.errors)
        return least_squares.search(self.log_predict, self.form.starts(log_y), log_y)


def _extrapolate(form: Form, points: Points) -> Extrapolation:
    largest = points.data.max()
    near, far = points.where(points.data < largest), points.where(points.data == largest)
    fitting = _Fitting(form, near)
    params = _params(fitting.best()[None], *fitting.centres)
    predicted = _predict(params, far.data, form, far.models)[0]
    score = float(np.sqrt((log_errors(predicted, far.errors) ** 2).mean()))
    return Extrapolation(score, score / float(np.log(largest / near.data.max())))


def _candidates(points: Points) -> list[Form]:
    """Forms that the points without the largest data overdetermine."""
    near = points.where(points.data < points.data.max())
    num_cells = np.unique(near.cells).size
    return [form for form in FORMS if num_cells > len(form.params)]


def refusal(points: Points) -> str:
    """Why no surface can be fitted; empty if one can."""
    counts = {"data": np.unique(points.data).size, "model": np.unique(points.models).size}
    few = [name for name, count in counts.items() if count < MIN_SIZES]
    if few:
        return f"{counts[few[0]]} {few[0]} sizes: a surface needs at least {MIN_SIZES}"
    if not np.isfinite(points.errors).all() or points.errors.min() <= 0:
        return "every error must be a number above 0"
    if not _candidates(points):
        return f"{np.unique(points.cells).size} pairs of sizes are too few for a surface"
    return ""


def fit_surface(points: Points, num_draws: int = intervals.NUM_DRAWS, seed: int = 0) -> Surface:
    """Fits the form that extrapolates best to all points, which must not be refused."""
    scores = {form: _extrapolate(form, points) for form in _candidates(points)}
    form = min(scores, key=lambda each: scores[each].score)
    fitting = _Fitting(form, points)
    theta = fitting.best()
    centre = fitting.log_predict(theta[None])
    cells = points.cells
    alike = np.ones(points.data.size)
    strays = np.log(points.errors) - centre[0]
    noise = intervals.estimate_noise(strays, cells, alike, len(form.params))
    factors, scales = intervals.draw_factors(noise, cells, alike, num_draws, seed)
    starts = np.repeat(theta[None], num_draws, axis=0)
    drawn, _ = least_squares.minimize(
        fitting.log_predict, starts, centre + np.log(factors), _REFINE_STEPS
    )
    return Surface(
        form,
        _params(theta[None], *fitting.centres)[0],
        _params(drawn, *fitting.centres),
        noise,
        scales,
        scores[form],
        (float(points.data.min()), float(points.data.max())),
    )


def slice_at(surface: Surface, model: float, curve: Curve) -> LawFit:
    """The surface at one model size, as a law of the data size; scored on the curve's held-out
    points."""
    form = surface.form
    predict = partial(_predict, form=form, model=model)
    law = Law(SURFACE, f"{form.formula}, m = {model:g}", form.params, _CITATION, predict)
    drift = Drift(surface.extrapolation.rate, surface.ends[1])
    draws = Draws(law, surface.draws, surface.noise, surface.scales, 0, drift)
    score = held_out_score(law, surface.params, curve)
    return LawFit(law, surface.params, draws, surface.extrapolation.score, score)


def foresee(surface: Surface, model: float, group: Sequence[str]) -> CurveFit:
    """The curve of a model size that need not have been measured, by the surface alone; its trend
    is that beyond the largest data."""
    x, unknown = np.array(surface.ends), np.full(2, np.nan)
    curve = Curve((*group, f"{model:g}"), x, unknown, np.zeros(2, bool))
    law_fit = slice_at(surface, model, curve)
    decade = np.array([x[1], 10 * x[1]])
    gain = np.diff(law_fit.law.predict(law_fit.params[None], decade))[0, 0]
    low, high = intervals.bounds(np.diff(law_fit.draws.predict(decade))[:, 0])
    trend = Trend(float(gain), float(low), float(high))
    return CurveFit(curve, SURFACE, {SURFACE: law_fit}, (), trend, ())


def join_points(curves: Sequence[Curve], models: Sequence[float]) -> Points:
    """The points to fit of curves, each of one model size."""
    data = [curve.x[curve.fit] for curve in curves]
    sizes = [np.full(x.size, model) for x, model in zip(data, models, strict=True)]
    errors = [curve.errors[curve.fit] for curve in curves]
    return Points(*(np.concatenate(column) for column in (data, sizes, errors)))


def add_surfaces(
    answers: Sequence[Answer], asked_models: Sequence[float]
) -> tuple[list[Answer], tuple[str, ...]]:
    """Adds to each fitted curve, whose group ends in its model size, the surface's slice as a law.

    Args:
      answers: of a table's curves.
      asked_models: model sizes whose curves the surface foresees; appended to each group.

    Returns:
      The answers, and why groups got no surface.

    Raises:
      UserError: a model size is no number above 0.
    """
    groups: dict[tuple[str, ...], list[Answer]] = {}
    for answer in answers:
        groups.setdefault(answer.curve.group[:-1], []).append(answer)
    added: list[Answer] = []
    refused = []
    for group, members in groups.items():
        models = [_model_size(answer.curve) for answer in members]
        points = join_points([answer.curve for answer in members], models)
        reason = refusal(points)
        if reason:
            refused.append(f"no surface for {', '.join(group) or 'all points'}: {reason}")
            added += members
            continue
        surface = fit_surface(points)
        added += [_with_slice(*each, surface) for each in zip(members, models, strict=True)]
        foreseen = [foresee(surface, model, group) for model in asked_models]
        added += [Answer(fit.curve, fit, "", members[0].asked) for fit in foreseen]
    return added, tuple(refused)


def _model_size(curve: Curve) -> float:
    try:
        size = float(curve.group[-1])
    except ValueError:
        size = 0.0
    if not 0 < size < float("inf"):
        raise UserError(f"--model_size: {curve.group[-1]!r} is no number above 0")
    return size


def _with_slice(answer: Answer, model: float, surface: Surface) -> Answer:
    if answer.fit is None:
        return answer
    law_fit = slice_at(surface, model, answer.curve)
    return answer._replace(fit=answer.fit._replace(laws={**answer.fit.laws, SURFACE: law_fit}))
