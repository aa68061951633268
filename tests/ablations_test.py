"""What a study says of each field that it varies, and of tables made by hand."""

import csv

import numpy as np
import pytest
from ml_collections import ConfigDict
from scipy import stats

from revisit.data.taxonomy import Taxonomy
from revisit.errors import UserError
from revisit.scaling import ablations, branches, decision, findings, grid, noise, results
from revisit.scaling.curves import Scale
from revisit.scaling.grid import Run, Transfer
from revisit.scaling.results import Result
from revisit.scaling.study import report_results
from tests.study_configs import make_study

UNITS = findings.Units(Scale("accuracy"))
PROBE = Transfer("linear_probe", "linear_probe", "Frozen features", "top_1", "accuracy", {})


def _result(settings, value, seed=0, size=1000, seen=4000):
    run = Run(f"{settings}{seed}", "linear_probe", "linear_probe", seed, settings, "pretrain-x")
    return Result(run, size, seen, 3600.0, 500, 5000, 10, 1.0, {"top_1": value})


def _series(field, levels, **numbers):
    """One series; levels: setting -> values of its seeds."""
    made = [
        _result({field: level}, value, seed, **numbers)
        for level, values in levels.items()
        for seed, value in enumerate(values)
    ]
    (series,) = ablations.make_series(made, field, PROBE, UNITS)
    return series


def _sizes(slope, stray=0.001):
    made = [
        _result({"data.fraction": size / 10000, "data.noise_wrong": 0.0},
                0.2 + slope * np.log10(size / 100) + stray * (-1) ** seed, seed, size, 4 * size)
        for size in (100, 1000, 10000) for seed in (0, 1)
    ]  # fmt: skip
    return ablations.make_series(made, "data.fraction", PROBE, UNITS)[0]


def test_runs_that_differ_in_more_than_the_field_are_other_series():
    made = [
        _result({"data.fraction": part, "train.duration": length}, 0.3, size=size, seen=seen)
        for part, size in ((0.1, 100), (1.0, 1000))
        for length, seen in (("4 epochs", 4 * size), ("100 steps", 6400))
    ]
    by_size = ablations.make_series(made, "data.fraction", PROBE, UNITS)
    assert [series.label for series in by_size] == ["4 epochs each", "100 steps each"]
    assert [list(series.levels) for series in by_size] == [[100.0, 1000.0]] * 2


def test_equal_epochs_and_equal_steps_are_told_apart_along_the_length():
    made = [
        _result({"train.duration": length}, 0.3, seen=seen)
        for length, seen in (("1 epochs", 1000), ("2 epochs", 2000), ("9 steps", 576),
                             ("18 steps", 1152))
    ]  # fmt: skip
    series = ablations.make_series(made, "train.duration", PROBE, UNITS)
    assert [(each.label, list(each.levels)) for each in series] == [
        ("equal epochs", [1000.0, 2000.0]), ("equal steps", [576.0, 1152.0]),
    ]  # fmt: skip


@pytest.mark.parametrize(("values", "words"), [
    ((0.5, 0.51), "better: +20.0 points"),
    ((0.1, 0.11), "worse: -20.0 points"),
    ((0.3, 0.31), "no difference seen: +0.0 points"),
])  # fmt: skip
def test_a_comparison_says_what_its_interval_allows(values, words):
    sentence = ablations.compare_sentence(_series("model.depth", {8: (0.3, 0.31), 10: values}))
    assert f"10 against 8 layers: {words}" in sentence
    assert "n = 2 and 2 runs" in sentence


def test_slopes_and_their_intervals_are_those_of_scipy():
    x, y = np.array([1.0, 2, 3, 5, 8]), np.random.default_rng(0).normal(size=(5, 3))
    slopes, halves = ablations.fit_slopes(x, y)
    for column in range(3):
        line = stats.linregress(x, y[:, column])
        assert slopes[column] == pytest.approx(line.slope)
        assert halves[column] == pytest.approx(stats.t.ppf(0.9, 3) * line.stderr)


def test_precision_of_labels_is_clopper_and_pearsons():
    found = noise.label_precision(40, 50)
    assert found.low == pytest.approx(stats.beta.ppf(0.1, 40, 11))
    assert found.high == pytest.approx(stats.beta.ppf(0.9, 41, 10))
    with pytest.raises(UserError, match="60 correct of 50 checked labels"):
        noise.label_precision(60, 50)


def test_a_clean_label_is_worth_what_the_curve_says():
    # 10 points per tenfold data, 5 points lost to noise: 10 ** 0.5 noisy labels for one.
    levels = {0.0: (0.399, 0.401), 0.4: (0.349, 0.351)}
    (worth,) = noise.clean_worth(_series("data.noise_wrong", levels), _sizes(0.1))
    assert worth.ratio.value == pytest.approx(10**0.5, rel=1e-6)
    assert 1 < worth.ratio.low < 10**0.5 < worth.ratio.high < 6
    assert "one clean label is worth 3.16 noisy ones" in noise.worth_sentence(worth, "wrong")


def test_without_growth_labels_have_no_price():
    levels = {0.0: (0.399, 0.401), 0.4: (0.349, 0.351)}
    (worth,) = noise.clean_worth(_series("data.noise_wrong", levels), _sizes(0.0, 0.05))
    assert "no gain with data size is told" in noise.worth_sentence(worth, "wrong")


def test_what_to_buy_is_the_measured_slope_times_what_the_budget_buys():
    costs = ConfigDict({"image": 0.01, "clean_label": 0.02, "gpu_hour": 1e-9, "budget": 100.0})
    labels = _series("data.noise_wrong", {0.0: (0.399, 0.401), 0.4: (0.349, 0.351)}, size=10000)
    first, second = decision.options([labels, _sizes(0.1)], costs, 0.6)
    # 5,000 labels of 10,000 would be half, but only 0.4 are noisy: 0.4 of 0.125 a unit.
    assert (first.what, second.what) == ("4,000 labels cleaned", "10,000 more images")
    assert first.gain.value == pytest.approx(0.05)
    assert first.cost == pytest.approx(80.0)
    assert second.gain.value == pytest.approx(0.1 * np.log10(2))
    assert first.share.value == pytest.approx(0.05 / 0.2)


def test_branches_rank_subtrees_by_their_classes_gains():
    taxonomy = Taxonomy(("a", "b", "c"), ("A", "B", "C"), ((), (0,), (0,)))
    sizes = np.array([100.0, 1000, 10000] * 2)
    decades = np.log10(sizes / 100)[:, None]
    values = np.hstack([0.5 + 0 * decades, 0.1 + 0.2 * decades, 0.2 + 0.1 * decades])
    ranked = branches.rank(branches.Curves(sizes, values, taxonomy))
    assert [(each.kind, each.name) for each in ranked] == [
        ("class", "b"), ("class", "c"), ("subtree", "a"), ("class", "a"),
    ]  # fmt: skip
    assert ranked[0].per_tenfold == pytest.approx(0.2)
    assert (ranked[2].num_classes, ranked[2].per_tenfold) == (3, pytest.approx(0.1))
    assert (ranked[0].smallest, ranked[0].largest) == pytest.approx((0.1, 0.5))


HEADER = ["transfer", "seed", "num_examples", "metric", "value", "model.depth"]


def _table(path, values, header=HEADER):
    rows = [
        [mode, 0, size, "top_1", value, 8]
        for mode in ("linear_probe", "finetune")
        for size, value in values
    ]
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return str(path)


def test_a_table_made_by_hand_is_reported(tmp_path, capsys):
    path = _table(tmp_path / "r.csv", [(100, 0.2), (1000, 0.3), (10000, 0.41)])
    report_results(make_study(scratch=False), path, str(tmp_path))
    page = (tmp_path / "report.html").read_text()
    assert "gains grow with data" in page
    assert "10,000 images" in page


@pytest.mark.parametrize(("values", "line"), [
    ([(100, "nan")], "line 2, column 'value' is 'nan', no finite number: mend or leave"),
    ([(100, "")], "line 2, column 'value' is '', no finite number"),
    ([(100, 0.2), (1000, 30)], "mix fractions and percent: bring all rows to one unit"),
    ([], "has no rows below its header: no run has finished"),
])  # fmt: skip
def test_a_broken_table_is_one_clear_line(tmp_path, values, line):
    path = _table(tmp_path / "r.csv", values)
    with pytest.raises(UserError) as caught:
        report_results(make_study(), path, str(tmp_path))
    assert line in str(caught.value)
    assert "\n" not in str(caught.value)


def test_one_size_is_reported_and_refused_a_law(tmp_path):
    path = _table(tmp_path / "r.csv", [(100, 0.2)])
    report_results(make_study(scratch=False), path, str(tmp_path))
    assert "no law fitted: 1 different size (100)" in (tmp_path / "report.html").read_text()


def test_a_curve_that_is_not_monotone_is_not_said_to_grow(tmp_path):
    path = _table(tmp_path / "r.csv", [(100, 0.2), (300, 0.4), (1000, 0.25), (3000, 0.3)])
    report_results(make_study(scratch=False), path, str(tmp_path))
    page = (tmp_path / "report.html").read_text()
    assert "no growth seen" in page


def test_an_interrupted_studys_table_says_what_it_lacks(tmp_path, capsys):
    config = make_study()
    runs = grid.deal(grid.make_groups(config), 0, 1)
    made = [
        Result(run, 900, 90, 1.0, 9, 9, 9, 1.0, {"top_1": 0.3 + 0.01 * run.seed})
        for run in runs[:-3]
    ]
    results.write_results(str(tmp_path), made)
    report_results(config, str(tmp_path / "results.csv"), str(tmp_path))
    assert "lacks 3 runs of the grid, as finetune-fraction1-seed1" in capsys.readouterr().out


def test_repeated_rows_count_once_and_differing_ones_are_refused(tmp_path):
    path = _table(tmp_path / "r.csv", [(100, 0.2), (1000, 0.3)])
    lines = (tmp_path / "r.csv").read_text().splitlines()
    (tmp_path / "r.csv").write_text("\n".join([*lines, lines[1]]) + "\n")
    found, repeats = results.read_results(path)
    assert (len(found), repeats) == (4, 1)
    (tmp_path / "r.csv").write_text("\n".join([*lines, lines[1].replace("0.2", "0.4")]) + "\n")
    with pytest.raises(UserError, match=r"line 6: top_1 of run .* is 0.4 here and 0.2 above"):
        results.read_results(path)
