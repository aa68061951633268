"""What a strategy costs: the time of our step under each, against the bare Keras step.

    python -m benchmarks.strategy_overhead

Both are fed one batch that stays in memory, and take turns in the same process:

* ours: the loop's step, called and its figures fetched as the strategy has it;
* the bare step: `tf_keras.Model.train_step` on the same model, loss and optimizer, compiled by
  tf.function and under no strategy.

Each row of ROWS is a cluster of its own on this machine (goal 1.03), with the demo's ResNet-8 or
with ResNet-50. With two workers, each has a core and a whole batch, and its bare step is what it
would do alone: 1 / 1.11 is an efficiency of 0.9. The bare step of parameter_server is the
coordinator's, on all cores.

Below: peak memory of a process after our step, against one after the bare step alone; and images/s
of two workers with parameter servers against two in step.
"""

import functools
import json
import os
import pathlib
import resource
import sys
import tempfile
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from absl import app, flags, logging

from benchmarks import table
from benchmarks.train_step import LARGE, Wrapped, build_microworld, demo_plan, model_plan
from revisit.training import optimizers
from revisit.training.batches import worker_batches
from revisit.training.launcher import launch
from revisit.training.plan import Plan
from revisit.training.step import State, make_state, make_train_step

_ROW = flags.DEFINE_string("row", "", "Measure one row; set in the processes of its cluster.")
_DIRECTORY = flags.DEFINE_string("directory", "", "Of the data set and the result; set likewise.")

NUM_IMAGES = 200
STEPS = 6  # in each measurement of the demo's model; they alternate
REPEATS = 7
BARE = "bare"  # the row without a strategy


class Row(NamedTuple):
    """A cluster; pinned: each worker to a core of its own; large: ResNet-50, not the demo's."""

    strategy: str
    num_workers: int = 1
    num_servers: int = 0
    pinned: bool = False
    large: bool = False
    goal: str = "<= 1.03"

    @property
    def steps(self) -> int:
        """In each measurement."""
        return LARGE.steps if self.large else STEPS

    def plan(self, directory: str) -> Plan:
        """Of training on the data set there."""
        if self.large:
            return model_plan(LARGE, directory, self.strategy)
        return demo_plan(directory, self.strategy)


ROWS = {
    BARE: Row("one_device"),
    "one_device": Row("one_device"),
    "mirrored": Row("mirrored"),
    "multi_worker": Row("multi_worker"),
    "multi_worker, 2 workers": Row("multi_worker", 2, pinned=True, goal="<= 1.11"),
    "multi_worker, 2 workers, ResNet-50": Row(
        "multi_worker", 2, pinned=True, large=True, goal="<= 1.11"
    ),
    "parameter_server": Row("parameter_server", num_servers=1),
    "parameter_server, 2 workers": Row("parameter_server", 2, 1, pinned=True, goal=""),
}
PACES = ("parameter_server, 2 workers", "multi_worker, 2 workers")  # each its own; all in step


def _pin(task: dict[str, Any]) -> None:
    if task["type"] == "worker":
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[task["index"] % len(cores)]})


def _endless(arrays: dict[str, np.ndarray], *_: Any) -> tf.data.Dataset:
    return tf.data.Dataset.from_tensors(arrays).repeat()


def _make_state(plan: Plan, directory: str) -> State:
    state = make_state(plan, directory)
    optimizers.create_slots(state.optimizer, state.variables)
    return state


def _bare(
    plan: Plan, arrays: dict[str, np.ndarray], directory: str, steps: int
) -> Callable[[], None]:
    state = _make_state(plan, directory)
    model = Wrapped(plan, state)
    model.compile(optimizer=state.optimizer)
    step, batches = tf.function(model.train_step), iter(_endless(arrays))

    def run() -> None:
        for _ in range(steps):
            logs = step(next(batches))
        logs["loss"].numpy()

    return run


def _ours(
    plan: Plan, arrays: dict[str, np.ndarray], directory: str, steps: int
) -> Callable[[], None]:
    strategy = plan.strategy
    with strategy.distribution.scope():
        state = _make_state(plan, directory)
    batches: Iterator[Any] = strategy.deal(
        strategy.distribution, functools.partial(_endless, arrays)
    )
    step = strategy.bind(make_train_step(plan, state))

    def run() -> None:
        results = [step(next(batches), tf.constant(0.0)) for _ in range(steps)]
        np.asarray(strategy.fetch(results))

    return run


def _peak_megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _measure(name: str, directory: str) -> None:
    """In each process of the cluster of a row; the first worker or the coordinator tells."""
    row, task = ROWS[name], json.loads(os.environ["TF_CONFIG"])["task"]
    if row.pinned:
        _pin(task)
    plan = row.plan(directory)
    batch = next(iter(worker_batches(plan, 0)))
    arrays = {key: value.numpy() for key, value in batch.items()}
    first, *second = [_bare] if name == BARE else [_ours, _bare]
    runs = [first(plan, arrays, directory, row.steps)]
    runs[0]()
    peak = _peak_megabytes()
    runs += [make(plan, arrays, directory, row.steps) for make in second]
    seconds = table.median_seconds(runs, REPEATS, warmups=1)
    if task["type"] == "chief" or task["index"] == 0:
        batches = row.steps if row.num_servers else row.steps * row.num_workers
        result = {"seconds": seconds, "peak": peak, "images": batches * len(arrays["image"])}
        pathlib.Path(directory, f"{name}.json").write_text(json.dumps(result))


def _launch(name: str, directory: str) -> dict[str, Any]:
    row = ROWS[name]
    flags_ = [f"--row={name}", f"--directory={directory}"]
    command = [sys.executable, "-m", "benchmarks.strategy_overhead", *flags_]
    status = launch(command, row.num_workers, row.num_servers)
    if status:
        raise RuntimeError(f"the row {name!r} ended with status {status}")
    return json.loads(pathlib.Path(directory, f"{name}.json").read_text())


def _print(results: dict[str, dict[str, Any]]) -> None:
    alone = results.pop(BARE)["peak"]
    table.header("Step under a strategy, ms")
    for name, result in results.items():
        ours, bare = (1000 * each / ROWS[name].steps for each in result["seconds"])
        table.row(name, f"{ours:.1f}", f"{bare:.1f}", ours / bare, ROWS[name].goal)
    table.header("Peak memory, MB")
    for name, result in results.items():
        # With servers the step runs in another process; the bare process has the demo's model.
        if not (ROWS[name].num_servers or ROWS[name].large):
            peak = result["peak"]
            table.row(name, f"{peak:,.0f}", f"{alone:,.0f}", peak / alone)
    table.header("Two workers, images/s")
    downpour, in_step = (results[name]["images"] / results[name]["seconds"][0] for name in PACES)
    rates = f"{downpour:,.0f}", f"{in_step:,.0f}"
    table.row("parameter_server, against multi_worker", *rates, downpour / in_step)


def main(argv: list[str]) -> None:
    """Prints a row for each strategy, and its peak memory."""
    logging.set_verbosity(logging.WARNING)  # TensorFlow tells of each cluster
    if _ROW.value:
        _measure(_ROW.value, _DIRECTORY.value)
        return
    with tempfile.TemporaryDirectory() as directory:
        build_microworld(directory, NUM_IMAGES)
        _print({name: _launch(name, directory) for name in ROWS})


if __name__ == "__main__":
    app.run(main)
