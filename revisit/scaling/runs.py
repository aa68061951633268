"""Makes the runs of a study, one after the other, each once."""

import json
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import NamedTuple

from ml_collections import ConfigDict

from revisit.errors import Interrupted, UserError
from revisit.scaling import results
from revisit.scaling.grid import PRETRAIN, Run, run_config
from revisit.scaling.results import Result
from revisit.scaling.tables import write_atomically
from revisit.training.modes import RANDOM

STUDY_FILE = "study.json"

# (config, mode, workdir, init or None) -> figures of the evaluation split
Train = Callable[[ConfigDict, str, str, str | None], Mapping[str, float]]


class Engine(NamedTuple):
    """What makes a run.

    Attributes:
      train: revisit.training.loop.train, which goes on with a run that was stopped.
      count_examples: config of a run -> training images that it uses.
    """

    train: Train
    count_examples: Callable[[ConfigDict], int]


def claim(workdir: str, config: ConfigDict) -> None:
    """Makes the directory this study's, or checks that it is.

    Raises:
      UserError: it holds a study with another config; finished runs would be taken for this one's.
    """
    path = os.path.join(workdir, STUDY_FILE)
    content = json.loads(json.dumps(config.to_dict()))
    if not os.path.exists(path):
        write_atomically(path, lambda file: json.dump(content, file, indent=2))
        return
    with open(path) as file:
        before = json.load(file)
    changed = [name for name in content if content[name] != before.get(name)]
    if changed:
        raise UserError(
            f"--workdir={workdir} holds another study: its {changed[0]!r} differs (see {STUDY_FILE}"
            " there); choose another directory, or remove this one"
        )


@contextmanager
def stopped_by_signals() -> Iterator[None]:
    """Inside, SIGTERM and SIGINT raise Interrupted (training itself saves first, then does)."""

    def stop(signum: int, frame: FrameType | None) -> None:
        raise Interrupted("finished runs are kept; the same command goes on from there")

    before = {each: signal.signal(each, stop) for each in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def make_run(run: Run, base: ConfigDict, workdir: str, engine: Engine) -> Result:
    """Trains one run, or goes on with it, and marks it as finished.

    Raises:
      UserError: the run that it starts from is not finished.
    """
    config = run_config(base, run)
    directory = results.run_directory(workdir, run.name)
    start = None
    init: str | None = run.init or None
    if run.init and run.init != RANDOM:
        start = results.load_result(workdir, run.init)
        if start is None:
            raise UserError(f"run {run.name} starts from {run.init}, which isn't finished: run it")
        init = results.run_directory(workdir, run.init)
    figures = dict(engine.train(config, run.mode, directory, init))
    train_examples = engine.count_examples(config)
    progress = results.read_progress(directory, config.train.batch_size)
    result = Result(
        run,
        num_examples=start.num_examples if start else train_examples * (run.mode == PRETRAIN),
        train_examples=train_examples,
        examples_seen=progress.step * config.train.batch_size,
        step=progress.step,
        seconds=progress.seconds,
        metrics={name: float(value) for name, value in figures.items()},
    )
    results.save_result(workdir, result)
    return result


class _Clock:
    """Guesses how long the runs that are left will take from those of the same mode before."""

    def __init__(self, base: ConfigDict) -> None:
        self._base = base
        self._rates: dict[str, list[float]] = {}

    def _size(self, run: Run) -> float:
        """How long a run is beside others of its mode: epochs of a part are as long as the part."""
        duration = str(run_config(self._base, run).train.duration)
        by_epochs = run.mode == PRETRAIN and duration.endswith("epochs")
        return run.data_fraction or 1.0 if by_epochs else 1.0

    def note(self, run: Run, seconds: float) -> None:
        self._rates.setdefault(run.mode, []).append(seconds / self._size(run))

    def left(self, runs: Sequence[Run]) -> float:
        everything = [rate for rates in self._rates.values() for rate in rates]
        rates = (self._rates.get(run.mode, everything) for run in runs)
        sizes = (self._size(run) for run in runs)
        return sum(size * sum(rate) / len(rate) for rate, size in zip(rates, sizes, strict=True))


def duration_text(seconds: float) -> str:
    """61 -> "1:01", 3661 -> "1:01:01"."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def make_runs(
    runs: Sequence[Run], config: ConfigDict, workdir: str, engine: Engine
) -> Iterator[Result]:
    """Makes those of the runs that aren't finished, and says after each how far the study is.

    Yields the result of each run that was made.

    Args:
      runs: in an order in which each comes after the one that it starts from.
      config: of the study.
      workdir: of the study.
      engine: what makes a run.

    Raises:
      Interrupted: SIGTERM or SIGINT came.
    """
    clock = _Clock(config.base)
    left = [run for run in runs if results.load_result(workdir, run.name) is None]
    if len(left) < len(runs):
        print(f"study: {len(runs) - len(left)} of {len(runs)} runs are finished already")
    with stopped_by_signals():
        while left:
            run = left[0]
            began = time.monotonic()
            result = make_run(run, config.base, workdir, engine)
            seconds = time.monotonic() - began
            clock.note(run, seconds)
            left = left[1:]
            value = result.metrics.get(config.metric)
            figure = "" if value is None else f"  {config.metric} {value:.4f}"
            print(
                f"study: {len(runs) - len(left)} of {len(runs)} runs  {run.name}{figure}"
                f"  took {duration_text(seconds)}  ETA {duration_text(clock.left(left))}",
                flush=True,
            )
            yield result


def finished(runs: Sequence[Run], workdir: str) -> list[Result]:
    """Results of the runs that are finished, in the order of the runs."""
    found = (results.load_result(workdir, run.name) for run in runs)
    return [result for result in found if result is not None]
