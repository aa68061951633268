"""A study's report: one HTML file that needs no network, its figures as files, and a table for
terminals."""

import base64
import html
import io
import json
import os
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from matplotlib.figure import Figure
from ml_collections import ConfigDict

from revisit.scaling import axes, branches, decision, noise, plots, tables
from revisit.scaling.ablations import (
    Series,
    compare_sentence,
    interaction,
    make_series,
    name_level,
    split_runs,
)
from revisit.scaling.axes import DATA_SIZE, QUESTIONS
from revisit.scaling.branches import Branch
from revisit.scaling.findings import Finding, Units, find, length_sentence, scale_of, sign
from revisit.scaling.grid import PRETRAIN, Transfer, swept_fields, transfers_of
from revisit.scaling.results import Result
from revisit.training.modes import RANDOM

REPORT_FILE = "report.html"
FIT_FILE = "fit.json"
SHOWN_BRANCHES = 15
NOISE_FIELDS = {"data.noise_wrong": "wrong", "data.noise_missing": "missing"}

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


class Picture(NamedTuple):
    """A figure: name of its files, the figure, what it shows in words."""

    name: str
    figure: Figure
    text: str


class Analysis(NamedTuple):
    """A finished study: its config, all its results, and what they say.

    Attributes:
      config: of the study.
      results: of all runs.
      findings: curves against data size.
      series: levels of every field that is varied, data size too.
      units: of each transfer's metric, by the transfer's name.
      branches: of the taxonomy, those that gain most from data first; empty where runs don't tell.
    """

    config: ConfigDict
    results: tuple[Result, ...]
    findings: tuple[Finding, ...]
    series: tuple[Series, ...]
    units: dict[str, Units]
    branches: tuple[Branch, ...]

    def of_field(self, field: str) -> list[Series]:
        """The series of one field."""
        return [series for series in self.series if series.field == field]


def _find_curves(results: Sequence[Result], transfer: Transfer, units: Units) -> list[Finding]:
    own = [result for result in results if result.run.transfer == transfer.name]
    groups = split_runs(results, DATA_SIZE, transfer)
    if not groups:  # one size is reported, and refused a law
        groups = [("", tuple(each for each in own if each.run.init != RANDOM))]
    found = []
    for label, group in groups:
        model = _model(group[0])
        scratch = [r for r in own if r.run.init == RANDOM and _model(r).items() <= model.items()]
        found.append(find(group, scratch, transfer, label, units.scale))
    return found


def _model(result: Result) -> dict:
    settings = result.run.settings
    return {field: value for field, value in settings.items() if axes.is_of_model(field)}


def analyse(config: ConfigDict, results: Sequence[Result], workdir: str) -> Analysis:
    """Fits the curves of a study, and compares the levels of all else that it varies.

    Args:
      config: of the study.
      results: of its runs.
      workdir: where the runs lie; the per-class tables of pretraining are read there.
    """
    units, findings, series = {}, [], []
    for transfer in transfers_of(config):
        own = [result for result in results if result.run.transfer == transfer.name]
        units[transfer.name] = Units(scale_of(own, transfer))
        findings += _find_curves(results, transfer, units[transfer.name])
        for field in swept_fields(config):
            series += make_series(results, field, transfer, units[transfer.name])
    ranked = _rank_branches(findings, results, workdir)
    return Analysis(config, tuple(results), tuple(findings), tuple(series), units, tuple(ranked))


def _rank_branches(
    findings: Sequence[Finding], results: Sequence[Result], workdir: str
) -> list[Branch]:
    """From the pretraining runs behind the first curve against data size."""
    pretrained = [result for result in results if result.run.mode == PRETRAIN]
    for label, group in split_runs(results, DATA_SIZE, findings[0].transfer):
        if label == findings[0].label:
            names = {result.run.init for result in group}
            pretrained = [result for result in pretrained if result.run.name in names]
    found = branches.read_curves(pretrained, workdir)
    return branches.rank(found) if found else []


def _rows(finding: Finding, units: Units) -> Iterable[tuple[str, ...]]:
    """(what, mean, interval, seeds) of each row of a curve's table."""
    named = [(finding.scratch_title, finding.scratch)] if finding.scratch else []
    named += [(f"{size:,} images", values) for size, values in finding.values.items()]
    for name, values in named:
        mean = finding.spread.estimate(sum(values) / len(values), len(values))
        ends = f"{units.value(mean.low)} to {units.value(mean.high)}" if mean.bounded else ""
        yield name, units.value(mean.value), ends, ", ".join(map(units.value, values))


def _level_rows(series: Series) -> Iterable[tuple[str, ...]]:
    units = series.units
    for level, values in series.levels.items():
        mean = series.spread.estimate(sum(values) / len(values), len(values))
        ends = f"{units.value(mean.low)} to {units.value(mean.high)}" if mean.bounded else ""
        yield name_level(level), units.value(mean.value), ends, ", ".join(map(units.value, values))


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


def _how_made(study: Analysis) -> list[str]:
    """Plain sentences on what was run."""
    base = study.config.base
    pretrain = [result for result in study.results if result.run.mode == PRETRAIN]
    model = f"ResNet-{base.model.depth} of width {base.model.width}"
    seeds = len({result.run.seed for result in study.results})
    sentences = [
        f"{model} was pretrained on nested parts of {base.data.dir} ({len(pretrain)} runs), then"
        f" transferred; {seeds} seed{'s' if seeds > 1 else ''} each;"
        f" {len(study.results)} runs in all.",
    ]
    for finding in study.findings:
        own = [r for r in study.results if r.run.transfer == finding.transfer.name]
        groups = split_runs(study.results, DATA_SIZE, finding.transfer)
        length = length_sentence(dict(groups).get(finding.label, ()))
        if length:
            sentences.append(f"{finding.title}: {length}")
        seen = sorted({result.examples_seen for result in own})
        if seen[-1]:
            counts = f"{seen[0]:,}" if len(seen) == 1 else f"{seen[0]:,} to {seen[-1]:,}"
            sentences.append(
                f"{finding.transfer.title}: each run trained on {own[0].train_examples:,} images of"
                f" the transfer set and saw {counts}, repeats counted, whatever the pretraining."
            )
    return [*dict.fromkeys(sentences), _interval_note()]


def _interval_note() -> str:
    return (
        "Intervals hold 80%: those of laws by bootstrap over seeds and sizes; those of means and"
        " differences by Student's t, with the variance between seeds pooled over all levels."
        " Points are percentage points."
    )


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


def _capacity_sentences(study: Analysis, fields: Sequence[str]) -> list[str]:
    """Whether larger models gain more from data: the gains of the ends of a capacity axis."""
    sentences = []
    for field in fields:
        for transfer in transfers_of(study.config):
            curves = [
                each for each in study.of_field(DATA_SIZE) if each.transfer.name == transfer.name
            ]
            levels = {
                float(each.results[0].run.settings[field]): each
                for each in curves
                if field in each.results[0].run.settings
            }
            if len(levels) < 2:
                continue
            smaller, larger = levels[min(levels)], levels[max(levels)]
            more = interaction(smaller, larger)
            units = study.units[transfer.name]
            words = {1: "gains more from data than", 0: "no difference seen from", -1: "less than"}
            names = [axes.write_level(field, f"{level:g}") for level in sorted(levels)]
            sentences.append(
                f"{transfer.title}: {names[-1]}"
                f" {words[sign(more, units.scale)]} {names[0]} between"
                f" the smallest and the largest data: {units.change(more.value)}{units.points}"
                f" ({units.interval(more, units.change)})."
            )
    return sentences


def answers(study: Analysis) -> list[tuple[str, str, str]]:
    """(number, question, answer) of each research question."""
    answered = []
    for number, question, fields in QUESTIONS:
        sentences = [compare_sentence(each) for field in fields for each in study.of_field(field)]
        if fields == (DATA_SIZE,):
            sentences = [finding.sentences[0] for finding in study.findings]
        sentences += _capacity_sentences(study, [f for f in fields if axes.is_of_model(f)])
        answered.append((number, question, " ".join(sentences) or "Not varied in this study."))
    return answered


def _noise_sentences(study: Analysis) -> list[str]:
    sentences = []
    verified = study.config.get("verified")
    if verified:
        sentences.append(noise.precision_sentence(verified.correct, verified.checked))
    for field, kind in NOISE_FIELDS.items():
        for series in study.of_field(field):
            cleanest = min(series.levels)
            sizes = [
                each
                for each in study.of_field(DATA_SIZE)
                if each.transfer == series.transfer
                and each.results[0].run.settings.get(field) == cleanest
            ]
            if sizes:
                worths = noise.clean_worth(series, sizes[0])
                sentences += [
                    f"{series.title}: {noise.worth_sentence(worth, kind)}" for worth in worths
                ]
    return sentences


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
                f"{option.share.value:.0%} ({option.share.low:.0%} to {option.share.high:.0%})"
                if option.share
                else "",
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
            _table(each.title, _SEEDS_HEAD, _rows(each, study.units[each.transfer.name]))
            for each in study.findings
        ]
    else:
        parts += [
            _table(each.title, (axis.unit, *_SEEDS_HEAD[1:]), _level_rows(each))
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
    labels = _noise_sentences(study)
    asked = [(f"{number}. {question}", answer) for number, question, answer in answers(study)]
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
        f"<h2>The fitted laws</h2>{_items(each.sentences[-1] for each in study.findings)}",
        f"<h2>How it was made</h2>{_items(_how_made(study))}",
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
    answers = [
        tables.Answer(
            finding.curve,
            finding.fit,
            finding.refusal,
            tables.Asked((2 * largest, 10 * largest), study.units[finding.transfer.name].scale),
        )
        for finding in study.findings
    ]
    tables.write_fits(os.path.join(workdir, FIT_FILE), answers, ("transfer", "held"))


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


def terminal_table(study: Analysis) -> str:
    """Results and sentences as plain text."""
    lines = []
    for finding in study.findings:
        rows = list(_rows(finding, study.units[finding.transfer.name]))
        lines.append(f"{finding.title} ({finding.transfer.metric})")
        lines += [
            f"  {name:<26}{mean:>9}  {ends:<18} seeds {seeds}" for name, mean, ends, seeds in rows
        ]
    sentences = [sentence for finding in study.findings for sentence in finding.sentences]
    sentences += [compare_sentence(each) for each in study.series if each.field != DATA_SIZE]
    return "\n".join([*lines, "", *sentences, *_noise_sentences(study)])
