"""A study's report: one HTML file that needs no network, and its figures as files."""

import base64
import html
import io
import json
import os
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from matplotlib.figure import Figure

from revisit.scaling import answers, axes, branches, decision, plots, tables
from revisit.scaling.ablations import compare_sentence
from revisit.scaling.analysis import Analysis
from revisit.scaling.axes import DATA_SIZE
from revisit.scaling.findings import Estimate
from revisit.scaling.grid import swept_fields, transfers_of

REPORT_FILE = "report.html"
FIT_FILE = "fit.json"
SHOWN_BRANCHES = 15

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
@media (max-width: 36rem) { table { font-size: .8rem; }
  th, td { padding: .3rem .3rem; white-space: normal; } th { font-size: .75rem; } }
@media print { body { font-size: 10.5pt; max-width: none; padding: 0; } details { display: none; }
  figure, table { break-inside: avoid; } h2, ul, figure { break-after: avoid; }
  h2 { margin-top: 1.4rem; } figure { margin: .6rem 0; }
  figure img { width: 60%; } .wide { overflow: visible; } table { font-size: .85em; }
  th, td { white-space: normal; } }
"""


class Picture(NamedTuple):
    """A figure: name of its files, the figure, what it shows in words."""

    name: str
    figure: Figure
    text: str


def _table(caption: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    heads = "".join(f"<th>{html.escape(name)}</th>" for name in head)
    body = "".join(
        f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in row)}</tr>" for row in rows
    )
    return (
        f"<div class=wide><table><caption>{html.escape(caption)}</caption>"
        f"<thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>"
    )


_SEEDS_HEAD = ("", "mean", "80% interval", "seeds")


def _name_picture(field: str, metric: str, first: str) -> str:
    name = "curve" if field == DATA_SIZE else field.rpartition(".")[2]
    return name if metric == first else f"{name}_{metric}"


def make_pictures(study: Analysis) -> dict[str, list[Picture]]:
    """Figures by field: one for each metric; and "branches"."""
    first = study.config.metric
    pictures: dict[str, list[Picture]] = {}
    for field in dict.fromkeys((DATA_SIZE, *swept_fields(study.config))):
        for metric in dict.fromkeys(finding.transfer.metric for finding in study.findings):
            figure, text = _draw(study, field, metric)
            if figure:
                name = _name_picture(field, metric, first)
                pictures.setdefault(field, []).append(Picture(name, figure, text))
    if study.branches:
        text = "Gain in average precision for ten times the data, by branch of the taxonomy."
        figure = plots.draw_branches(study.branches[:SHOWN_BRANCHES])
        pictures["branches"] = [Picture("branches", figure, text)]
    return pictures


def _draw(study: Analysis, field: str, metric: str) -> tuple[Figure | None, str]:
    if field == DATA_SIZE:
        found = [each for each in study.findings if each.transfer.metric == metric]
        figure = plots.draw_curve(found, metric, study.units[found[0].transfer.name])
        return figure, " ".join(finding.sentences[0] for finding in found)
    several = [each for each in study.of_field(field) if each.transfer.metric == metric]
    if not several:
        return None, ""
    return plots.draw_levels(several, metric), " ".join(map(compare_sentence, several))


_CAPTIONS = {
    DATA_SIZE: "Each dot is a run with its own seed. Lines are the fitted laws, bands their 80%"
    " intervals; dotted: without pretraining.",
    "branches": "Bars: gain for ten times the data; whiskers: 80% interval.",
}
_LEVEL_CAPTION = "Each small dot is a run with its own seed; whiskers are 80% intervals of means."


def _figure(picture: Picture, caption: str) -> str:
    encoded = base64.b64encode(render_picture(picture, "svg")).decode()
    return (
        f'<figure><img alt="{html.escape(picture.text)}"'
        f' src="data:image/svg+xml;base64,{encoded}">'
        f"<figcaption>{html.escape(caption)}</figcaption></figure>"
    )


def render_picture(picture: Picture, kind: str) -> bytes:
    """The bytes of a figure as "png" or "svg"."""
    file = io.BytesIO()
    plots.save_curve(picture.figure, file, kind)
    return file.getvalue()


def _items(sentences: Iterable[str]) -> str:
    return f"<ul>{''.join(f'<li>{html.escape(sentence)}</li>' for sentence in sentences)}</ul>"


def _share_text(share: Estimate) -> str:
    """0.124 of 0.05 to 0.2 -> "12% (5% to 20%)"; the share alone where no interval is known."""
    value, low, high = (f"{100 * part:.0f}%".replace("-0%", "0%") for part in share)
    return f"{value} ({low} to {high})" if share.bounded else value


def _decision(study: Analysis) -> str:
    costs, target = study.config.get("costs"), study.config.get("target")
    if costs is None:
        return ""
    parts = ["<h2>What to buy next</h2>"]
    for transfer in transfers_of(study.config):
        own = [series for series in study.series if series.transfer == transfer]
        units = study.units[transfer.name]
        goal = target if transfer.metric == study.config.metric else None
        rows = [
            (
                option.what,
                f"{option.cost:,.2f}",
                units.change(option.gain.value) + units.points,
                units.interval(option.gain, units.change).removeprefix("80% interval "),
                _share_text(option.share) if option.share else "",
            )
            for option in decision.options(own, costs, goal)
        ]
        head = ("spend on", "cost", "gain", "80% interval", "of the way to the target")
        parts.append(_table(transfer.title, head, rows))
    parts.append(
        f'<p class="soft">Prices: {costs.image:g} an image, {costs.clean_label:g} a clean label,'
        f" {costs.gpu_hour:g} a GPU hour (the hours measured here); budget {costs.budget:,g}."
        " Gains are the measured slopes, used no further than tenfold; what can't be told to help"
        " stands last.</p>"
    )
    return "".join(parts)


def _section(study: Analysis, field: str, pictures: Sequence[Picture]) -> str:
    """One varied field: sentences, figures, tables."""
    axis = axes.axis_of(field)
    caption = _CAPTIONS.get(field, _LEVEL_CAPTION)
    parts = [f"<h2>{html.escape(axis.title)}</h2>"]
    if field == DATA_SIZE:
        beside = [s for finding in study.findings for s in finding.sentences[1:-1]]
        parts.append(_items(beside) if beside else "")
    else:
        parts.append(_items(compare_sentence(each) for each in study.of_field(field)))
    parts += [_figure(picture, caption) for picture in pictures]
    if field == DATA_SIZE:
        parts += [
            _table(
                each.title, _SEEDS_HEAD, answers.curve_rows(each, study.units[each.transfer.name])
            )
            for each in study.findings
        ]
    else:
        parts += [
            _table(each.title, (axis.unit, *_SEEDS_HEAD[1:]), answers.level_rows(each))
            for each in study.of_field(field)
        ]
    return "".join(parts)


def _branch_section(study: Analysis, pictures: Sequence[Picture]) -> str:
    rows = [
        (
            branch.title,
            branch.kind,
            f"{branch.smallest:.3f}",
            f"{branch.largest:.3f}",
            f"{branch.per_tenfold:+.3f} ({branch.lo80:+.3f} to {branch.hi80:+.3f})",
        )
        for branch in study.branches[:SHOWN_BRANCHES]
    ]
    head = ("branch", "kind", "smallest data", "largest data", "per tenfold (80% interval)")
    return (
        "<h2>Which branch lacks data</h2><p>Average precision in pretraining, those first that gain"
        f" the most for ten times the data; all {len(study.branches):,} in branches.csv.</p>"
        + "".join(_figure(picture, _CAPTIONS["branches"]) for picture in pictures)
        + _table("Classes and subtrees", head, rows)
    )


def render(study: Analysis, pictures: dict[str, list[Picture]]) -> str:
    """The HTML of the report."""
    title = html.escape(study.config.title)
    config = json.dumps(study.config.to_dict(), indent=1)
    labels = answers.noise_sentences(study)
    asked = [
        (f"{number}. {question}", answer)
        for number, question, answer in answers.answer_questions(study)
    ]
    others = [field for field in swept_fields(study.config) if field != DATA_SIZE]
    parts = [
        f"<h1>{title}</h1>",
        *(f'<p class="headline">{html.escape(f.sentences[0])}</p>' for f in study.findings[:2]),
        "<h2>The questions</h2>",
        *(
            f"<p><b>{html.escape(question)}</b> {html.escape(answer)}</p>"
            for question, answer in asked
        ),
        _decision(study),
        _section(study, DATA_SIZE, pictures[DATA_SIZE]),
        *(_section(study, field, pictures[field]) for field in others if field in pictures),
        f"<h2>What labels are worth</h2>{_items(labels)}" if labels else "",
        _branch_section(study, pictures["branches"]) if study.branches else "",
        f"<h2>The fitted laws</h2>{_items(answers.law_sentences(study))}",
        f"<h2>How it was made</h2>{_items(answers.describe_making(study))}",
        f"<details><summary>The whole config</summary><pre>{html.escape(config)}</pre></details>",
    ]
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{_CSS}</style></head>"
        f"<body>{''.join(parts)}</body></html>\n"
    )


def _write_fit(study: Analysis, workdir: str) -> None:
    """fit.json and fit.predictions.csv, as the fit command writes them."""
    largest = max(float(finding.curve.x.max()) for finding in study.findings)
    asked = {
        name: tables.Asked((2 * largest, 10 * largest), units.scale)
        for name, units in study.units.items()
    }
    fits = [(each.transfer.name, each.curve, each.fit, each.refusal) for each in study.findings]
    fits += [
        (each.transfer.name, fit.curve, fit, "")
        for each in study.capacities
        for fit in each.foreseen
    ]
    answered = [tables.Answer(curve, fit, why, asked[name]) for name, curve, fit, why in fits]
    tables.write_fits(os.path.join(workdir, FIT_FILE), answered, ("transfer", "held"))


def write_report(study: Analysis, workdir: str) -> str:
    """Writes fit.json, branches.csv, each figure as PNG and SVG, and report.html; returns the
    report's path."""
    _write_fit(study, workdir)
    if study.branches:
        branches.write_branches(study.branches, workdir)
    pictures = make_pictures(study)
    for picture in (each for several in pictures.values() for each in several):
        for kind in ("png", "svg"):
            with open(os.path.join(workdir, f"{picture.name}.{kind}"), "wb") as file:
                file.write(render_picture(picture, kind))
    path = os.path.join(workdir, REPORT_FILE)
    page = render(study, pictures)
    tables.write_atomically(path, lambda file: file.write(page))
    return path
