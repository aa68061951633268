"""Makes the runs of a study, one after the other, each once."""

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import FrameType
from typing import NamedTuple

from ml_collections import ConfigDict

from revisit.errors import Interrupted, UserError
from revisit.scaling import prefixes, results
from revisit.scaling.axes import START
from revisit.scaling.grid import PRETRAIN, Run, run_config, transfers_of
from revisit.scaling.progress import Progress
from revisit.scaling.results import Result
from revisit.scaling.tables import write_atomically
from revisit.training.logs import duration_text
from revisit.training.modes import RANDOM
from revisit.training.schedules import to_steps
from revisit.training.signals import signals_handled_by

STUDY_FILE = "study.json"
DECIDING = ("base", "sweeps", "transfers", "seeds", "scratch")  # fields that say what is run

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


class Study(NamedTuple):
    """What all runs of a study share: its config, its directory, what makes a run."""

    config: ConfigDict
    workdir: str
    engine: Engine


def claim(workdir: str, config: ConfigDict) -> None:
    """Makes the directory this study's, or checks that it is.

    Raises:
      UserError: it holds a study with another config; finished runs would be taken for this one's.
    """
    path = os.path.join(workdir, STUDY_FILE)
    content = json.loads(json.dumps(config.to_dict()))
    has_runs = os.path.isdir(os.path.join(workdir, results.RUNS))  # else there is nothing to mix
    if not (has_runs and os.path.exists(path)):
        write_atomically(path, lambda file: json.dump(content, file, indent=2))
        return
    with open(path) as file:
        before = json.load(file)
    changed = [name for name in DECIDING if content[name] != before.get(name)]
    if changed:
        raise UserError(
            f"--workdir={workdir} holds another study: its {changed[0]!r} differs (see {STUDY_FILE}"
            " there); choose another directory, or remove this one"
        )


def _stop(signum: int, frame: FrameType | None) -> None:
    """Between the steps of training, which saves first and then stops by itself."""
    raise Interrupted("finished runs are kept; the same command goes on from there")


def _start_of(run: Run, workdir: str) -> tuple[Result | None, str | None]:
    """Result of the run that a run starts from, and what training is told to start from."""
    if not run.init:
        given = str(run.settings.get(START, RANDOM))
        return None, None if given == RANDOM else given
    if run.init == RANDOM:
        return None, RANDOM
    start = results.load_result(workdir, run.init)
    if start is None:
        raise UserError(f"run {run.name} starts from {run.init}, which isn't finished: run it")
    return start, results.run_directory(workdir, run.init)


def make_run(run: Run, runs: Sequence[Run], study: Study) -> Result:
    """Trains one run, or goes on with it, and marks it as finished.

    Args:
      run: what is made.
      runs: among which a shorter one may be its beginning.
      study: whose run it is.

    Raises:
      UserError: the run that it starts from is not finished.
    """
    config = run_config(study.config, run)
    directory = results.run_directory(study.workdir, run.name)
    start, init = _start_of(run, study.workdir)
    train_examples = study.engine.count_examples(config)
    if prefixes.can_share(config):
        steps = to_steps(config.train.duration, train_examples, config.train.batch_size)
        prefix = prefixes.find_prefix(run, runs, steps, study.workdir)
        if prefix:
            prefixes.carry_over(prefix, study.workdir, directory)
    figures = dict(study.engine.train(config, run.mode, directory, init))
    progress = results.read_progress(directory, config.train.batch_size)
    seen = progress.step * config.train.batch_size
    is_start = run.mode == PRETRAIN
    result = Result(
        run,
        num_examples=start.num_examples if start else train_examples * is_start,
        pretrain_seen=start.examples_seen if start else seen * is_start,
        pretrain_seconds=start.seconds if start else progress.seconds * is_start,
        train_examples=train_examples,
        examples_seen=seen,
        step=progress.step,
        seconds=progress.seconds,
        metrics={name: float(value) for name, value in figures.items()},
    )
    results.save_result(study.workdir, result)
    return result


def _num_steps(run: Run, study: Study) -> int:
    config = run_config(study.config, run)
    num_examples = study.engine.count_examples(config)
    return max(1, to_steps(config.train.duration, num_examples, config.train.batch_size))


def make_runs(runs: Sequence[Run], study: Study) -> Iterator[Result]:
    """Makes those of the runs that aren't finished, and says after each how far the study is, and
    before each pretraining and at the end in a table.

    Yields the result of each run that was made.

    Args:
      runs: in an order in which each comes after the one that it starts from.
      study: whose runs they are.

    Raises:
      Interrupted: SIGTERM or SIGINT came.
    """
    metrics = {transfer.name: transfer.metric for transfer in transfers_of(study.config)}
    left = [run for run in runs if results.load_result(study.workdir, run.name) is None]
    progress = Progress(runs, left, {run.name: _num_steps(run, study) for run in left})
    with signals_handled_by(_stop):
        for run in left:
            if run.mode == PRETRAIN or not progress.num_done:
                print(f"\n{progress.table()}\n", flush=True)
            goes_on = os.path.exists(results.run_directory(study.workdir, run.name))
            began = time.monotonic()
            result = make_run(run, runs, study)
            seconds = time.monotonic() - began
            # Of a run that was stopped, most of the time may have passed before.
            progress.note(run, max(seconds, result.seconds) if goes_on else seconds)
            metric = metrics.get(run.transfer, "")
            value = result.metrics.get(metric)
            figure = "" if value is None else f"  {metric} {value:.4f}"
            print(
                f"study: {progress.num_done} of {len(runs)} runs  {run.name}{figure}"
                f"  took {duration_text(seconds)}  ETA {progress.eta()}",
                flush=True,
            )
            yield result
    print(f"\n{progress.table()}\n", flush=True)


def finished(runs: Sequence[Run], workdir: str) -> list[Result]:
    """Results of the runs that are finished, in the order of the runs."""
    found = (results.load_result(workdir, run.name) for run in runs)
    return [result for result in found if result is not None]
