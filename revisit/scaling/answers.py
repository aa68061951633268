"""What readers are told of a study, in plain sentences made from its statistics."""

from collections.abc import Iterable

from revisit.scaling import axes, intervals, noise, tables
from revisit.scaling.ablations import Series, compare_sentence, interaction, name_level, split_runs
from revisit.scaling.analysis import Analysis, Capacity
from revisit.scaling.axes import DATA_SIZE, QUESTIONS
from revisit.scaling.findings import FORECAST_TIMES, Finding, Units, length_sentence, sign
from revisit.scaling.grid import PRETRAIN

NOISE_FIELDS = {"data.noise_wrong": "wrong", "data.noise_missing": "missing"}


def describe_making(study: Analysis) -> list[str]:
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


def _capacity_sentence(capacity: Capacity, units: Units) -> str:
    """Whether the largest model gains more from data than the smallest."""
    curves = list(capacity.curves.values())
    more = interaction(curves[0], curves[-1])
    words = {1: "gains more from data than", 0: "no difference seen from", -1: "gains less than"}
    names = [axes.write_level(capacity.field, f"{level:g}") for level in capacity.curves]
    return (
        f"{capacity.transfer.title}: {names[-1]} {words[sign(more, units.scale)]} {names[0]}"
        f" between the smallest and the largest data: {units.change(more.value)}{units.points}"
        f" ({units.interval(more, units.change)})."
    )


def _foreseen(capacity: Capacity, units: Units) -> str:
    """What a surface says of the largest model and of twice it, on the data there is and more."""
    assert capacity.surface is not None
    data = capacity.surface.ends[1]
    told = []
    for model, fit in zip(capacity.models, capacity.foreseen, strict=True):
        nothing_held_out = fit.curve._replace(fit=fit.curve.x > 0)
        said = tables.forecast(
            fit.best, nothing_held_out, [data, FORECAST_TIMES * data], units.scale
        )
        told += [
            f"{units.value(yhat)} ({units.value(low)} to {units.value(high)}) with {x:,.0f} images"
            f" at {axes.write_level(capacity.field, f'{model:g}')}"
            for x, yhat, low, high in zip(said.x, said.yhat, said.low, said.high, strict=True)
        ]
    return "; ".join(told)


def _surface_sentence(capacity: Capacity, units: Units) -> str:
    """The surface over data and model size."""
    name = capacity.field.rpartition(".")[2]
    title = f"{capacity.transfer.title}, data and {name} together"
    surface = capacity.surface
    if surface is None:
        return f"{title}: no surface fitted: {capacity.refusal}."
    ends = zip(*intervals.bounds(surface.draws), strict=True)
    params = ", ".join(
        f"{param} = {value:.3g} ({low:.3g} to {high:.3g})"
        for param, value, (low, high) in zip(surface.form.params, surface.params, ends, strict=True)
    )
    return (
        f"{title}: {surface.form.formula}, where y is the error, n the number of pretraining images"
        f" and m the {name}; {params}. It foresees {_foreseen(capacity, units)}. In brackets: 80%"
        " intervals."
    )


def law_sentences(study: Analysis) -> list[str]:
    """The law of each curve, and the surface over those of several models."""
    joint = [_surface_sentence(each, study.units[each.transfer.name]) for each in study.capacities]
    return [*(each.sentences[-1] for each in study.findings), *joint]


def answer_questions(study: Analysis) -> list[tuple[str, str, str]]:
    """(number, question, answer) of each research question."""
    answered = []
    for number, question, fields in QUESTIONS:
        sentences = [compare_sentence(each) for field in fields for each in study.of_field(field)]
        if fields == (DATA_SIZE,):
            sentences = [finding.sentences[0] for finding in study.findings]
        sentences += [
            _capacity_sentence(each, study.units[each.transfer.name])
            for each in study.capacities
            if each.field in fields
        ]
        answered.append((number, question, " ".join(sentences) or "Not varied in this study."))
    return answered


def noise_sentences(study: Analysis) -> list[str]:
    """What labels are worth, and how right they are."""
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


def curve_rows(finding: Finding, units: Units) -> Iterable[tuple[str, ...]]:
    """(what, mean, interval, seeds) of each row of a curve's table."""
    named = [(finding.scratch_title, finding.scratch)] if finding.scratch else []
    named += [(f"{size:,} images", values) for size, values in finding.values.items()]
    for name, values in named:
        mean = finding.spread.estimate(sum(values) / len(values), len(values))
        ends = f"{units.value(mean.low)} to {units.value(mean.high)}" if mean.bounded else ""
        yield name, units.value(mean.value), ends, ", ".join(map(units.value, values))


def level_rows(series: Series) -> Iterable[tuple[str, ...]]:
    """(level, mean, interval, seeds) of each row of a series' table."""
    units = series.units
    for level, values in series.levels.items():
        mean = series.spread.estimate(sum(values) / len(values), len(values))
        ends = f"{units.value(mean.low)} to {units.value(mean.high)}" if mean.bounded else ""
        yield name_level(level), units.value(mean.value), ends, ", ".join(map(units.value, values))


def terminal_table(study: Analysis) -> str:
    """Results and sentences as plain text."""
    lines = []
    for finding in study.findings:
        rows = list(curve_rows(finding, study.units[finding.transfer.name]))
        lines.append(f"{finding.title} ({finding.transfer.metric})")
        lines += [
            f"  {name:<26}{mean:>9}  {ends:<18} seeds {seeds}" for name, mean, ends, seeds in rows
        ]
    sentences = [sentence for finding in study.findings for sentence in finding.sentences]
    sentences += [compare_sentence(each) for each in study.series if each.field != DATA_SIZE]
    return "\n".join([*lines, "", *sentences, *noise_sentences(study)])
