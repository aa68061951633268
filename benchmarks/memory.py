"""Peak memory of a training step that saves memory, against the plain one.

    python -m benchmarks.memory

ResNet-50 at 224 pixels. Each row is a process of its own, which makes the model and its input and
trains for two steps; its peak is that of the whole process, TensorFlow's libraries included.
"""

import resource
import subprocess
import sys
import tempfile
from typing import Any

import tensorflow as tf
from absl import app, flags

from benchmarks import table
from benchmarks.train_step import build_microworld
from configs import default
from revisit.training.batches import train_iterator
from revisit.training.modes import resolve
from revisit.training.plan import make_plan
from revisit.training.step import make_state, make_train_step
from revisit.training.strategies import make_strategy

_ROW = flags.DEFINE_string("row", "", "Measure one row; set in the process of that row.")
_DIRECTORY = flags.DEFINE_string("directory", "", "Of the data set; set likewise.")

NUM_IMAGES = 200
STEPS = 2  # the first also makes what the optimizer keeps
PLAIN = "plain"
ROWS: dict[str, dict[str, Any]] = {
    PLAIN: {},
    "accumulate=4": {"accumulate": 4},
    "recompute": {"recompute": True},
    "accumulate=4, recompute": {"accumulate": 4, "recompute": True},
}


def _peak_megabytes(name: str, directory: str) -> float:
    config = default.get_config()
    config.data.update({"dir": directory, "resize": 256, "crop": 224})
    config.model.depth = 50
    config.train.update({"batch_size": 16, "deterministic": False, **ROWS[name]})
    strategy = make_strategy("one_device")
    plan = make_plan(resolve(config, "pretrain"), "pretrain", strategy)
    with strategy.distribution.scope():
        state = make_state(plan, directory)
    step, batches = make_train_step(plan, state), train_iterator(plan, 0)
    for _ in range(STEPS):
        step(next(batches), tf.constant(0.0)).numpy()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _measure(name: str, directory: str) -> float:
    """In another process: a process's peak does not go down again."""
    command = [sys.executable, "-m", "benchmarks.memory", f"--row={name}"]
    told = subprocess.run(
        [*command, f"--directory={directory}"], stdout=subprocess.PIPE, check=True, text=True
    )
    return float(told.stdout.split()[-1])


def main(argv: list[str]) -> None:
    """Prints a row for each way to save memory."""
    del argv
    if _ROW.value:
        print(_peak_megabytes(_ROW.value, _DIRECTORY.value))
        return
    with tempfile.TemporaryDirectory() as directory:
        build_microworld(directory, NUM_IMAGES)
        peaks = {name: _measure(name, directory) for name in ROWS}
    plain = peaks.pop(PLAIN)
    table.header("Peak memory of a step, MB")
    for name, peak in peaks.items():
        table.row(name, f"{peak:,.0f}", f"{plain:,.0f}", peak / plain, "<= 1")


if __name__ == "__main__":
    app.run(main)
