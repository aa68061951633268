r"""Fits laws of metric against data size to a table, chooses one, and says what it predicts.

    python -m revisit.fit --csv=results.csv --x=images --y=top_1 --metric=accuracy --group=model \
        --predict=1e6,1e7 --target=0.8 --out=fit.json

Any CSV table will do: a row is a measured point; rows with the same size are its seeds. Of a
study's results.csv, --where chooses the rows: --where=metric=top_1,transfer=linear_probe.
--out=F.json writes one object a group, and F.predictions.csv beside it.
"""

from collections.abc import Iterator, Sequence

from absl import flags

from revisit import cli
from revisit.errors import UserError
from revisit.scaling import curves, surfaces, tables
from revisit.scaling.selection import RISES, CurveFit, fit_curves

_CSV = flags.DEFINE_string("csv", None, "Table of points, one a row.")
_X = flags.DEFINE_string("x", None, "Column of the data size.")
_Y = flags.DEFINE_string("y", None, "Column of the metric.")
_GROUP = flags.DEFINE_list("group", [], "Columns that tell curves apart, by commas.")
_WHERE = flags.DEFINE_list(
    "where", [], "COLUMN=VALUE by commas: only the rows that hold these, as metric=top_1."
)
_SEED_COLUMN = flags.DEFINE_string(
    "seed_column", "", "Column of the seed; checks that each counts once a size."
)
_METRIC = flags.DEFINE_enum(
    "metric", "error", curves.METRICS, "Error or loss, or accuracy (fraction or percent)."
)
_MODEL_SIZE = flags.DEFINE_string(
    "model_size", "", "Column of the model size: tells curves apart, and fits a surface over both."
)
_PREDICT_MODEL = flags.DEFINE_list(
    "predict_model", [], "Model sizes at which the surface predicts too, by commas."
)
_HOLDOUT = flags.DEFINE_string(
    "holdout", "", "Column that is 1 for points to fit, 0 for points to predict and score."
)
_PREDICT = flags.DEFINE_list("predict", [], "Sizes to predict, by commas, as 1e6,1e7.")
_TARGET = flags.DEFINE_float("target", None, "Value of the metric whose data size is asked for.")
_OUT = flags.DEFINE_string("out", "", "F.json to write; F.predictions.csv comes beside it.")

_NUM_DRAWS = 200


def _required(holder: flags.FlagHolder) -> str:
    if not holder.value:
        raise UserError(f"--{holder.name} is missing (--help lists the flags)")
    return holder.value


def _sizes(holder: flags.FlagHolder) -> tuple[float, ...]:
    given = f"--{holder.name}={','.join(holder.value)}"
    try:
        sizes = tuple(float(text) for text in holder.value)
    except ValueError:
        raise UserError(f"{given}: sizes are numbers by commas, as 1e6,1e7") from None
    if any(not 0 < size < float("inf") for size in sizes):
        raise UserError(f"{given}: a size is above 0 and finite")
    return sizes


def _conditions(texts: Sequence[str]) -> dict[str, str]:
    pairs = [text.partition("=") for text in texts]
    if not all(column and equals for column, equals, _ in pairs):
        raise UserError(f"--where={','.join(texts)}: write COLUMN=VALUE by commas, as metric=top_1")
    return {column: value for column, _, value in pairs}


def _law_lines(fit: CurveFit) -> list[str]:
    lines = [f"  {'law':<12}{'extrapolation':>14}{'held out':>10}  parameters"]
    for name, law_fit in fit.laws.items():
        held_out = "" if law_fit.score is None else f"{law_fit.score:.4f}"
        values = zip(law_fit.law.params, law_fit.params, strict=True)
        own = [(param, value) for param, value in values if "." not in param]  # not of its parts
        params = "  ".join(f"{param}={value:.4g}" for param, value in own)
        mark = "*" if name == fit.chosen else ""
        lines.append(f"  {name + mark:<12}{law_fit.extrapolation:>14.4f}{held_out:>10}  {params}")
    return lines


def _size_text(size: float) -> str:
    """Four digits of a size: 24,790,000."""
    return f"{float(f'{size:.4g}'):,.0f}" if 10 <= size < 1e15 else f"{size:.4g}"


def _forecast_lines(fit: CurveFit, asked: tables.Asked) -> list[str]:
    only_asked = fit.curve._replace(fit=fit.curve.fit | True)
    forecast = tables.forecast(fit.best, only_asked, asked.sizes, asked.scale)
    rows = zip(forecast.x, forecast.yhat, forecast.low, forecast.high, strict=True)
    return [
        f"  at {_size_text(x)}: {yhat:.4g}  (80% interval {low:.4g} to {high:.4g})"
        for x, yhat, low, high in rows
    ]


def _target_lines(fit: CurveFit, asked: tables.Asked) -> list[str]:
    if asked.target is None:
        return []
    found = tables.find_target(fit.best, fit.curve, asked.target, asked.scale)
    low, high = (
        _size_text(end) if end < float("inf") else "beyond reach" for end in (found.low, found.high)
    )
    interval = f"  (80% interval {low} to {high})" if found.low < float("inf") else ""
    if found.reached:
        answer = f"reached already at the smallest size, {_size_text(found.size)}"
    elif found.size == float("inf"):
        answer = f"not within reach under this law{interval}"
    else:
        answer = f"at {_size_text(found.size)}{interval}"
    return [f"  target {asked.target:g}: {answer}"]


def _asked_lines(fit: CurveFit, asked: tables.Asked) -> list[str]:
    """Answers to --predict and --target."""
    if fit.trend.seen:
        return [*_forecast_lines(fit, asked), *_target_lines(fit, asked)]
    wanted = asked.sizes or asked.target is not None
    return ["  refused: no size is foreseen without a trend"] if wanted else []


def summarize(fit: CurveFit, asked: tables.Asked) -> str:
    """What is printed of a group."""
    slope, *ends = (asked.scale.from_change(value) for value in fit.trend)
    rivals = f"; the data can't tell apart {', '.join(fit.rivals)}" if fit.rivals else ""
    hint = "; an accuracy? --metric=accuracy" if asked.scale.metric == "error" else ""
    lines = [
        f"{fit.curve.name}: {int(fit.curve.fit.sum())} points, {fit.curve.sizes.size} sizes",
        *_law_lines(fit),
        f"  chosen {fit.chosen}: {fit.best.law.formula}{rivals}",
        f"  per tenfold data: {slope:+.4g}  (80% interval {min(ends):+.4g} to {max(ends):+.4g})",
        *(f"  note: {note}{hint if note == RISES else ''}" for note in fit.notes),
        *_asked_lines(fit, asked),
    ]
    return "\n".join(lines)


def _answer(curves_: Sequence[curves.Curve], asked: tables.Asked) -> Iterator[tables.Answer]:
    """Fits the curves that hold a law, beside each other, in the table's order."""
    reasons = [curves.refusal(curve) for curve in curves_]
    if all(reasons):
        raise UserError(f"nothing could be fitted: {curves_[0].name}: {reasons[0]}")
    good = [curve for curve, reason in zip(curves_, reasons, strict=True) if not reason]
    fitting = fit_curves(good, _NUM_DRAWS)
    for curve, reason in zip(curves_, reasons, strict=True):
        yield tables.Answer(curve, None if reason else next(fitting), reason, asked)


def main(argv: Sequence[str]) -> None:
    """Reads the table, fits and prints each curve, and writes --out."""
    group = (*_GROUP.value, *filter(None, [_MODEL_SIZE.value]))
    columns = tables.Columns(
        _required(_X), _required(_Y), group, _SEED_COLUMN.value, _HOLDOUT.value
    )
    table = tables.read_table(_required(_CSV), columns, _METRIC.value, _conditions(_WHERE.value))
    asked = tables.Asked(_sizes(_PREDICT), table.scale, _TARGET.value)
    curves.check_target(asked.target, table.scale)
    notes, answers = table.notes, list(_answer(table.curves, asked))
    if _MODEL_SIZE.value:
        answers, refused = surfaces.add_surfaces(answers, _sizes(_PREDICT_MODEL))
        notes += refused
    for note in notes:
        print(f"note: {note}")
    for answer in answers:
        refusal = f"refused: {answer.curve.name}: {answer.refusal}"
        print(summarize(answer.fit, asked) if answer.fit else refusal)
    if _OUT.value:
        tables.write_fits(_OUT.value, answers, group)


if __name__ == "__main__":
    cli.run(main)
