"""The fit command: its files, its words, and a clear line for each kind of bad input."""

import csv
import json
import subprocess
import sys

import numpy as np
import pytest

from revisit.errors import UserError
from revisit.scaling import curves, tables
from revisit.scaling.tables import Columns


def _fit(*arguments):
    command = [sys.executable, "-m", "revisit.fit", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def _write(path, header, rows):
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def _power_law(path, percent=1.0):
    random = np.random.default_rng(0)
    rows = [
        (model, round(x), seed, percent * (1 - b * x**-0.2 * np.exp(random.normal(0, 0.01))))
        for model, b in (("small", 2.0), ("large", 1.5))
        for x in np.geomspace(1e3, 1e6, 7)
        for seed in (0, 1)
    ]
    return _write(path, ("model", "images", "seed", "top_1"), rows)


COMMON = ("--x=images", "--y=top_1", "--metric=accuracy", "--group=model", "--seed_column=seed")


def test_fits_every_group_and_writes_what_the_contract_says(tmp_path):
    table = _power_law(tmp_path / "t.csv")
    out = tmp_path / "out" / "F.json"
    done = _fit(f"--csv={table}", *COMMON, "--predict=1e7,1e8", "--target=0.95", f"--out={out}")
    assert done.returncode == 0, done.stderr
    fits = json.loads(out.read_text())
    assert [fit["group"] for fit in fits] == [["small"], ["large"]]
    assert [fit["num_points"] for fit in fits] == [14, 14]
    for fit, b in zip(fits, (2.0, 1.5), strict=True):
        assert "M1" in (fit["chosen"], *fit["not_told_apart"])
        assert fit["laws"]["M1"]["params"] == pytest.approx({"b": b, "c": -0.2}, rel=0.05)
        assert fit["laws"]["M1"]["score"] < 0.02
    with open(tmp_path / "out" / "F.predictions.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["model", "law", "x", "y", "yhat", "lo80", "hi80"]
    row = next(r for r in rows if (r["model"], r["law"], float(r["x"])) == ("large", "M1", 1e8))
    assert row["y"] == ""
    truth = 1 - 1.5 * 1e8**-0.2
    assert float(row["yhat"]) == pytest.approx(truth, abs=0.005)
    assert float(row["lo80"]) <= truth <= float(row["hi80"])
    assert "at 100,000,000: 0.9627" in done.stdout
    assert "target 0.95: at 23," in done.stdout
    large = fits[1]
    assert [(each["x"], set(each)) for each in large["predictions"]] == [
        (x, {"x", "yhat", "lo80", "hi80"}) for x in (1e7, 1e8)
    ]
    assert large["predictions"][1]["yhat"] == pytest.approx(truth, abs=0.005)
    assert large["target"]["lo80"] < large["target"]["x"] < large["target"]["hi80"]
    assert large["target"]["x"] == pytest.approx((1.5 / 0.05) ** 5, rel=0.2)
    assert not large["target"]["already_reached"]


def test_percent_and_fractions_give_the_same(tmp_path):
    tables_by_unit = {p: _power_law(tmp_path / f"{p}.csv", p) for p in (1.0, 100.0)}
    outputs = {}
    for percent, table in tables_by_unit.items():
        _fit(f"--csv={table}", *COMMON, "--predict=1e7", f"--out={tmp_path}/{percent}.json")
        outputs[percent] = json.loads((tmp_path / f"{percent}.json").read_text())
    for one, hundred in zip(outputs[1.0], outputs[100.0], strict=True):
        assert one["chosen"] == hundred["chosen"]
        assert hundred["trend"]["per_tenfold"] == pytest.approx(100 * one["trend"]["per_tenfold"])
        for law, fitted in one["laws"].items():
            assert hundred["laws"][law]["score"] == pytest.approx(fitted["score"], rel=1e-4)


def test_held_out_points_are_predicted_and_scored(tmp_path):
    x = [10.0, 20, 40, 80, 160, 320]
    rows = [(size, 3 * size**-0.5, int(size < 100)) for size in x] + [(640, "", 0)]
    table = _write(tmp_path / "t.csv", ("n", "loss", "fit"), rows)
    done = _fit(f"--csv={table}", "--x=n", "--y=loss", "--holdout=fit", f"--out={tmp_path}/F.json")
    assert done.returncode == 0, done.stderr
    (fit,) = json.loads((tmp_path / "F.json").read_text())
    assert (fit["group"], fit["num_points"], fit["chosen"]) == ([], 4, "M1")
    assert fit["laws"]["M1"]["score"] < 1e-6 < fit["laws"]["log_linear"]["score"]
    with open(tmp_path / "F.predictions.csv", newline="") as file:
        m1 = [row for row in csv.DictReader(file) if row["law"] == "M1"]
    assert [(float(row["x"]), row["y"] == "") for row in m1] == [
        (160, False), (320, False), (640, True),
    ]  # fmt: skip
    assert float(m1[0]["y"]) == pytest.approx(float(m1[0]["yhat"]), rel=1e-6)


def test_a_target_below_the_floor_is_not_within_reach(tmp_path):
    rows = [(x, 0.3 + 2 * x**-0.7) for x in np.geomspace(10, 1e5, 12)]
    table = _write(tmp_path / "t.csv", ("n", "error"), rows)
    done = _fit(f"--csv={table}", "--x=n", "--y=error", "--target=0.2")
    assert "target 0.2: not within reach under this law" in done.stdout
    done = _fit(f"--csv={table}", "--x=n", "--y=error", "--target=0.9")
    assert "target 0.9: reached already at the smallest size, 10" in done.stdout


def test_forecasts_of_an_accuracy_stay_between_nothing_and_all(tmp_path):
    rows = [(x, 10 + 30 * np.log10(x)) for x in (1, 10, 100)]
    table = _write(tmp_path / "t.csv", ("n", "percent"), rows)
    done = _fit(f"--csv={table}", "--x=n", "--y=percent", "--metric=accuracy", "--predict=1e5",
                f"--out={tmp_path}/F.json")  # fmt: skip
    assert done.returncode == 0, done.stderr
    with open(tmp_path / "F.predictions.csv", newline="") as file:
        row = next(row for row in csv.DictReader(file) if row["law"] == "log_linear")
    assert [float(row[name]) for name in ("yhat", "hi80")] == [100, 100]


def test_groups_that_hold_no_law_are_refused_beside_those_that_do(tmp_path):
    rows = [("a", x, 1 / x) for x in (1, 2, 4, 8)] + [("b", 5, 0.1), ("b", 6, 0.1)]
    table = _write(tmp_path / "t.csv", ("g", "n", "e"), rows)
    done = _fit(f"--csv={table}", "--x=n", "--y=e", "--group=g", f"--out={tmp_path}/F.json")
    assert done.returncode == 0
    assert "refused: b: 2 different sizes (5, 6): a law needs at least 3" in done.stdout
    first, second = json.loads((tmp_path / "F.json").read_text())
    assert (first["chosen"], second["chosen"], second["laws"]) == ("M1", None, {})


@pytest.mark.parametrize(("arguments", "line"), [
    (["--x=n", "--y=e"], "--csv is missing"),
    (["--csv=none.csv", "--x=n", "--y=e"], "--csv=none.csv can't be read"),
    (["--csv=t.csv", "--x=size", "--y=e"], "no column 'size'; its columns: n, e, seed"),
    (["--csv=t.csv", "--x=n", "--y=e"],
     "nothing could be fitted: all points: 1 different size (5): a law needs at least 3"),
    (["--csv=t.csv", "--x=n", "--y=e", "--predict=1e6,x"], "sizes are numbers by commas"),
    (["--csv=t.csv", "--x=n", "--y=e", "--predict=-1"], "a size is above 0 and finite"),
])  # fmt: skip
def test_bad_calls_of_the_command_are_one_line(tmp_path, arguments, line):
    _write(tmp_path / "t.csv", ("n", "e", "seed"), [(5, 0.1, 0), (5, 0.2, 1)])
    given = [each.replace("=t.csv", f"={tmp_path}/t.csv") for each in arguments]
    done = _fit(*given)
    assert done.returncode == 1
    assert line in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(("rows", "metric", "line"), [
    ([(1, "nan"), (2, 0.1)], "error", "line 2, column 'e' is 'nan': leave the row out"),
    ([(1, "x"), (2, 0.1)], "error", "line 2, column 'e' is 'x', not a number"),
    ([(1, 0.2), (2, "")], "error", "line 3, column 'e' is empty: fill it in, or leave the row out"),
    ([(1, 0.2), (2,)], "error", "line 3, column 'e' is empty"),
    ([(1, 0.2, 0.3)], "error", "line 2 has 3 values under 2 columns: put a value with a comma in"),
    ([(1, "0,2")], "error", "line 2, column 'e' is '0,2', not a number (digits alone, as 1234.5)"),
    ([(-1, 0.2)], "error", "line 2, column 'n' is -1: a size is above 0"),
    ([(0, 0.2)], "error", "column 'e' is empty where 'n' is not 0"),
    ([(1, 0.5), (2, 61)], "accuracy", "accuracies such as 0.5 and 61 mix fractions and percent"),
    ([(1, 0.5), (2, 161)], "accuracy", "accuracy 161 is outside 0 to 1 and 0 to 100"),
    ([(1, 0.5), (2, -0.1)], "accuracy", "accuracy -0.1 is outside 0 to 1"),
    ([], "error", "has no rows below its header"),
])  # fmt: skip
def test_bad_values_are_refused_where_they_stand(tmp_path, rows, metric, line):
    table = _write(tmp_path / "t.csv", ("n", "e"), rows)
    with pytest.raises(UserError) as caught:
        tables.read_table(str(table), Columns("n", "e"), metric)
    assert line in str(caught.value)
    assert "\n" not in str(caught.value)


def test_rows_that_repeat_count_once_and_it_says_so(tmp_path):
    table = _write(tmp_path / "t.csv", ("n", "e"), [(1, 0.3), (1, 0.3), (1, 0.31), (2, 0.2)])
    read = tables.read_table(str(table), Columns("n", "e"), "error")
    assert read.curves[0].x.tolist() == [1, 1, 2]
    assert read.notes == ("1 rows repeat another row: counted once",)


def test_two_values_of_one_seed_are_refused(tmp_path):
    rows = [(1, 0.3, 0), (2, 0.3, 0), (1, 0.31, 0)]
    table = _write(tmp_path / "t.csv", ("n", "e", "seed"), rows)
    with pytest.raises(UserError) as caught:
        tables.read_table(str(table), Columns("n", "e", seed="seed"), "error")
    assert str(caught.value).startswith(
        f"{table}, line 4: a second value of 'e' for one 'seed' at n=1 (the first: {table}, line 2)"
    )


def test_tables_of_spreadsheets_are_read(tmp_path):
    for delimiter in ",;\t":
        lines = ["\ufeff n ,'e' ,x", " 1,0.3,", "2,0.2,", ",,", "0,0.9,"]
        table = tmp_path / "t.csv"
        table.write_text("\r\n".join(lines).replace(",", delimiter), encoding="utf-8")
        read = tables.read_table(str(table), Columns("n", "'e'"), "error")
        assert (read.curves[0].x.tolist(), read.curves[0].errors.tolist()) == ([1, 2], [0.3, 0.2])
        assert read.notes == ("1 rows have size 0, where no law holds: left out",)


def test_only_the_rows_asked_for_count(tmp_path):
    rows = [(n, metric, 0.5 / n) for n in (1, 2) for metric in ("loss", "top_1")]
    table = _write(tmp_path / "t.csv", ("n", "metric", "e"), rows)
    read = tables.read_table(str(table), Columns("n", "e"), "error", {"metric": "loss"})
    assert read.curves[0].errors.tolist() == [0.5, 0.25]
    with pytest.raises(UserError, match="no row is as --where asks; .* metric: loss, top_1"):
        tables.read_table(str(table), Columns("n", "e"), "error", {"metric": "top_5"})


@pytest.mark.parametrize(("metric", "scale", "target", "line"), [
    ("accuracy", 100.0, 0.8, "--target=0.8: the accuracies of this table are percent, as 80"),
    ("accuracy", 1.0, 80, "--target=80: the accuracies of this table are fractions, as 0.8"),
    ("error", 1.0, 0, "--target=0: an error or loss is above 0"),
])  # fmt: skip
def test_a_target_in_another_unit_is_refused(metric, scale, target, line):
    with pytest.raises(UserError) as caught:
        curves.check_target(target, curves.Scale(metric, scale))
    assert str(caught.value) == line


def test_without_a_trend_no_size_is_foreseen(tmp_path):
    rows = [(n, 0.5 + noise) for n in (10, 100, 1000) for noise in (-0.01, 0, 0.01)]
    table = _write(tmp_path / "t.csv", ("n", "e"), rows)
    done = _fit(f"--csv={table}", "--x=n", "--y=e", "--predict=1e6", "--target=0.2",
                f"--out={tmp_path}/F.json")  # fmt: skip
    assert "note: no trend seen: the slope's 80% interval holds 0" in done.stdout
    assert "refused: no size is foreseen without a trend" in done.stdout
    (fit,) = json.loads((tmp_path / "F.json").read_text())
    assert (fit["predictions"], fit["target"]) == ([], None)
    assert len((tmp_path / "F.predictions.csv").read_text().splitlines()) == 1


@pytest.mark.parametrize(
    ("file", "num_curves"),
    [
        ("benchmark.lang.csv", 20),
        pytest.param("benchmark.vision.csv", 36, marks=pytest.mark.slow),
    ],
)
def test_every_curve_of_the_benchmark_is_fitted(shared_data, tmp_path, file, num_curves):
    table = shared_data("09_scaling-curves", file)
    done = _fit(f"--csv={table}", "--x=Seen Examples", "--y=Loss", "--group=Domain,Task,Model",
                "--holdout=Training", f"--out={tmp_path}/F.json")  # fmt: skip
    assert done.returncode == 0, done.stderr
    fits = json.loads((tmp_path / "F.json").read_text())
    assert len(fits) == num_curves
    assert all(
        {"log_linear", "M1", "M2", "M3", "M4", fit["chosen"]} <= set(fit["laws"]) for fit in fits
    )
