"""A study's report: one HTML file that needs no network, its figure, and a table for terminals."""

import base64
import html
import io
import json
import os
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ml_collections import ConfigDict

from revisit.scaling import plots, tables
from revisit.scaling.curves import Scale
from revisit.scaling.findings import (
    SCRATCH_TITLES,
    Finding,
    Units,
    find,
    length_sentence,
)
from revisit.scaling.grid import PRETRAIN
from revisit.scaling.results import Result

REPORT_FILE = "report.html"
FIT_FILE = "fit.json"

_CSS = """
:root { color-scheme: light dark; --ink: #1d2733; --soft: #5b6673; --line: #d8dde3; --back: #fff; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6eaef; --soft: #9aa5b1; --line: #38424d; --back: #14191f; }
  figure img { background: #fff; border-radius: 6px; }
}
* { box-sizing: border-box; }
body { font: 17px/1.55 system-ui, sans-serif; color: var(--ink); background: var(--back);
       max-width: 46rem; margin: 0 auto; padding: 1.2rem; }
h1 { font-size: 1.1rem; font-weight: 600; color: var(--soft); margin: 0 0 .6rem; }
h2 { font-size: 1.1rem; margin: 2.2rem 0 .5rem; }
.headline { font-size: 1.3rem; line-height: 1.4; font-weight: 600; margin: 0 0 .8rem; }
figure { margin: 1.4rem 0; } figure img { width: 100%; height: auto; }
figcaption, .soft { color: var(--soft); font-size: .9rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: 600; padding: .3rem 0; }
th, td { padding: .3rem .6rem; border-bottom: 1px solid var(--line); text-align: right;
         white-space: nowrap; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
th { font-weight: 600; color: var(--soft); font-size: .85rem; }
ul { padding-left: 1.2rem; } li { margin: .4rem 0; }
pre { font-size: .75rem; overflow-x: auto; }
@media (max-width: 36rem) { table { font-size: .8rem; } th, td { padding: .3rem .35rem; }
  td:nth-child(3), td:nth-child(4) { white-space: normal; } }
@media print { body { font-size: 10.5pt; max-width: none; padding: 0; } details { display: none; }
  figure, table { break-inside: avoid; } }
"""


class Study(NamedTuple):
    """A finished study: its config, all its results, and what they say."""

    config: ConfigDict
    results: tuple[Result, ...]
    findings: tuple[Finding, ...]
    units: Units


def analyse(config: ConfigDict, results: Sequence[Result]) -> Study:
    """Fits the curves of a study whose runs are all finished."""
    units = Units(Scale(config.metric_type))
    modes = config.grid.transfer_modes
    found = tuple(find(results, mode, config.metric, units.scale) for mode in modes)
    return Study(config, tuple(results), found, units)


def _rows(finding: Finding, units: Units) -> Iterable[tuple[str, str, str, str]]:
    """(what, mean, interval, seeds) of each row of a mode's table."""
    named = [(SCRATCH_TITLES[finding.mode], finding.scratch)] if finding.scratch else []
    named += [(f"{size:,} images", values) for size, values in finding.values.items()]
    for name, values in named:
        mean = finding.spread.estimate(sum(values) / len(values), len(values))
        ends = f"{units.value(mean.low)} to {units.value(mean.high)}" if mean.bounded else ""
        yield name, units.value(mean.value), ends, ", ".join(map(units.value, values))


def _table(finding: Finding, units: Units) -> str:
    head = "".join(f"<th>{name}</th>" for name in ("", "mean", "80% interval", "seeds"))
    body = "".join(
        f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in row)}</tr>"
        for row in _rows(finding, units)
    )
    return (
        f"<div class=wide><table><caption>{html.escape(finding.title)}</caption>"
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _how_made(study: Study) -> list[str]:
    """Plain sentences on what was run."""
    base, grid = study.config.base, study.config.grid
    pretrain = [result for result in study.results if result.run.mode == PRETRAIN]
    model = f"ResNet-{base.model.depth} of width {base.model.width}"
    seeds = len(list(grid.seeds))
    sentences = [
        f"{model} was pretrained on nested parts of {base.data.dir} ({len(pretrain)} runs), then"
        f" transferred; {seeds} seed{'s' if seeds > 1 else ''} each;"
        f" {len(study.results)} runs in all.",
        length_sentence(study.results),
    ]
    for finding in study.findings:
        own = [result for result in study.results if result.run.mode == finding.mode]
        seen = sorted({result.examples_seen for result in own})
        counts = f"{seen[0]:,}" if len(seen) == 1 else f"{seen[0]:,} to {seen[-1]:,}"
        sentences.append(
            f"{finding.title}: each run trained on {own[0].train_examples:,} images of the transfer"
            f" set and saw {counts}, repeats counted, whatever the pretraining."
        )
    return [*sentences, _interval_note()]


def _interval_note() -> str:
    return (
        "Intervals hold 80%: those of laws by bootstrap over seeds and sizes; those of means and"
        " differences by Student's t, with the variance between seeds pooled over all sizes."
        " Points are percentage points."
    )


def _figure(svg: bytes, study: Study) -> str:
    encoded = base64.b64encode(svg).decode()
    text = " ".join(finding.sentences[0] for finding in study.findings)
    return (
        f'<figure><img alt="{html.escape(text)}" src="data:image/svg+xml;base64,{encoded}">'
        "<figcaption>Each dot is a run with its own seed. Lines are the fitted laws, bands their"
        " 80% intervals; dotted: without pretraining.</figcaption></figure>"
    )


def _items(sentences: Iterable[str]) -> str:
    return f"<ul>{''.join(f'<li>{html.escape(sentence)}</li>' for sentence in sentences)}</ul>"


def render(study: Study, svg: bytes) -> str:
    """The HTML of the report; svg is its figure."""
    headline, *others = [finding.sentences[0] for finding in study.findings]
    beside = [s for finding in study.findings for s in finding.sentences[1:-1]]
    laws = [finding.sentences[-1] for finding in study.findings]
    config = json.dumps(study.config.to_dict(), indent=1)
    parts = [
        f"<h1>{html.escape(study.config.title)}</h1>",
        f'<p class="headline">{html.escape(headline)}</p>',
        *(f'<p class="headline">{html.escape(sentence)}</p>' for sentence in others),
        _items(beside) if beside else "",
        _figure(svg, study),
        f"<h2>Results: {html.escape(study.config.metric)}</h2>",
        *(_table(finding, study.units) for finding in study.findings),
        f"<h2>The fitted laws</h2>{_items(laws)}",
        f"<h2>How it was made</h2>{_items(_how_made(study))}",
        f"<details><summary>The whole config</summary><pre>{html.escape(config)}</pre></details>",
    ]
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html.escape(study.config.title)}</title><style>{_CSS}</style></head>"
        f"<body>{''.join(parts)}</body></html>\n"
    )


def _write_fit(study: Study, workdir: str) -> None:
    """fit.json and fit.predictions.csv, as the fit command writes them."""
    fits = [finding.fit for finding in study.findings if finding.fit is not None]
    described = [
        tables.describe(finding.fit, study.units.scale)
        if finding.fit is not None
        else tables.describe_refusal(finding.curve, finding.refusal)
        for finding in study.findings
    ]
    largest = max(float(finding.curve.x.max()) for finding in study.findings)
    asked = tables.Predictions((2 * largest, 10 * largest), study.units.scale)
    tables.write_fits(os.path.join(workdir, FIT_FILE), described, fits, ("mode",), asked)


def write_report(study: Study, workdir: str) -> str:
    """Writes fit.json, curve.png, curve.svg and report.html; returns the report's path."""
    _write_fit(study, workdir)
    figure = plots.draw_curve(study.findings, study.config.metric, study.units)
    plots.save_curve(figure, os.path.join(workdir, "curve.png"), "png")
    svg = io.BytesIO()
    plots.save_curve(figure, svg, "svg")
    with open(os.path.join(workdir, "curve.svg"), "wb") as file:
        file.write(svg.getvalue())
    path = os.path.join(workdir, REPORT_FILE)
    page = render(study, svg.getvalue())
    tables.write_atomically(path, lambda file: file.write(page))
    return path


def terminal_table(study: Study) -> str:
    """Results and sentences as plain text."""
    lines = []
    for finding in study.findings:
        rows = list(_rows(finding, study.units))
        lines.append(f"{finding.title} ({study.config.metric})")
        lines += [
            f"  {name:<26}{mean:>9}  {ends:<18} seeds {seeds}" for name, mean, ends, seeds in rows
        ]
    sentences = [sentence for finding in study.findings for sentence in finding.sentences]
    return "\n".join([*lines, "", *sentences])
