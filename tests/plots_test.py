"""revisit.scaling.plots: which curves share a panel, and what each is called."""

from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure

from revisit.scaling import analysis, plots
from tests.study_configs import make_results, make_study


def _draw(sweep: dict[str, Sequence[Any]]) -> Figure:
    config = make_study(sweeps=(sweep,), scratch=False)
    results = make_results(config, lambda run, size: 0.1 + size / 9000 / (3 + run.seed))
    study = analysis.analyse(config, results, "none")
    metric = study.findings[0].transfer.metric
    return plots.draw_curve(study.findings, metric, study.units[study.findings[0].transfer.name])


def _headings(figure: Figure) -> list[str]:
    return [axes.get_title(loc="right") for axes in figure.axes]


def _legend(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_one_curve_a_transfer_shares_one_panel_with_the_others() -> None:
    figure = _draw({"data.fraction": (0.1, 0.3, 1.0)})
    assert _headings(figure) == [""]
    assert _legend(figure) == ["Frozen features", "Fine-tuning"]


def test_several_curves_a_transfer_have_a_panel_of_their_own() -> None:
    figure = _draw({"model.depth": (8, 18), "data.fraction": (0.1, 0.3, 1.0)})
    assert _headings(figure) == ["Frozen features", "Fine-tuning"]
    assert _legend(figure) == ["depth 8", "depth 18"]
    for axes in figure.axes:
        colors = {line.get_color() for line in axes.get_lines() if line.get_marker() != "None"}
        assert len(colors) == 2
