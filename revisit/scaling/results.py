"""What the runs of a study came to: result.json of each, results.csv of all.

results.csv has one row for each run and figure:
  run                 the run's name, its directory under runs/
  mode                pretrain, linear_probe, finetune
  init                the run that it starts from, "random", or empty (pretraining)
  data_fraction       part of the pretraining data behind the backbone; empty from random weights
  num_examples        pretraining images behind the backbone; 0 from random weights
  seed
  train_examples      different images that this run itself trained on
  examples_seen       images that this run itself trained on, repeats counted
  step                its last step
  seconds             of training steps, without start-up and evaluation
  images_per_second   examples_seen / seconds
  metric, value       figure of the evaluation split at the last step
"""

import csv
import json
import os
from collections.abc import Sequence
from typing import NamedTuple

from revisit.scaling.grid import Run
from revisit.scaling.tables import write_atomically

RESULT_FILE = "result.json"
RESULTS_FILE = "results.csv"
RUNS = "runs"
COLUMNS = (
    "run",
    "mode",
    "init",
    "data_fraction",
    "num_examples",
    "seed",
    "train_examples",
    "examples_seen",
    "step",
    "seconds",
    "images_per_second",
    "metric",
    "value",
)


class Result(NamedTuple):
    """A finished run; fields as the columns of results.csv. metrics: figures by name."""

    run: Run
    num_examples: int
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


def _rows(result: Result) -> list[list]:
    run = result.run
    fraction = "" if run.data_fraction is None else repr(run.data_fraction)
    place = [run.name, run.mode, run.init, fraction, result.num_examples, run.seed]
    work = [result.train_examples, result.examples_seen, result.step]
    speed = [f"{result.seconds:.3f}", f"{result.images_per_second:.1f}"]
    return [
        [*place, *work, *speed, name, repr(float(value))] for name, value in result.metrics.items()
    ]


def write_results(workdir: str, results: Sequence[Result]) -> None:
    """Writes results.csv of the runs that are finished."""
    rows = [list(COLUMNS), *(row for result in results for row in _rows(result))]
    path = os.path.join(workdir, RESULTS_FILE)
    write_atomically(path, lambda file: csv.writer(file).writerows(rows))
