"""Intervals hold what they promise, and the choice among laws sees no more than it may."""

import numpy as np
import pytest

from revisit.scaling import intervals, selection
from revisit.scaling.curves import make_curve, refusal
from revisit.scaling.laws import LAWS
from revisit.scaling.trust import fit_law

M1 = LAWS["M1"]
TRUE = np.array([[0.9, -0.2]])


def _noisy(sizes, num_seeds, std, random, law=M1, params=TRUE):
    x = np.repeat(np.asarray(sizes, float), num_seeds)
    return x, law.predict(params, x)[0] * np.exp(random.normal(0, std, x.size))


def _share_inside(sizes, num_seeds, num_trials, at, bounds):
    random = np.random.default_rng(1)
    inside = []
    for _ in range(num_trials):
        x, errors = _noisy(sizes, num_seeds, 0.03, random)
        draws = intervals.bootstrap(M1, fit_law(M1, x, errors), x, errors, num_draws=200)
        low, high = bounds(draws, np.array([at]))
        new = _noisy([at], 1, 0.03 if bounds is intervals.point_bounds else 0, random)[1]
        inside.append(low[0] <= new[0] <= high[0])
    return np.mean(inside)


@pytest.mark.parametrize(("sizes", "num_seeds"), [
    ((100, 300, 900), 2), ((100, 300, 900), 1), (np.geomspace(1e3, 1e6, 8), 1),
    (np.geomspace(1e3, 1e6, 5), 4),
])  # fmt: skip
@pytest.mark.parametrize("bounds", [intervals.curve_bounds, intervals.point_bounds])
def test_80_percent_intervals_hold_the_truth_about_80_percent_of_the_time(sizes, num_seeds, bounds):
    share = _share_inside(sizes, num_seeds, 200, 3 * sizes[-1], bounds)
    assert 0.7 <= share <= 0.92


def test_the_same_seed_gives_the_same_interval():
    x, errors = _noisy([10, 100, 1000], 2, 0.02, np.random.default_rng(0))
    fitted = fit_law(M1, x, errors)
    first, again, other = (
        intervals.curve_bounds(intervals.bootstrap(M1, fitted, x, errors, seed=seed), x)
        for seed in (3, 3, 4)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def _noise_around_m1(x, errors):
    fitted = fit_law(M1, x, errors)
    strays = np.log(errors / M1.predict(fitted.params[None], x)[0])
    return intervals.estimate_noise(strays, x, fitted.weights, M1.num_params)


@pytest.mark.parametrize(
    ("sizes", "num_seeds"), [((1e2, 1e3, 1e4), 2), (np.geomspace(10, 1e6, 6), 1)]
)
def test_the_interval_of_the_slope_holds_it_about_80_percent_of_the_time(sizes, num_seeds):
    random = np.random.default_rng(1)
    x = np.repeat(np.asarray(sizes, float), num_seeds)
    inside = []
    for _ in range(200):
        trend = selection.fit_trend(x, 0.9 - 0.1 * np.log10(x) + random.normal(0, 0.02, x.size))
        inside.append(trend.low <= -0.1 <= trend.high)
    assert 0.7 <= np.mean(inside) <= 0.92


def test_the_slope_of_a_curve_over_nine_decades_is_told():
    x = np.geomspace(10, 1e10, 12)
    assert selection.fit_trend(x, 2 + 30 * x**-0.3).high < 0
    assert selection.fit_trend(x, np.full(12, 0.5)) == (0, 0, 0)


def test_noise_between_seeds_and_a_law_that_does_not_fit_are_told_apart():
    random = np.random.default_rng(0)
    x, errors = _noisy(np.geomspace(10, 1e5, 20), 10, 0.05, random)
    noise = _noise_around_m1(x, errors)
    assert np.sqrt((noise.seeds**2).mean()) == pytest.approx(0.05, rel=0.15)
    assert np.sqrt((noise.sizes**2).mean()) < 0.02

    strayed = errors * np.exp(np.repeat(random.normal(0, 0.1, 20), 10))
    noise = _noise_around_m1(x, strayed)
    assert np.sqrt((noise.seeds**2).mean()) == pytest.approx(0.05, rel=0.15)
    assert np.sqrt((noise.sizes**2).mean()) > 0.02


def test_intervals_widen_beyond_the_points():
    x, errors = _noisy(np.geomspace(10, 1e4, 6), 2, 0.02, np.random.default_rng(0))
    fit = selection.fit_curve(make_curve(x, errors))
    low, high = intervals.curve_bounds(fit.best.draws, np.array([1e3, 1e5, 1e6]))
    assert np.all(np.diff(np.log(high / low)) > 0)


def test_the_law_that_made_the_points_is_chosen_or_not_told_apart():
    params = np.array([[0.25, 3.0, -0.6]])
    random = np.random.default_rng(0)
    x, errors = _noisy(np.geomspace(10, 1e5, 12), 3, 0.005, random, LAWS["M2"], params)
    fit = selection.fit_curve(make_curve(x, errors))
    assert "M2" in (fit.chosen, *fit.rivals)
    assert not {"M1", "log_linear"} & {fit.chosen, *fit.rivals}


def test_three_sizes_hold_only_laws_of_two_parameters_and_it_says_so():
    x, errors = _noisy([10, 100, 1000], 2, 0.02, np.random.default_rng(0))
    fit = selection.fit_curve(make_curve(x, errors))
    assert set(fit.laws) - {"combined"} == {"log_linear", "M1"}
    assert "3 sizes are too few for M2, M3, M4, BNSL: left out" in fit.notes


def test_one_seed_a_size_tells_no_two_parameter_laws_apart_on_three_sizes():
    x, errors = _noisy([10, 100, 1000], 1, 0.02, np.random.default_rng(0))
    fit = selection.fit_curve(make_curve(x, errors))
    assert (fit.chosen, set(fit.rivals)) == ("combined", {"log_linear", "M1"})


def test_held_out_points_have_no_part_in_fit_and_choice():
    x, errors = _noisy(np.geomspace(10, 1e5, 9), 1, 0.02, np.random.default_rng(0))
    curve = make_curve(x, errors)._replace(fit=x < 1e4)
    other = curve._replace(errors=np.where(curve.fit, errors, 0.001))
    first, second = selection.fit_curve(curve), selection.fit_curve(other)
    assert first.chosen == second.chosen
    np.testing.assert_array_equal(first.best.params, second.best.params)
    assert first.best.score < second.best.score


def test_flat_points_show_no_trend_and_are_still_reported():
    random = np.random.default_rng(0)
    x = np.repeat([100.0, 1e3, 1e4], 3)
    fit = selection.fit_curve(make_curve(x, 0.5 * np.exp(random.normal(0, 0.02, x.size))))
    assert not fit.trend.seen
    assert "no trend seen: the slope's 80% interval holds 0" in fit.notes
    assert np.isfinite(fit.best.params).all()


def test_a_curve_that_is_not_monotone_is_said_to_be():
    fit = selection.fit_curve(make_curve([10, 100, 1000, 1e4], [0.5, 0.3, 0.32, 0.2]))
    assert "not monotone: the error rises at 1 of 3 steps in size" in fit.notes


def test_an_error_that_rises_is_said_to():
    fit = selection.fit_curve(make_curve([10, 100, 1000, 1e4], [0.1, 0.21, 0.29, 0.4]))
    assert "the error rises with data" in fit.notes


@pytest.mark.parametrize(("x", "errors", "reason"), [
    ([10, 10, 10], [0.1, 0.2, 0.3], "1 different size (10): a law needs at least 3"),
    ([10, 20, 20], [0.1, 0.2, 0.3], "2 different sizes (10, 20): a law needs at least 3"),
    ([10, 20, 30], [0.1, np.nan, 0.3], "1 of 3 values are not finite numbers"),
    ([10, 20, 30], [0.1, 0.0, 0.3], "an error of 0: the laws are about log error"),
    ([10, 20, 30], [0.3, 20.0, 0.1], "the error 20 at size 20 is 67 times that of a size no"),
    ([10, 20, 20], [0.3, 0.2, 20], "2 different sizes (10, 20)"),
    ([10, 20, 30], [0.3, 0.2, 0.1], ""),
])  # fmt: skip
def test_curves_that_hold_no_law_are_refused_with_the_reason(x, errors, reason):
    found = refusal(make_curve(x, errors))
    assert found.startswith(reason)
    assert bool(found) == bool(reason)


def test_the_size_for_a_target():
    x = np.array([10.0, 100.0, 1000.0])
    params = np.array([[1.0, -0.5]])
    assert intervals.sizes_for(M1, params, 0.01, x)[0] == pytest.approx(1e4, rel=0.02)
    floor = np.array([[0.2, 1.0, -0.5]])
    assert intervals.sizes_for(LAWS["M2"], floor, 0.1, x)[0] == np.inf
