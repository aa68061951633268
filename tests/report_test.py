"""The report says what the runs came to: true numbers, sentences from statistics, one file."""

import base64
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from revisit.scaling import analysis, answers, findings, report
from revisit.scaling.curves import Scale
from tests.study_configs import make_results, make_study

ACCURACY = findings.Units(Scale("accuracy"))


def _log_law(gain, noise=0.004, start=0.3):
    def value(run, size):
        if not size:
            return 0.2 + noise * run.seed
        return start + gain * np.log10(size / 900) + noise * (run.seed - 0.5)

    return value


class _Page(HTMLParser):
    """Cells of the tables by row, and the text of everything."""

    def __init__(self, page):
        super().__init__()
        self.rows, self.text, self.sources = [], "", []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        if tag == "tr":
            self.rows.append([])
        self.sources += [value for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data):
        self.text += data
        if self.rows and self.get_starttag_text() == "<td>":
            self.rows[-1].append(data)


def _read(tmp_path, config, results):
    report.write_report(analysis.analyse(config, results, str(tmp_path)), str(tmp_path))
    return _Page((tmp_path / "report.html").read_text())


def test_the_report_holds_the_true_numbers(tmp_path):
    config = make_study()
    page = _read(tmp_path, config, make_results(config, _log_law(0.1)))
    rows = [row for row in page.rows if row]
    assert [row[0] for row in rows[:4]] == [
        "random frozen features", "900 images", "4,500 images", "9,000 images",
    ]  # fmt: skip
    assert rows[1][1] == "30.0%"
    assert rows[1][3] == "29.8%, 30.2%"
    assert rows[3][1] == "40.0%"
    assert rows[0][3] == "20.0%, 20.4%"
    # Seeds differ by 0.4 points at each of 4 places: std 0.283, 4 degrees of freedom, t 1.533.
    assert rows[1][2] == "29.7% to 30.3%"


def test_the_report_is_one_file_with_its_figure_inside(tmp_path):
    config = make_study()
    page = _read(tmp_path, config, make_results(config, _log_law(0.1)))
    assert len(page.sources) == 1
    kind, _, encoded = page.sources[0].partition(",")
    assert kind == "data:image/svg+xml;base64"
    assert base64.b64decode(encoded) == (tmp_path / "curve.svg").read_bytes()
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")
    assert not re.search(r"(src|href)=.?http|@import|url\(", (tmp_path / "report.html").read_text())


def test_growth_is_said_with_its_slope_and_interval(tmp_path):
    config = make_study()
    page = _read(tmp_path, config, make_results(config, _log_law(0.1)))
    found = re.search(r"gains still grow: \+(\S+) points per tenfold data, 80% interval \+(\S+) to"
                      r" \+(\S+)\.", page.text)  # fmt: skip
    slope, low, high = map(float, found.groups())
    assert slope == pytest.approx(10.0, abs=0.2)
    assert low <= 10.0 <= high
    assert high - low < 2
    assert "better than training from scratch at 20.2%: +19.8 points" in page.text


def test_no_growth_is_said_as_plainly(tmp_path):
    config = make_study()
    page = _read(tmp_path, config, make_results(config, _log_law(0.0, noise=0.02)))
    assert "no growth seen" in page.text
    assert "which holds 0" in page.text
    assert "gains still grow" not in page.text
    assert "shows no difference beyond that of seeds" in page.text


def test_decline_is_said_as_plainly(tmp_path):
    config = make_study()
    page = _read(tmp_path, config, make_results(config, _log_law(-0.08)))
    assert "it gets worse with data: -8.0 points" in page.text
    assert "images, lost: -2.4 points" in page.text


def test_growth_that_has_stopped_is_not_said_to_go_on(tmp_path):
    config = make_study()

    def value(run, size):
        return 0.2 + (0.15 if size > 1000 else 0) + 0.004 * run.seed

    page = _read(tmp_path, config, make_results(config, value))
    assert "gains still grow" not in page.text


def test_pretraining_that_is_worth_nothing_is_said_to_be(tmp_path):
    config = make_study()

    def value(run, size):
        return 0.3 + 0.01 * ((run.seed + round(size / 900)) % 2)

    page = _read(tmp_path, config, make_results(config, value))
    assert "no difference seen from training from scratch" in page.text


def test_a_loss_is_read_the_other_way_round(tmp_path):
    config = make_study(metric="loss", metric_type="error")
    results = make_results(config, lambda run, size: 3 * max(size, 300) ** -0.1 + 0.005 * run.seed)
    page = _read(tmp_path, config, results)
    assert "gains still grow: -0.3" in page.text
    assert "better than training from scratch" in page.text
    assert "%" not in page.rows[1][1]


def test_one_seed_gives_no_interval_between_seeds(tmp_path):
    config = make_study(seeds=(0,))
    page = _read(tmp_path, config, make_results(config, _log_law(0.1)))
    assert "(one seed: no interval)" in page.text
    assert "gains grow with data" in page.text


def test_two_sizes_are_reported_without_a_law(tmp_path):
    config = make_study(sweeps=({"data.fraction": (0.1, 1.0)},))
    page = _read(tmp_path, config, make_results(config, _log_law(0.1)))
    assert "no law fitted: 2 different sizes (900, 9000)" in page.text
    assert "better than training from scratch" in page.text


@pytest.mark.parametrize(("equal_length", "line"), [
    (False, "Equal epochs: every backbone saw its own data 10.0 times, as in the paper; so more"
            " data also meant longer training (9,000 to 90,000 images, repeats counted)"),
    (True, "Equal length: every backbone was pretrained on 90,000 images, repeats counted"),
])  # fmt: skip
def test_it_says_what_training_length_was_held_equal(tmp_path, equal_length, line):
    config = make_study()
    results = make_results(config, _log_law(0.1), equal_length)
    assert line in _read(tmp_path, config, results).text


def test_titles_are_escaped(tmp_path):
    config = make_study(title="a <b> & c")
    page = _read(tmp_path, config, make_results(config, _log_law(0.1)))
    assert "a <b> & c" in page.text


def test_the_terminal_table_has_the_same_numbers():
    config = make_study()
    text = answers.terminal_table(
        analysis.analyse(config, make_results(config, _log_law(0.1)), "none")
    )
    assert re.search(r"4,500 images +37\.0% +36\.7% to 37\.3% +seeds 36\.8%, 37\.2%", text)


def test_a_difference_has_students_interval():
    spread = findings.pool_spread([(1.0, 3.0), (5.0, 7.0), ()])
    assert spread == (2.0, 2)
    estimate = findings.difference(spread, (5.0, 7.0), (1.0, 3.0))
    # t of 2 degrees at 0.9 is 1.886; the difference of two means of 2 has variance 2
    assert estimate == pytest.approx((4.0, 4 - 1.886 * 2**0.5, 4 + 1.886 * 2**0.5), abs=1e-3)
    assert findings.sign(estimate, Scale("accuracy")) == 1
    assert findings.sign(estimate, Scale("error")) == -1


def _rosenfeld(run, size):
    depth = run.settings["model.depth"]
    return 1 - (2.0 * size**-0.35 + 2.0 * depth**-1.0 + 0.1) * (1 + 0.001 * (run.seed - 0.5))


def test_data_and_model_size_together_make_one_surface(tmp_path):
    sweep = {"model.depth": (8, 18, 50), "data.fraction": (0.01, 0.03, 0.1, 0.3, 1.0)}
    config = make_study(sweeps=(sweep,), scratch=False)
    page = _read(tmp_path, config, make_results(config, _rosenfeld))
    sentence = re.search(r"Frozen features, data and depth together: (y = .*?) It foresees (.*?)\."
                         " In brackets", page.text)  # fmt: skip
    alpha, low, high = re.search(r"alpha = (\S+) \((\S+) to (\S+)\)", sentence[1]).groups()
    assert float(alpha) == pytest.approx(0.35, abs=0.02)
    assert float(low) <= 0.35 <= float(high)
    truth = 1 - (2.0 * 90_000**-0.35 + 2.0 / 100 + 0.1)
    foreseen = re.search(
        r"(\S+)% \((\S+)% to (\S+)%\) with 90,000 images at depth 100", sentence[2]
    )
    value, low, high = map(float, foreseen.groups())
    assert value == pytest.approx(100 * truth, abs=1)
    assert low - 0.1 <= 100 * truth <= high + 0.1  # they are written with one digit
    groups = {
        tuple(each["group"]): each for each in json.loads((tmp_path / "fit.json").read_text())
    }
    surface = groups["linear_probe", "surface, depth 50"]["laws"]["surface"]
    assert surface["params_lo80"]["alpha"] <= 0.35 <= surface["params_hi80"]["alpha"]


def test_two_models_are_too_few_for_a_surface_and_it_says_so(tmp_path):
    sweep = {"model.depth": (8, 18), "data.fraction": (0.01, 0.1, 1.0)}
    config = make_study(sweeps=(sweep,), scratch=False)
    page = _read(tmp_path, config, make_results(config, _rosenfeld))
    assert "no surface fitted: 2 model sizes: a surface needs at least 3" in page.text
    assert "depth 18 gains more from data than depth 8" not in page.text  # both gain alike


def test_a_share_of_the_way_without_an_interval_has_none():
    assert report._share_text(findings.Estimate(0.124, -0.001, 0.2)) == "12% (0% to 20%)"
    assert report._share_text(findings.Estimate(-0.08, np.nan, np.nan)) == "-8%"
