"""The joint surface of data and model size: the parameters and the points that made it."""

import csv
import json
import subprocess
import sys

import numpy as np
import pytest

from revisit.scaling import intervals, surfaces
from revisit.scaling.curves import make_curve
from revisit.scaling.surfaces import Points

DATA, MODELS = np.geomspace(1e3, 1e6, 6), np.geomspace(1e5, 1e8, 4)


def _true(n, m):
    return 3.0 * n**-0.35 + 40.0 * m**-0.45 + 0.1


def _true_near_guessing(n, m):
    inner = 20.0 * n**-0.35 + 40.0 * m**-0.45 + 0.1
    return inner / np.sqrt(1 + (inner / 0.9) ** 2)


def _points(true, std, seed=0, num_seeds=2):
    n, m = (np.repeat(values.ravel(), num_seeds) for values in np.meshgrid(DATA, MODELS))
    noise = np.random.default_rng(seed).normal(0, std, n.size)
    return Points(n, m, true(n, m) * np.exp(noise))


def _predict(surface, n, m):
    law_fit = surfaces.slice_at(surface, m, make_curve([], []))
    return law_fit, law_fit.law.predict(law_fit.params[None], np.array([float(n)]))[0, 0]


def test_recovers_the_parameters_that_made_the_points():
    surface = surfaces.fit_surface(_points(_true, 0.0), num_draws=10)
    found = dict(zip(surface.form.params, surface.params, strict=True))
    true = {"a": 3.0, "alpha": 0.35, "b": 40.0, "beta": 0.45, "c": 0.1}
    assert {name: found[name] for name in true} == pytest.approx(true, rel=0.02)


def test_a_surface_that_levels_off_at_guessing_is_told():
    surface = surfaces.fit_surface(_points(_true_near_guessing, 0.002), num_draws=10)
    assert surface.form.params[-1] == "e_0"
    assert surface.params[-1] == pytest.approx(0.9, rel=0.02)
    for n, m in ((1e7, 1e8), (1e6, 1e9), (10, 1e5)):
        assert _predict(surface, n, m)[1] == pytest.approx(_true_near_guessing(n, m), rel=0.05)


def test_80_percent_intervals_hold_the_truth_about_80_percent_of_the_time():
    inside = []
    for seed in range(60):
        surface = surfaces.fit_surface(_points(_true, 0.01, seed), num_draws=100)
        low, high = intervals.bounds(surface.draws)
        inside.append(
            (low[:5] <= [3.0, 0.35, 40.0, 0.45, 0.1]) & (high[:5] >= [3, 0.35, 40, 0.45, 0.1])
        )
    assert np.all((np.mean(inside, axis=0) >= 0.65) & (np.mean(inside, axis=0) <= 0.95))


@pytest.mark.parametrize(("kept", "reason"), [
    (lambda points: points.models < 2e6, "2 model sizes: a surface needs at least 3"),
    (lambda points: points.data < 1e4, "2 data sizes: a surface needs at least 3"),
    (lambda points: points.data > 0, ""),
])  # fmt: skip
def test_points_that_hold_no_surface_are_refused_with_the_reason(kept, reason):
    points = _points(_true, 0.01)
    assert surfaces.refusal(points.where(kept(points))) == reason


def test_the_command_fits_curves_and_their_surface(tmp_path):
    points = _points(_true, 0.003)
    with open(tmp_path / "t.csv", "w", newline="") as file:
        csv.writer(file).writerows([("n", "m", "e"), *zip(*points, strict=True)])
    command = [sys.executable, "-m", "revisit.fit", f"--csv={tmp_path}/t.csv", "--x=n", "--y=e",
               "--model_size=m", "--predict=1e7", "--predict_model=1e9", "--target=0.15",
               f"--out={tmp_path}/F.json"]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    fits = {fit["group"][0]: fit for fit in json.loads((tmp_path / "F.json").read_text())}
    assert list(fits) == ["100000.0", "1000000.0", "10000000.0", "100000000.0", "1e+09"]
    law = fits["100000.0"]["laws"]["surface"]
    assert law["params_lo80"]["alpha"] < 0.35 < law["params_hi80"]["alpha"]
    (foreseen,) = fits["1e+09"]["predictions"]
    assert foreseen["yhat"] == pytest.approx(_true(1e7, 1e9), rel=0.02)
    assert foreseen["lo80"] < _true(1e7, 1e9) < foreseen["hi80"]
    assert (fits["1e+09"]["chosen"], fits["1e+09"]["num_points"]) == ("surface", 0)
    with open(tmp_path / "F.predictions.csv", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["law"] == "surface"]
    assert {(row["m"], float(row["x"])) for row in rows} >= {("100000.0", 1e7), ("1e+09", 1e7)}
