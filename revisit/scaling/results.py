"""What the runs of a study came to: result.json of each, results.csv of all.

results.csv has one row for each run and figure. A table made by hand needs the columns marked *
alone: `revisit.study --results=FILE` reports it.
  run                 the run's name, its directory under runs/
  transfer *          name of the transfer, as in the study's config; empty for pretraining
  mode                pretrain, linear_probe, finetune
  init                the run that it starts from, "random", or empty (pretraining)
  seed *
  num_examples *      pretraining images behind the backbone; 0 from random weights
  pretrain_seen       images that the backbone was pretrained on, repeats counted
  pretrain_seconds    of the steps of that pretraining
  train_examples      different images that this run itself trained on
  examples_seen       images that this run itself trained on, repeats counted
  step                its last step
  seconds             of training steps, without start-up and evaluation
  images_per_second   examples_seen / seconds
  metric, value *     figure of the evaluation split at the last step
and one column for each field that the study varies, by its dotted name (data.fraction, model.depth,
train.duration ...), and "start" where pretraining's start is varied.
"""

import csv
import json
import math
import os
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from revisit.errors import UserError
from revisit.scaling.axes import is_setting
from revisit.scaling.grid import PRETRAIN, Run
from revisit.scaling.tables import read_rows, write_atomically
from revisit.training.modes import RANDOM

RESULT_FILE = "result.json"
RESULTS_FILE = "results.csv"
RUNS = "runs"
NUMBERS = (
    "num_examples",
    "pretrain_seen",
    "pretrain_seconds",
    "train_examples",
    "examples_seen",
    "step",
    "seconds",
)
NEEDED = ("transfer", "seed", "num_examples", "metric", "value")


class Result(NamedTuple):
    """A finished run; fields as the columns of results.csv. metrics: figures by name."""

    run: Run
    num_examples: int
    pretrain_seen: int
    pretrain_seconds: float
    train_examples: int
    examples_seen: int
    step: int
    seconds: float
    metrics: dict[str, float]

    @property
    def images_per_second(self) -> float:
        """Training images a second over the whole run; 0 where no time was taken."""
        return self.examples_seen / self.seconds if self.seconds else 0.0


class Progress(NamedTuple):
    """A run's last step, and the seconds that its training steps took."""

    step: int
    seconds: float


def run_directory(workdir: str, name: str) -> str:
    """Where a run of a study lies."""
    return os.path.join(workdir, RUNS, name)


def read_progress(directory: str, batch_size: int) -> Progress:
    """Adds up a run's metrics.csv, which holds a row of images_per_second for each few steps."""
    step, seconds = 0, 0.0
    with open(os.path.join(directory, "metrics.csv"), newline="") as file:
        for row in csv.DictReader(file):
            if row["split"] == "train" and row["name"] == "images_per_second":
                seconds += (int(row["step"]) - step) * batch_size / float(row["value"])
                step = int(row["step"])
    return Progress(step, seconds)


def save_result(workdir: str, result: Result) -> None:
    """Marks a run as finished; the last thing that is written of it."""
    content = {**result._asdict(), "run": result.run._asdict()}
    path = os.path.join(run_directory(workdir, result.run.name), RESULT_FILE)
    write_atomically(path, lambda file: json.dump(content, file, indent=2))


def load_result(workdir: str, name: str) -> Result | None:
    """The result of a run; None while it isn't finished."""
    path = os.path.join(run_directory(workdir, name), RESULT_FILE)
    if not os.path.exists(path):
        return None
    with open(path) as file:
        content = json.load(file)
    return Result(**{**content, "run": Run(**content["run"])})


def _row(result: Result) -> dict[str, Any]:
    """The columns of a run but for its figures."""
    place = {name: getattr(result.run, name) for name in ("transfer", "mode", "init", "seed")}
    numbers = {name: getattr(result, name) for name in NUMBERS}
    rate = {"images_per_second": round(result.images_per_second, 1)}
    return {"run": result.run.name, **place, **result.run.settings, **numbers, **rate}


def write_results(workdir: str, results: Sequence[Result]) -> None:
    """Writes results.csv of the runs that are finished, without figures that are no number."""
    rows = [
        {**_row(result), "metric": name, "value": float(value)}
        for result in results
        for name, value in result.metrics.items()
        if math.isfinite(value)  # that of large objects is none where the split has none
    ]
    longest = max(rows, key=len, default={})  # runs from random weights have fewer settings
    path = os.path.join(workdir, RESULTS_FILE)

    def write(file: Any) -> None:
        writer = csv.DictWriter(file, list(longest), restval="")
        writer.writeheader()
        writer.writerows(rows)

    write_atomically(path, write)


def _number(row: Mapping[str, str], column: str, where: str) -> float:
    text = row.get(column) or ""
    try:
        value = float(text or "nan" if column in NEEDED else text or 0)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise UserError(
            f"{where}, column {column!r} is {text!r}, no finite number: mend or leave out the row"
        )
    return value


def _read_setting(text: str) -> Any:
    """Numbers as numbers, so that 1.0 and 1 are one level; anything else as it is written."""
    try:
        return float(text)
    except ValueError:
        return text


def _name_by_hand(row: Mapping[str, str], settings: Mapping[str, Any], seed: int) -> str:
    held = [f"{field}={value}" for field, value in sorted(settings.items())]
    return "-".join([row["transfer"], f"{row['num_examples']}images", *held, f"seed{seed}"])


def _parse(row: Mapping[str, str], where: str) -> Result:
    settings = {
        column: _read_setting(text) for column, text in row.items() if is_setting(column) and text
    }
    numbers = {name: _number(row, name, where) for name in NUMBERS}
    numbers = {name: value if "seconds" in name else int(value) for name, value in numbers.items()}
    seed = int(_number(row, "seed", where))
    init = row.get("init") or (RANDOM if not numbers["num_examples"] else PRETRAIN)
    name = row.get("run") or _name_by_hand(row, settings, seed)
    run = Run(name, row["transfer"], row.get("mode") or "", seed, settings, init)
    run = run._replace(mode=run.mode or ("" if row["transfer"] else PRETRAIN))
    return Result(run=run, metrics={row["metric"]: _number(row, "value", where)}, **numbers)  # type: ignore[arg-type]


def _merge(found: dict[str, Result], new: Result, where: str) -> int:
    """Adds a row's figure to its run; returns 1 for a row that was there already."""
    before = found.setdefault(new.run.name, new._replace(metrics={}))
    ((name, value),) = new.metrics.items()
    if before.metrics.get(name, value) != value:
        raise UserError(
            f"{where}: {name} of run {new.run.name} is {value:g} here and"
            f" {before.metrics[name]:g} above: keep one"
        )
    repeated = int(name in before.metrics)
    before.metrics[name] = value
    return repeated


def read_results(path: str) -> tuple[list[Result], int]:
    """Reads results.csv, the study's own or one made by hand.

    Returns:
      The results, one a run, and how many rows repeat another whole (they count once).

    Raises:
      UserError: as tables.read_rows; a value is no finite number, two values for one figure of a
        run; the line is named.
    """
    found: dict[str, Result] = {}
    repeats = 0
    for where, row in read_rows(path, "results", NEEDED):
        repeats += _merge(found, _parse(row, where), where)
    if not found:
        raise UserError(f"--results={path} has no rows below its header: no run has finished")
    return list(found.values()), repeats
