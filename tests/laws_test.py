"""The laws: each recovers its own parameters, at any scale, and scores as published."""

import csv
from collections import defaultdict

import numpy as np
import pytest

from revisit.scaling import intervals, laws
from revisit.scaling.curves import Curve
from revisit.scaling.selection import fit_curves
from revisit.scaling.trust import estimate_noise, fit_law

# Parameters of curves over sizes near 1 (scaled below), in the order of each law's `params`.
TRUE_PARAMS = {
    "log_linear": (0.8, -0.12),
    "M1": (0.9, -0.25),
    "M2": (0.2, 0.7, -0.5),
    "M3": (0.002, 3.0, 0.35),
    "M4": (0.15, 0.9, 0.6, 3.0, -0.6),
    "BNSL": (0.1, 3.0, 0.3, 0.4, 500.0, 0.5),
}
SIZES = np.geomspace(10, 1e4, 12)


def test_every_law_is_tested():
    assert set(TRUE_PARAMS) == set(laws.LAWS)
    for name, law in laws.LAWS.items():
        assert law.num_params == len(TRUE_PARAMS[name]) == len(law.params)


@pytest.mark.parametrize("name", TRUE_PARAMS)
def test_recovers_the_parameters_that_made_the_points(name):
    law = laws.LAWS[name]
    true = np.array([TRUE_PARAMS[name]])
    found = laws.fit(law, SIZES, law.predict(true, SIZES))
    np.testing.assert_allclose(found, true, rtol=5e-3)
    assert laws.score(law, found, SIZES * 100, law.predict(true, SIZES * 100)[0])[0] < 2e-3


def test_predictions_are_the_formulas():
    x = np.array([10.0, 1e3, 1e6])
    predict = {
        name: laws.LAWS[name].predict(np.array([p]), x)[0] for name, p in TRUE_PARAMS.items()
    }
    np.testing.assert_allclose(predict["log_linear"], [0.68, 0.44, 0.08])
    np.testing.assert_allclose(predict["M1"], 0.9 * x**-0.25)
    np.testing.assert_allclose(predict["M2"], 0.2 + 0.7 * x**-0.5)
    np.testing.assert_allclose(predict["M3"], 3.0 * (1 / x + 0.002) ** 0.35)
    y = predict["M4"]  # an implicit law: its own equation holds
    np.testing.assert_allclose((y - 0.15) / (0.9 - y) ** 0.6, 3.0 * x**-0.6, rtol=1e-6)


@pytest.mark.parametrize("name", ["M1", "M2", "M3", "M4"])
@pytest.mark.parametrize("unit", [1e-9, 1e6])
@pytest.mark.parametrize("percent", [1.0, 100.0])
def test_units_of_size_and_error_do_not_matter(name, unit, percent):
    law = laws.LAWS[name]
    errors = law.predict(np.array([TRUE_PARAMS[name]]), SIZES) * percent
    found = laws.fit(law, SIZES * unit, errors)
    ahead = law.predict(np.array([TRUE_PARAMS[name]]), SIZES[-1:] * 50)[0] * percent
    np.testing.assert_allclose(law.predict(found, SIZES[-1:] * unit * 50)[0], ahead, rtol=2e-3)


@pytest.mark.parametrize("name", TRUE_PARAMS)
def test_many_curves_at_once_are_fitted_as_one_by_one(name):
    law = laws.LAWS[name]
    noise = np.random.default_rng(0).normal(0, 0.01, (3, SIZES.size))
    errors = law.predict(np.array([TRUE_PARAMS[name]]), SIZES) * np.exp(noise)
    together = laws.fit(law, SIZES, errors)
    alone = np.concatenate([laws.fit(law, SIZES, row[None]) for row in errors])
    np.testing.assert_allclose(together, alone, rtol=1e-6)


def test_noise_is_told_from_a_smooth_curve():
    x = np.geomspace(10, 1e6, 400)
    smooth = laws.LAWS["M2"].predict(np.array([TRUE_PARAMS["M2"]]), x)[0]
    noisy = smooth * np.exp(np.random.default_rng(0).normal(0, 0.03, x.size))
    assert estimate_noise(x, smooth).variance < 1e-8
    assert np.sqrt(estimate_noise(x, noisy).variance) == pytest.approx(0.03, rel=0.1)


@pytest.mark.parametrize(("num_sizes", "num_seeds"), [(3, 1), (4, 1), (6, 1), (5, 3), (2, 4)])
def test_noise_of_few_points_is_right_on_average(num_sizes, num_seeds):
    x = np.repeat(np.geomspace(100, 1e5, num_sizes), num_seeds)
    power = laws.LAWS["M1"].predict(np.array([TRUE_PARAMS["M1"]]), x)[0]
    drawn = power * np.exp(np.random.default_rng(0).normal(0, 0.03, (600, x.size)))
    found = np.array([estimate_noise(x, errors).variance for errors in drawn])
    assert np.sqrt(found.mean()) == pytest.approx(0.03, rel=0.06)
    assert estimate_noise(x, power).variance < 1e-20
    # A sum of squares over its expectation has a variance of 2 / degrees of freedom.
    spread = found.var() / found.mean() ** 2
    assert estimate_noise(x, power).degrees == pytest.approx(2 / spread, rel=0.2)


def test_a_bend_between_few_sizes_is_no_noise():
    x = np.geomspace(100, 1e6, 12)
    bent = laws.LAWS["M2"].predict(np.array([TRUE_PARAMS["M2"]]), x)[0]
    log_y = np.log(bent)
    lines = (log_y[:-2] + log_y[2:]) / 2 - log_y[1:-1]
    assert estimate_noise(x, bent).variance < 0.01 * np.mean(lines**2) / 1.5


def test_noise_does_not_depend_on_the_unit_of_the_sizes():
    x = np.array([10.0, 13.0, 40.0, 40.0, 41.0, 300.0, 900.0, 1000.0])
    errors = np.array([0.9, 0.8, 0.6, 0.65, 0.6, 0.3, 0.2, 0.21])
    assert estimate_noise(x * 1e6, errors).variance == pytest.approx(
        estimate_noise(x, errors).variance
    )


def test_small_sizes_count_less_only_where_they_stray_from_the_law():
    x = np.repeat(np.geomspace(10, 1e6, 100), 2)
    power = laws.LAWS["M1"].predict(np.array([TRUE_PARAMS["M1"]]), x)[0]
    evenly = [
        fit_law(laws.LAWS["M1"], x, power * np.exp(noise))
        for noise in np.random.default_rng(0).normal(0, 0.02, (20, x.size))
    ]
    assert np.mean([fitted.weights.min() == 1.0 for fitted in evenly]) >= 0.7
    early = power * np.where(x < 100, 2.0, 1.0)
    fitted = fit_law(laws.LAWS["M1"], x, early)
    assert fitted.weights.min() < 1e-4
    np.testing.assert_allclose(fitted.params, TRUE_PARAMS["M1"], rtol=0.1)


def test_a_straight_line_below_zero_scores_badly_but_finitely():
    line = laws.LAWS["log_linear"]
    score = laws.score(line, np.array([[0.8, -0.2]]), np.array([1e6]), np.array([0.1]))
    np.testing.assert_allclose(score, [np.log(1000)])


def _curves(path):
    curves = defaultdict(list)
    with open(path, newline="") as file:
        for row in csv.DictReader(file):
            key = row["Domain"], row["Task"], row["Model"]
            point = float(row["Seen Examples"]), float(row["Loss"]), row["Training"] == "1"
            curves[key].append(point)
    return {key: [np.array(column) for column in zip(*points, strict=True)]
            for key, points in curves.items()}  # fmt: skip


# Mean RMS log error of extrapolation by domain of M1 to M4, as their released code gives it
# (reference_run.csv beside the data). Where a mean here is higher, the released one stands beside
# it: on BB the released search of M3 ends before its optimum, as the test below measures. Every
# point of LM stands four times in the file; rows that repeat count once in revisit.fit: "LM once".
RELEASED = {
    "IC": (0.1316, 0.0958, 0.0735, 0.0512),
    "NMT": (0.2217, 0.0341, 0.0471, 0.0208),
    "LM": (0.0140, 0.0010, 0.0023, 0.0009),
    "LM once": (0.0140, 0.0011, 0.0024, 0.0009),  # M2: 0.0010, M3: 0.0023 released
    "BB": (0.0148, 0.0148, 0.0118, 0.0123),  # M3: 0.0087 released
}


@pytest.mark.parametrize(("domain", "file"), [
    ("IC", "benchmark.vision.csv"), ("NMT", "benchmark.lang.csv"),
    ("LM", "benchmark.lang.csv"), ("LM once", "benchmark.lang.csv"),
    ("BB", "benchmark.lang.csv"),
])  # fmt: skip
def test_extrapolates_as_well_as_published(shared_data, domain, file):
    curves = _curves(shared_data("09_scaling-curves", file))
    scores = defaultdict(list)
    for (found_domain, _, _), points in curves.items():
        if found_domain == domain.removesuffix(" once"):
            x, y, fit = np.unique(points, axis=1) if "once" in domain else points
            fit = fit.astype(bool)
            for name in ("M1", "M2", "M3", "M4"):
                params = fit_law(laws.LAWS[name], x[fit], y[fit]).params
                scores[name].append(laws.score(laws.LAWS[name], params[None], x[~fit], y[~fit])[0])
    for (name, values), released in zip(scores.items(), RELEASED[domain], strict=True):
        assert round(float(np.mean(values)), 4) <= released, name


def test_no_fit_of_m3_is_worse_than_where_the_released_search_ends(shared_data):
    curves = _curves(shared_data("09_scaling-curves", "benchmark.lang.csv"))
    with open(shared_data("09_scaling-curves", "reference_run.csv"), newline="") as file:
        rows = [
            row for row in csv.DictReader(file) if (row["domain"], row["estimator"]) == ("BB", "M3")
        ]
    ratios = []
    for row in rows:
        x, y, fit = curves["BB", row["task"], row["model"]]
        x, y = x[fit], y[fit]
        # The best that the released exponent allows: g on a grid, b in closed form.
        residuals = np.log(y) - float(row["c"]) * np.log(1 / x + np.logspace(-26, 0, 2000)[:, None])
        released = residuals.var(axis=1).min() * x.size
        params = laws.fit(laws.LAWS["M3"], x, y[None])
        found = (laws.log_errors(laws.LAWS["M3"].predict(params, x)[0], y) ** 2).sum()
        ratios.append(released / found)
    assert min(ratios) > 0.999
    assert sum(ratio > 1.5 for ratio in ratios) == 3


@pytest.mark.slow
def test_the_chosen_law_beats_every_single_one_and_its_intervals_hold(shared_data):
    curves = _curves(shared_data("09_scaling-curves", "benchmark.vision.csv"))
    fits = fit_curves([Curve(key, *columns) for key, columns in curves.items()], num_draws=200)
    scores, inside = defaultdict(list), []
    for fit, (x, y, fitted) in zip(fits, curves.values(), strict=True):
        scores["chosen"].append(fit.best.score)
        for name in laws.LAWS:
            if name in fit.laws:
                scores[name].append(fit.laws[name].score)
        low, high = intervals.point_bounds(fit.best.draws, x[~fitted])
        inside.append(np.mean((low <= y[~fitted]) & (y[~fitted] <= high)))
    means = {name: np.mean(values) for name, values in scores.items()}
    assert means.pop("chosen") < min(means.values())
    assert 0.7 <= np.mean(inside) <= 0.92
