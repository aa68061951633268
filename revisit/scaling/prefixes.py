"""A longer run that begins exactly as a finished shorter one goes on from it.

Only where the learning rate at a step doesn't hang on how long the run is: cosine and poly, and a
warm-up or a stair in percent of the run, differ from the first steps on.
"""

import os
import shutil
from collections.abc import Sequence

from ml_collections import ConfigDict

from revisit.scaling import results
from revisit.scaling.axes import DURATION
from revisit.scaling.grid import PRETRAIN, Run
from revisit.scaling.results import Result

SCHEDULES = ("constant", "staircase")
CARRIED = ("checkpoints", "metrics.csv")  # what a run goes on from


def can_share(config: ConfigDict) -> bool:
    """Whether runs of different lengths begin alike."""
    durations = f"{config.schedule.warmup} {config.schedule.decay_every}"
    return config.schedule.name in SCHEDULES and "percent" not in durations


def _without_duration(run: Run) -> tuple:
    settings = {field: value for field, value in run.settings.items() if field != DURATION}
    return run.mode, run.seed, settings


def find_prefix(run: Run, runs: Sequence[Run], num_steps: int, workdir: str) -> Result | None:
    """The longest finished pretraining among `runs` that `run`, of num_steps, begins as."""
    if run.mode != PRETRAIN:
        return None
    alike = [
        results.load_result(workdir, other.name)
        for other in runs
        if _without_duration(other) == _without_duration(run)
    ]
    shorter = [result for result in alike if result is not None and result.step < num_steps]
    return max(shorter, key=lambda result: result.step, default=None)


def carry_over(prefix: Result, workdir: str, directory: str) -> None:
    """Copies what a run goes on from into its own directory, unless it has begun."""
    if os.path.exists(directory):
        return
    source = results.run_directory(workdir, prefix.run.name)
    partial = f"{directory}.part"
    shutil.rmtree(partial, ignore_errors=True)
    os.makedirs(partial)
    for name in CARRIED:
        path = os.path.join(source, name)
        copy = shutil.copytree if os.path.isdir(path) else shutil.copy
        copy(path, os.path.join(partial, name))
    os.replace(partial, directory)
