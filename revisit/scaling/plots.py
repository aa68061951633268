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
from revisit.scaling.ablations import Series, name_level
from revisit.scaling.axes import axis_of
from revisit.scaling.branches import Branch
from revisit.scaling.findings import Finding, Units

# Okabe and Ito's palette: told apart by the colour-blind, and as greys in print by their markers.
_COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#8C6D00", "#56B4E9")
_MARKERS = ("o", "s", "^", "D", "v", "P")
_DASHES = ("-", (0, (5, 2)), (0, (1, 1.5)), (0, (5, 1, 1, 1)))
_GREY = "#555555"
_FORECAST = 2.0  # the line goes on, dashed, to this many times the largest size

_STYLE = {
    "font.size": 11,
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
    low, high = (units.scale.from_errors(ends) for ends in intervals.curve_bounds(best.draws, x))
    y = units.scale.from_errors(best.law.predict(best.params[None], x)[0])
    seen = x <= sizes.max() * 1.0001
    axes.fill_between(x, low, high, color=color, alpha=0.15, linewidth=0)
    axes.plot(x[seen], y[seen], color=color, linewidth=1.8)
    axes.plot(x[~seen], y[~seen], color=color, linewidth=1.5, linestyle=(0, (4, 3)))


def _draw_scratch(axes: Axes, finding: Finding, color: str, left: float) -> None:
    """A level line across, with its interval, named above its left end."""
    value = float(np.mean(finding.scratch))
    scratch = finding.spread.estimate(value, len(finding.scratch))
    axes.axhline(scratch.value, color=color, linewidth=1.2, linestyle=":")
    if scratch.bounded:
        axes.axhspan(scratch.low, scratch.high, color=color, alpha=0.07, linewidth=0)
    axes.annotate(
        finding.scratch_title,
        (left, scratch.value),
        (0, 3),
        textcoords="offset points",
        color=color,
        fontsize=9.5,
    )


def _set_ticks(axes: Axes, sizes: np.ndarray, units: Units) -> None:
    axes.set_xscale("log")
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks(sizes, [f"{size:,.0f}" for size in sizes])
    _set_heights(axes, units)


def _set_heights(axes: Axes, units: Units) -> None:
    if units.percent:
        factor = 100 / units.scale.whole
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{factor * value:g}%"))
    axes.grid(axis="y", color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)


def draw_curve(findings: Sequence[Finding], metric: str, units: Units) -> Figure:
    """The figure of a study: seeds as points, laws with bands, scratch as level lines."""
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(6.8, 4.5), layout="constrained")
        axes = figure.add_subplot()
        sizes = np.unique(np.concatenate([finding.curve.x for finding in findings]))
        _set_ticks(axes, sizes, units)
        for finding, color, marker in zip(
            findings, itertools.cycle(_COLORS), itertools.cycle(_MARKERS), strict=False
        ):
            values = units.scale.from_errors(finding.curve.errors)
            axes.plot(
                finding.curve.x,
                values,
                marker,
                color=color,
                markersize=6,
                alpha=0.75,
                markeredgewidth=0,
                label=finding.title,
            )
            if finding.fit is not None:
                _draw_law(axes, finding, units, color)
            if finding.scratch:
                _draw_scratch(axes, finding, color, float(sizes.min()))
        right = _FORECAST * sizes.max()
        axes.set_xlim(sizes.min() / 1.15, right)
        axes.set_xlabel("pretraining images (log scale); dashed: beyond the data", color=_GREY)
        axes.set_title(
            f"{metric} after transfer, with 80% intervals", loc="left", fontsize=12, pad=10
        )
        figure.legend(loc="outside lower center", frameon=False, fontsize=9)
        # Layout happens while drawing, which must see the same style.
        figure.draw_without_rendering()
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


def draw_levels(several: Sequence[Series], metric: str) -> Figure:
    """The metric at the levels of one field: a line for each series, told apart by colour
    (transfer), dashes and marker (what is held: equal epochs, equal steps, depth ...)."""
    axis = axis_of(several[0].field)
    units = several[0].units
    names = list(dict.fromkeys(level for each in several for level in each.levels))
    numeric = all(each.is_numeric for each in several)
    transfers = list(dict.fromkeys(each.transfer.name for each in several))
    labels = list(dict.fromkeys(each.label for each in several))
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(6.8, 4.5), layout="constrained")
        axes = figure.add_subplot()
        if numeric and axis.log:
            axes.set_xscale("log")
        for each in several:
            held = labels.index(each.label)
            style = {
                "color": _COLORS[transfers.index(each.transfer.name) % len(_COLORS)],
                "marker": _MARKERS[held % len(_MARKERS)],
                "linestyle": _DASHES[held % len(_DASHES)],
            }
            x = [float(level) if numeric else names.index(level) for level in each.levels]
            _draw_levels(axes, each, x, style)
        axes.xaxis.set_minor_locator(NullLocator())
        ticks = [float(name) for name in names] if numeric else list(range(len(names)))
        axes.set_xticks(ticks, [name_level(name) for name in names])
        if len(names) > 6:
            axes.tick_params(axis="x", labelrotation=60)
        _set_heights(axes, units)
        axes.set_xlabel(f"{axis.unit}{' (log scale)' if numeric and axis.log else ''}", color=_GREY)
        axes.set_title(f"{metric}, with 80% intervals", loc="left", fontsize=12, pad=10)
        figure.legend(loc="outside lower center", frameon=False, fontsize=9, ncols=2)
        figure.draw_without_rendering()
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
