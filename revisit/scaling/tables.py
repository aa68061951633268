"""Curves from a CSV table, and what was fitted to them as JSON and CSV."""

import csv
import itertools
import json
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import IO, Any, NamedTuple

import numpy as np

from revisit.errors import UserError
from revisit.scaling import intervals
from revisit.scaling.curves import Curve, Scale, recognize_scale
from revisit.scaling.selection import CurveFit, LawFit

DELIMITERS = ",;\t"
FORECAST = {"x": "x", "yhat": "yhat", "low": "lo80", "high": "hi80"}  # field -> its name in files


class Columns(NamedTuple):
    """Names of a table's columns; an empty seed or holdout: the table has none."""

    x: str
    y: str
    group: tuple[str, ...] = ()
    seed: str = ""
    holdout: str = ""

    @property
    def all(self) -> tuple[str, ...]:
        """Names of all columns that are given."""
        return tuple(
            name for name in (self.x, self.y, *self.group, self.seed, self.holdout) if name
        )


class Point(NamedTuple):
    """A row. value: NaN where it is empty in a row to predict. place: file and line."""

    group: tuple[str, ...]
    x: float
    value: float
    seed: str
    fit: bool
    place: str


class Table(NamedTuple):
    """Curves of a file by group, in the file's order; how their values are scaled; what was odd
    about the rows."""

    curves: tuple[Curve, ...]
    scale: Scale
    notes: tuple[str, ...]


class Forecast(NamedTuple):
    """What a law says of points or sizes x [m], in the metric's own unit: y [m] (NaN: not known),
    yhat, low, high [m]."""

    x: np.ndarray
    y: np.ndarray
    yhat: np.ndarray
    low: np.ndarray
    high: np.ndarray


class Asked(NamedTuple):
    """What is asked of a fit: predictions at sizes beside the held-out points, and the size that
    reaches a target; the unit of the metric."""

    sizes: tuple[float, ...]
    scale: Scale
    target: float | None = None


class Answer(NamedTuple):
    """What came of a curve. fit: None where there is a `refusal`."""

    curve: Curve
    fit: CurveFit | None
    refusal: str
    asked: Asked


class Target(NamedTuple):
    """A size that reaches a target and its interval; infinite: not within reach. reached: whether
    the smallest size that was measured does already."""

    size: float
    low: float
    high: float
    reached: bool


def _number(text: str, where: str) -> float:
    if not text.strip():
        raise UserError(f"{where} is empty: fill it in, or leave the row out")
    try:
        value = float(text.replace("_", ""))
    except ValueError:
        raise UserError(f"{where} is {text!r}, not a number (digits alone, as 1234.5)") from None
    if not math.isfinite(value):
        raise UserError(
            f"{where} is {text!r}: leave the row out, or mend the run that it came from"
        )
    return value


def _parse_row(row: dict[str, str], columns: Columns, where: str) -> Point:
    fit = True
    if columns.holdout:
        flag = _number(row[columns.holdout], f"{where}, column {columns.holdout!r}")
        if flag not in (0, 1):
            raise UserError(
                f"{where}, column {columns.holdout!r} is {flag:g}: 1 is fitted, 0 predicted"
            )
        fit = flag == 1
    x = _number(row[columns.x], f"{where}, column {columns.x!r}")
    if x < 0:
        raise UserError(f"{where}, column {columns.x!r} is {x:g}: a size is above 0")
    known = fit or row[columns.y].strip()
    value = _number(row[columns.y], f"{where}, column {columns.y!r}") if known else math.nan
    group = tuple(row[name] for name in columns.group)
    return Point(group, x, value, row[columns.seed] if columns.seed else "", fit, where)


def _read_header(file: IO[str], path: str) -> tuple[Iterator[list[str]], list[str]]:
    """Rows below the header, and the names in it; what stands between names stands between values
    too."""
    line = file.readline()
    file.seek(0)
    reader = csv.reader(file, delimiter=max(DELIMITERS, key=line.count), skipinitialspace=True)
    names = [name.strip() for name in next(reader, [])]
    repeated = [name for name in names if name and names.count(name) > 1]
    if repeated:
        raise UserError(f"{path}, line 1: column {repeated[0]!r} stands there twice")
    return reader, names


def read_rows(path: str, flag: str, needed: Sequence[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """Reads a table with a header, its values between commas, semicolons or tabs.

    Yields:
      "FILE, line N", and value by column; rows without any value are passed over.

    Raises:
      UserError: no such file or column, more values in a row than columns; the line is named.
    """
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            reader, names = _read_header(file, path)
            missing = [name for name in needed if name not in names]
            if missing:
                found = ", ".join(names) or "none"
                raise UserError(f"--{flag}={path}: no column {missing[0]!r}; its columns: {found}")
            for line, values in enumerate(reader, 2):
                if len(values) > len(names):
                    raise UserError(
                        f"{path}, line {line} has {len(values)} values under {len(names)} columns:"
                        ' put a value with a comma in "..."'
                    )
                if any(values):
                    padded = itertools.chain(values, itertools.repeat(""))
                    yield f"{path}, line {line}", dict(zip(names, padded, strict=False))
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"--{flag}={path} can't be read: {error}") from error


def _choose_rows(
    rows: Iterable[tuple[str, dict[str, str]]], where: Mapping[str, str]
) -> Iterator[tuple[str, dict[str, str]]]:
    """The rows that hold a value in each column that `where` names."""
    seen: dict[str, set[str]] = {column: set() for column in where}
    chosen = False
    for place, row in rows:
        for column in where:
            seen[column].add(row[column])
        if all(row[column] == value for column, value in where.items()):
            chosen = True
            yield place, row
    if where and not chosen:
        found = "; ".join(f"{name}: {', '.join(sorted(held))}" for name, held in seen.items())
        raise UserError(f"no row is as --where asks; the table has {found}")


def read_points(path: str, columns: Columns, where: Mapping[str, str]) -> list[Point]:
    """Rows of a CSV file that are as `where` asks, column -> value.

    Raises:
      UserError: as read_rows; a value that is no number, NaN; the line is named.
    """
    rows = _choose_rows(read_rows(path, "csv", (*columns.all, *where)), where)
    points = [_parse_row(row, columns, place) for place, row in rows]
    if not points:
        raise UserError(f"--csv={path} has no rows below its header")
    return points


def _without_repeats(points: Sequence[Point], columns: Columns) -> tuple[list[Point], int]:
    """Drops rows that repeat another whole; refuses two values for one seed of one size."""
    seen: dict[tuple, Point] = {}
    kept = []
    for point in points:
        key = (point.group, point.x, point.fit, point.seed if columns.seed else point.value)
        first = seen.setdefault(key, point)
        if first is not point and first.value != point.value:
            raise UserError(
                f"{point.place}: a second value of {columns.y!r} for one {columns.seed!r} at"
                f" {columns.x}={point.x:g} (the first: {first.place}): keep one, or tell them apart"
                " by --group or --where"
            )
        if first is point:
            kept.append(point)
    return kept, len(points) - len(kept)


def read_table(
    path: str, columns: Columns, metric: str, where: Mapping[str, str] | None = None
) -> Table:
    """Reads a CSV file into curves.

    Args:
      path: the file.
      columns: which columns mean what.
      metric: "error" (or loss) or "accuracy" (fractions or percent, recognised).
      where: column -> value of the rows that count; None: all.

    Raises:
      UserError: as read_points; units that are mixed; two values for one seed.
    """
    read = read_points(path, columns, where or {})
    sized = [point for point in read if point.x > 0]
    points, num_repeats = _without_repeats(sized, columns)
    known = np.array([point.value for point in points if not math.isnan(point.value)])
    if not known.size:
        raise UserError(f"--csv={path}: column {columns.y!r} is empty where {columns.x!r} is not 0")
    scale = recognize_scale(known, metric, columns.y)
    groups: dict[tuple[str, ...], list[Point]] = {}
    for point in points:
        groups.setdefault(point.group, []).append(point)
    notes = (
        *((f"{num_repeats} rows repeat another row: counted once",) if num_repeats else ()),
        *((f"{len(read) - len(sized)} rows have size 0, where no law holds: left out",)
          if len(sized) < len(read) else ()),
    )  # fmt: skip
    return Table(
        tuple(_make_curve(group, rows, scale) for group, rows in groups.items()), scale, notes
    )


def _make_curve(group: tuple[str, ...], points: Sequence[Point], scale: Scale) -> Curve:
    x, values, fit = (
        np.array(column) for column in zip(*((p.x, p.value, p.fit) for p in points), strict=True)
    )
    return Curve(group, x, scale.to_errors(values), fit)


def forecast(law_fit: LawFit, curve: Curve, sizes: Sequence[float], scale: Scale) -> Forecast:
    """What a law says of the curve's held-out points, and of other sizes."""
    x = np.concatenate([curve.x[~curve.fit], np.asarray(sizes, np.float64)])
    errors = np.concatenate([curve.errors[~curve.fit], np.full(len(sizes), np.nan)])
    if not x.size:
        return Forecast(*(np.zeros(0) for _ in range(5)))
    low, high = intervals.point_bounds(law_fit.draws, x)
    ends = np.sort(np.stack([scale.from_forecast(low), scale.from_forecast(high)]), axis=0)
    yhat = scale.from_forecast(law_fit.law.predict(law_fit.params[None], x)[0])
    return Forecast(x, scale.from_errors(errors), yhat, ends[0], ends[1])


def find_target(law_fit: LawFit, curve: Curve, target: float, scale: Scale) -> Target:
    """The size at which the law reaches a target of the metric."""
    error = float(scale.to_errors(np.array(target)))
    sizes = intervals.sizes_for(law_fit.law, law_fit.params[None], error, curve.x)
    drawn = intervals.sizes_for(law_fit.law, law_fit.draws.params, error, curve.x)
    # The middle of draws of which some are infinite: the nearest draw, never one between finite and
    # infinite.
    low, high = np.quantile(drawn, [0.1, 0.9], method="nearest")
    reached = bool(sizes[0] <= curve.x.min())
    return Target(float(sizes[0]), float(low), float(high), reached)


def _plain(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def describe_law(law_fit: LawFit) -> dict[str, Any]:
    """A law of fit.json. params are those of the error (1 - accuracy); score as the docstring of
    describe says."""
    low, high = intervals.bounds(law_fit.draws.params)
    names = law_fit.law.params
    score = law_fit.extrapolation if law_fit.score is None else law_fit.score
    return {
        "formula": law_fit.law.formula,
        "params": {name: _plain(value) for name, value in zip(names, law_fit.params, strict=True)},
        "params_lo80": {name: _plain(value) for name, value in zip(names, low, strict=True)},
        "params_hi80": {name: _plain(value) for name, value in zip(names, high, strict=True)},
        "score": _plain(score),
        "extrapolation": _plain(law_fit.extrapolation),
    }


def _describe_asked(fit: CurveFit, asked: Asked) -> dict[str, Any]:
    """Predictions and target of fit.json; none without a trend."""
    if not fit.trend.seen:
        return {"predictions": [], "target": None}
    only_asked = fit.curve._replace(fit=fit.curve.fit | True)
    columns = forecast(fit.best, only_asked, asked.sizes, asked.scale)._asdict()
    rows = zip(*(columns[name] for name in FORECAST), strict=True)
    found = None
    if asked.target is not None:
        target = find_target(fit.best, fit.curve, asked.target, asked.scale)
        found = {"value": asked.target, "x": _plain(target.size), "lo80": _plain(target.low),
                 "hi80": _plain(target.high), "already_reached": target.reached}  # fmt: skip
    return {
        "predictions": [dict(zip(FORECAST.values(), map(float, row), strict=True)) for row in rows],
        "target": found,
    }


def describe(fit: CurveFit, asked: Asked) -> dict[str, Any]:
    """A group of fit.json.

    score of a law: RMS log error on the held-out points, or, without any, on the larger of the
    sizes when fitted to the smaller (which is always `extrapolation`, and what the law is chosen
    by). predictions and target are those of the chosen law; an x or an end of its interval that is
    null is not within reach.
    """
    slope, *ends = (asked.scale.from_change(value) for value in fit.trend)
    return {
        "group": list(fit.curve.group),
        "num_points": int(fit.curve.fit.sum()),
        "sizes": [float(size) for size in fit.curve.sizes],
        "chosen": fit.chosen,
        "not_told_apart": list(fit.rivals),
        "trend": {
            "per_tenfold": slope,
            "lo80": min(ends),
            "hi80": max(ends),
            "seen": fit.trend.seen,
        },
        "notes": list(fit.notes),
        "laws": {name: describe_law(law_fit) for name, law_fit in fit.laws.items()},
        **_describe_asked(fit, asked),
    }


def _describe_refusal(curve: Curve, reason: str) -> dict[str, Any]:
    """A group of fit.json to which nothing could be fitted."""
    return {
        "group": list(curve.group),
        "num_points": int(curve.fit.sum()),
        "chosen": None,
        "laws": {},
        "refused": reason,
    }


def prediction_rows(fit: CurveFit, asked: Asked) -> Iterable[list]:
    """Rows of predictions.csv of every law: group, law, x, y, yhat, lo80, hi80; without a trend
    those of held-out points alone."""
    sizes = asked.sizes if fit.trend.seen else ()
    for name, law_fit in fit.laws.items():
        for x, y, *predicted in zip(*forecast(law_fit, fit.curve, sizes, asked.scale), strict=True):
            known = "" if math.isnan(y) else repr(float(y))
            yield [
                *fit.curve.group,
                name,
                repr(float(x)),
                known,
                *(repr(float(v)) for v in predicted),
            ]


def predictions_path(path: str) -> str:
    """F.json -> F.predictions.csv."""
    return f"{os.path.splitext(path)[0]}.predictions.csv"


def write_atomically(path: str, write: Callable[[Any], None]) -> None:
    """Writes a text file whole or not at all."""
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    temporary = f"{path}.{os.getpid()}.tmp"
    with open(temporary, "w", newline="", encoding="utf-8") as file:
        write(file)
    os.replace(temporary, path)


def write_fits(path: str, answers: Sequence[Answer], columns: Sequence[str]) -> None:
    """Writes F.json and F.predictions.csv.

    Args:
      path: F.json.
      answers: one a group.
      columns: names of the group's columns.
    """
    described = [
        describe(each.fit, each.asked) if each.fit else _describe_refusal(each.curve, each.refusal)
        for each in answers
    ]
    write_atomically(path, lambda file: json.dump(described, file, indent=2, allow_nan=False))
    header = [*columns, "law", "x", "y", "yhat", "lo80", "hi80"]
    rows = [row for each in answers if each.fit for row in prediction_rows(each.fit, each.asked)]
    write_atomically(
        predictions_path(path), lambda file: csv.writer(file).writerows([header, *rows])
    )
