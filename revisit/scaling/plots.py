"""The curve as a picture: metric against log data size, with fitted laws and intervals."""

import itertools
from collections.abc import Sequence
from typing import IO

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator

from revisit.scaling import intervals
from revisit.scaling.ablations import Level, Series, name_level
from revisit.scaling.axes import Axis, axis_of
from revisit.scaling.branches import Branch
from revisit.scaling.findings import Finding, Units

# Okabe and Ito's palette: told apart by the colour-blind, and as greys in print by their markers.
_COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#8C6D00", "#56B4E9")
_MARKERS = ("o", "s", "^", "D", "v", "P")
_DASHES = ("-", (0, (5, 2)), (0, (1, 1.5)), (0, (5, 1, 1, 1)))
_GREY = "#555555"
_TICK_GAP = 0.07  # of the axis, between labels
_SIZES_LABEL = "pretraining images (log scale); dashed: beyond the data; dotted: no pretraining"
_FORECAST = 2.0  # the line goes on, dashed, to this many times the largest size

_STYLE = {
    "font.size": 11,
    "axes.titlesize": 12,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": _GREY,
    "xtick.color": _GREY,
    "ytick.color": _GREY,
    "svg.hashsalt": "revisit",  # the same figures give the same file
}


def _draw_law(axes: Axes, finding: Finding, units: Units, color: str) -> None:
    """Line and band of the chosen law."""
    assert finding.fit is not None
    sizes, best = finding.fit.curve.sizes, finding.fit.best
    x = np.geomspace(sizes.min(), _FORECAST * sizes.max(), 200)
    low, high = (units.scale.from_forecast(ends) for ends in intervals.curve_bounds(best.draws, x))
    y = units.scale.from_forecast(best.law.predict(best.params[None], x)[0])
    seen = x <= sizes.max() * 1.0001
    axes.fill_between(x, low, high, color=color, alpha=0.15, linewidth=0)
    axes.plot(x[seen], y[seen], color=color, linewidth=1.8)
    axes.plot(x[~seen], y[~seen], color=color, linewidth=1.5, linestyle=(0, (4, 3)))


def _draw_scratch(axes: Axes, finding: Finding, color: str) -> None:
    """A level line across, with its interval."""
    if not finding.scratch:
        return
    value = float(np.mean(finding.scratch))
    scratch = finding.spread.estimate(value, len(finding.scratch))
    axes.axhline(value, color=color, linewidth=1.4, linestyle=":")
    if scratch.bounded:
        axes.axhspan(scratch.low, scratch.high, color=color, alpha=0.07, linewidth=0)


def _set_sizes(axes: Axes, sizes: np.ndarray) -> None:
    axes.set_xscale("log")
    axes.xaxis.set_minor_locator(NullLocator())
    shown = _part(sizes, np.log(sizes))
    axes.set_xticks(shown, [f"{size:,.0f}" for size in shown])


def _part(ticks: Sequence[float] | np.ndarray, places: np.ndarray) -> list[float]:
    """Those of ascending ticks, at places on the axis, whose labels don't touch."""
    shown = [0]
    for tick, place in enumerate(places):
        if place - places[shown[-1]] > _TICK_GAP * (places[-1] - places[0]):
            shown.append(tick)
    return [float(ticks[tick]) for tick in shown]


def _set_heights(axes: Axes, units: Units) -> None:
    """Labels of values; nothing below 0% or above 100% is shown."""
    if units.percent:
        low, high = axes.get_ylim()
        axes.set_ylim(max(low, 0.0), min(high, units.scale.whole))
        factor = 100 / units.scale.whole
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{factor * value:g}%"))
    axes.grid(axis="y", color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)


def _draw_finding(axes: Axes, finding: Finding, units: Units, style: dict) -> None:
    """Seeds as points, the law with its band, and what there is without pretraining."""
    values = units.scale.from_errors(finding.curve.errors)
    axes.plot(finding.curve.x, values, markersize=6, alpha=0.75, markeredgewidth=0, **style)
    if finding.fit is not None:
        _draw_law(axes, finding, units, style["color"])
    _draw_scratch(axes, finding, style["color"])


def _finish(figure: Figure, axes: Axes, label: str) -> None:
    """Name of the axis and legend; layout happens while drawing, which must see the same style."""
    axes.set_xlabel(label, color=_GREY)
    handles, names = axes.get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", frameon=False, fontsize=9, ncols=2)
    figure.draw_without_rendering()


def _panels(findings: Sequence[Finding]) -> dict[str, dict[str, Finding]]:
    """Heading of a panel -> its curves by name: one panel for all, unless a transfer has several
    curves, which would hide each other's."""
    panels: dict[str, dict[str, Finding]] = {}
    for finding in findings:
        panels.setdefault(finding.transfer.title, {})[finding.label] = finding
    if max(map(len, panels.values())) > 1:
        return panels
    return {"": {finding.title: finding for finding in findings}}


def draw_curve(findings: Sequence[Finding], metric: str, units: Units) -> Figure:
    """The figure of a study: seeds as points, laws with bands, level lines without pretraining."""
    panels = _panels(findings)
    names = list(dict.fromkeys(name for curves in panels.values() for name in curves))
    looks = zip(itertools.cycle(_COLORS), itertools.cycle(_MARKERS))
    styles = {
        name: {"color": color, "marker": marker, "linestyle": "", "label": name}
        for name, (color, marker) in zip(names, looks, strict=False)
    }
    sizes = np.unique(np.concatenate([finding.curve.x for finding in findings]))
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(6.8, 1.3 + 3.2 * len(panels)), layout="constrained")
        rows = figure.subplots(len(panels), sharex=True, sharey=True, squeeze=False)[:, 0]
        for axes, (heading, curves) in zip(rows, panels.items(), strict=True):
            axes.set_title(heading, loc="right", fontsize=11)
            for name, finding in curves.items():
                _draw_finding(axes, finding, units, styles[name])
        for axes in rows:
            _set_heights(axes, units)
        _set_sizes(rows[-1], sizes)
        rows[-1].set_xlim(sizes.min() / 1.15, _FORECAST * sizes.max())
        rows[0].set_title(f"{metric} after transfer, with 80% intervals", loc="left", pad=10)
        _finish(figure, rows[-1], _SIZES_LABEL)
    return figure


def _draw_levels(axes: Axes, series: Series, x: Sequence[float], style: dict) -> None:
    """Means with their intervals joined by a line, and each run as a small dot."""
    values = list(series.levels.values())
    means = [series.spread.estimate(float(np.mean(each)), len(each)) for each in values]
    half = [mean.high - mean.value if mean.bounded else 0.0 for mean in means]
    heights = [mean.value for mean in means]
    axes.errorbar(x, heights, half, capsize=3, linewidth=1.6, label=series.title, **style)
    for place, each in zip(x, values, strict=True):
        axes.plot([place] * len(each), each, ".", color=style["color"], alpha=0.5, markersize=5)


def _set_levels(axes: Axes, names: Sequence[Level], axis: Axis) -> None:
    """Ticks at the levels of a field, amounts or names."""
    axes.xaxis.set_minor_locator(NullLocator())
    ticks = sorted(name for name in names if isinstance(name, float))
    if len(ticks) < len(names):
        axes.set_xticks(range(len(names)), [name_level(name) for name in names])
        return
    shown = _part(ticks, np.log(ticks) if axis.log else np.array(ticks))
    axes.set_xticks(shown, [name_level(tick) for tick in shown])


def draw_levels(several: Sequence[Series], metric: str) -> Figure:
    """The metric at the levels of one field: a line for each series, told apart by colour
    (transfer), dashes and marker (what is held: equal epochs, equal steps, depth ...)."""
    axis = axis_of(several[0].field)
    names = list(dict.fromkeys(level for each in several for level in each.levels))
    numeric = all(each.is_numeric for each in several)
    transfers = list(dict.fromkeys(each.transfer.name for each in several))
    labels = list(dict.fromkeys(each.label for each in several))
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(6.8, 4.5), layout="constrained")
        axes = figure.add_subplot()
        axes.set_xscale("log" if numeric and axis.log else "linear")
        for each in several:
            held = labels.index(each.label)
            style = {
                "color": _COLORS[transfers.index(each.transfer.name) % len(_COLORS)],
                "marker": _MARKERS[held % len(_MARKERS)],
                "linestyle": _DASHES[held % len(_DASHES)],
            }
            x = [float(level) if numeric else names.index(level) for level in each.levels]
            _draw_levels(axes, each, x, style)
        _set_levels(axes, names, axis)
        _set_heights(axes, several[0].units)
        label = f"{axis.unit}{' (log scale)' if numeric and axis.log else ''}"
        axes.set_title(f"{metric}, with 80% intervals", loc="left", pad=10)
        _finish(figure, axes, label)
    return figure


def draw_branches(branches: Sequence[Branch]) -> Figure:
    """Gains of branches for ten times the data as bars with their intervals, the first on top."""
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(6.8, 0.9 + 0.28 * len(branches)), layout="constrained")
        axes = figure.add_subplot()
        shown = list(reversed(branches))
        gains = [branch.per_tenfold for branch in shown]
        half = [branch.hi80 - branch.per_tenfold for branch in shown]
        bars = [value if np.isfinite(value) else 0.0 for value in half]
        axes.barh([branch.title for branch in shown], gains, xerr=bars, color=_COLORS[0], alpha=0.7)
        axes.axvline(0, color=_GREY, linewidth=0.8)
        axes.set_xlabel("average precision per tenfold data, 80% interval", color=_GREY)
        figure.draw_without_rendering()
    return figure


def save_curve(figure: Figure, path: str | IO[bytes], kind: str) -> None:
    """Writes the figure as "png" or "svg"."""
    with matplotlib.rc_context(_STYLE):
        metadata = {"Date": None} if kind == "svg" else None
        figure.savefig(path, format=kind, dpi=200, metadata=metadata)
