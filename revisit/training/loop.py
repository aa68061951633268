"""The one training loop, for every task, mode and strategy: steps, and what is done between them.

How a run starts, in order of precedence: (1) from the last checkpoint in its own workdir, the very
same run going on; (2) from the backbone of another run or checkpoint, --init; (3) from random
weights.
"""

import functools
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import tensorflow as tf
import tf_keras as keras
from ml_collections import ConfigDict

from revisit.data.records import count_examples
from revisit.errors import Interrupted, UserError
from revisit.training import checkpoint, features, optimizers, probes
from revisit.training import workdir as workdirs
from revisit.training.background import Background, in_background
from revisit.training.batches import train_iterator, worker_batches
from revisit.training.logs import Logs, read_metrics, shown
from revisit.training.model import load_backbone
from revisit.training.modes import RANDOM, check_init
from revisit.training.plan import Plan, describe, make_plan
from revisit.training.scoring import NUM_DRAWN, draw_split, evaluate_split
from revisit.training.signals import signals_handled_by
from revisit.training.step import State, make_state, make_train_step, several_steps
from revisit.training.strategies import Strategy, make_strategy, sum_over_replicas
from revisit.training.window import CALM, Window


@contextmanager
def _signals() -> Iterator[Callable[[], bool]]:
    """Inside, SIGTERM and SIGINT are only noted; yields whether one came.

    If it came too late to stop anything, whoever handled signals before is told: a study ends, too.
    """
    noted: list[int] = []
    with signals_handled_by(lambda signum, frame: noted.append(signum)) as before:
        yield lambda: bool(noted)
    for signum in noted:
        handler = before[signum]
        if callable(handler) and handler is not signal.default_int_handler:
            handler(signum, None)


class _Run:
    """One run under way: the steps, and what is done every so many of them."""

    def __init__(self, plan: Plan, state: State, logs: Logs, background: Background) -> None:
        self.plan = plan
        self.state = state
        self.logs = logs
        self.background = background
        self.figures: dict[str, float] = {}  # of the last evaluation
        self.window = Window(plan.strategy.fetch, state.checkpoints.window.numpy())
        self.told = time.monotonic()  # when the last line of progress was, by the clock of steps

    def log(self, step: int) -> None:
        """Waits for nothing: the background does, and then tells."""
        window, self.window = self.window, Window(self.plan.strategy.fetch)
        self.background.start(self._tell, step, window)

    def _tell(self, step: int, window: Window) -> None:
        window.settle(step)
        told, self.told = self.told, time.monotonic()
        figures = window.figures(self.plan.config.train.batch_size, self.told - told)
        figures["learning_rate"] = float(self.state.schedule(step - 1))
        self.logs.write(step, "train", figures)
        self.logs.progress(step, figures)

    def evaluate(self, step: int) -> None:
        split = self.plan.config.data.eval_split
        with optimizers.averaged_weights(self.state.optimizer, self.state.variables):
            arguments = (self.plan, self.state.backbone, self.state.head, split)
            metric, _ = evaluate_split(*arguments)
            if self.plan.splits is None:
                self.logs.pictures(step, f"{split}/predicted", draw_split(*arguments))
        self.figures = metric.result()
        self.logs.write(step, split, self.figures)
        for name, rows in metric.tables().items():
            self.logs.table(name, rows)
        self.logs.results(split, metric.results())
        self.logs.say(f"step {step:,}  {split}: {shown(self.figures)}")
        self._save_best(step)

    def _save_best(self, step: int) -> None:
        wanted = self.plan.config.train.keep_best
        if not wanted:
            return
        name, sign = wanted.removeprefix("-"), -1 if wanted.startswith("-") else 1
        value, checkpoints = sign * self.figures[name], self.state.checkpoints
        if checkpoints.is_best(value):
            self._copy_averages()
            self.background.start(checkpoints.snapshot_best(step, value))

    def _copy_averages(self) -> None:
        averaged = optimizers.averages(self.state.optimizer, self.state.variables)
        values = checkpoint.named(self.state.variables, averaged).values()
        for variable, value in zip(self.state.averages.values(), values, strict=False):
            variable.assign(value.read_value())

    def save(self, step: int) -> None:
        self._copy_averages()
        self.background.wait()  # the copy before may be being written
        write = self.state.checkpoints.snapshot(step, tuple(self.window.losses))
        self.background.start(write)

    def act(self, step: int, stopped: bool) -> None:
        """What is due after a step, in this order: log, evaluate, save."""
        steps = self.plan.steps
        last = step == steps.total
        due = {
            self.log: steps.log,
            self.evaluate: steps.evaluate,
            self.save: steps.save,
        }
        actions = [
            action
            for action, every in due.items()
            if last or (every and step % every == 0) or (stopped and action == self.save)
        ]
        if self.log in actions:
            actions.remove(self.log)
            self.log(step)
        if actions:
            self._pause(step, actions)
        if stopped and not last:
            self.background.wait()
            raise Interrupted(f"saved at step {step:,}; the same command goes on from there")

    def _pause(self, step: int, actions: Sequence[Callable[[int], None]]) -> None:
        """Does what needs the weights of a step, and the whole model in one state."""
        self.background.wait()
        self.window.settle(step)  # a loss that is not finite is seen before anything is written
        self._check_weights(step)
        began = time.monotonic()
        # A step that is done again, for a worker that died before it told of it, counts once.
        self.state.optimizer.iterations.assign(step)
        self._share_statistics()
        for action in actions:
            action(step)
        self.window.paused += time.monotonic() - began

    def _check_weights(self, step: int) -> None:
        """Raises UserError where the last update, of which no loss tells yet, made them useless."""
        values = (variable.read_value() for variable in self.state.variables)
        if not all(bool(tf.reduce_all(tf.math.is_finite(value))) for value in values):
            raise UserError(f"weights are not finite after step {step}: {CALM}")

    def _share_statistics(self) -> None:
        """Gives each replica the mean of all replicas' moving statistics: one model for all."""
        if self.plan.mode.trains_backbone:
            for variable in self.state.backbone.non_trainable_variables:
                variable.assign(variable.read_value())

    def loop(self, first_step: int, stopped: Callable[[], bool]) -> None:
        plan, result = self.plan, None
        if first_step == 0 and plan.strategy.is_chief and plan.splits is None:
            batch = next(iter(worker_batches(plan, 0)))
            first = {name: value[:NUM_DRAWN] for name, value in batch.items()}
            self.logs.pictures(0, "train/input", plan.task.draw(first, None))
        iterator, call, step = train_iterator(plan, first_step), self._make_call(), first_step
        while step < plan.steps.total:
            count = self._num_steps_from(step)
            before, result = result, call(iterator, count, tf.constant(float(stopped())))
            self.window.results.append(result)
            step += count
            self.logs.count_from(step)
            self.act(step, plan.strategy.agree(stopped(), before))

    def _make_call(self) -> Callable[[Iterator[Any], int, tf.Tensor], Any]:
        """(dealt batches, number of steps, stopped) -> figures of these steps, or their promise."""
        step = make_train_step(self.plan, self.state)
        train = self.plan.config.train
        if train.steps_per_call > 1:
            several = several_steps(step, has_clock=not train.deterministic)
            return lambda batches, count, stopped: several(batches, tf.constant(count), stopped)
        bound = self.plan.strategy.bind(step)
        return lambda batches, _, stopped: bound(self.window.next_batch(batches), stopped)

    def _num_steps_from(self, step: int) -> int:
        """Those of the next call: none goes beyond a step after which something is due."""
        total, *every = self.plan.steps
        ends = [total, *(step - step % each + each for each in every if each)]
        return min(self.plan.config.train.steps_per_call, min(ends) - step)

    def solve(self, splits: features.Splits) -> None:
        """The closed form of a probe, in place of the steps; it looks at each example once."""
        plan, step, began = self.plan, self.plan.steps.total, time.monotonic()
        ridge = probes.RidgeProbe(plan.config, plan.task, splits, plan.dataset.taxonomy.num_classes)
        solution, head = ridge.solve(), checkpoint.named(self.state.head.variables)
        head["classifier/kernel"].assign(tf.cast(solution.kernel, tf.float32))
        head["classifier/bias"].assign(tf.cast(solution.bias, tf.float32))
        averages = optimizers.averages(self.state.optimizer, self.state.variables)
        for variable, average in zip(self.state.variables, averages, strict=True):
            average.assign(variable.read_value())
        rate = count_examples(plan.shards) / (time.monotonic() - began)
        self.logs.write(step, "train", {"images_per_second": rate})
        self.evaluate(step)
        for shots in plan.config.probe.shots:
            self._few_shot(step, ridge, shots)
        self.save(step)

    def _few_shot(self, step: int, ridge: probes.RidgeProbe, shots: int) -> None:
        figures, short = ridge.few_shot(shots), ridge.count_short(shots)
        self.figures |= figures
        self.logs.write(step, self.plan.config.data.eval_split, figures)
        fewer = f" ({short} classes have fewer images)" if short else ""
        self.logs.say(f"{shots} images a class{fewer}: {shown(figures)}")


def _check_all_start_at(step: int, distribution: tf.distribute.Strategy) -> None:
    if sum_over_replicas(distribution, step) != step * distribution.num_replicas_in_sync:
        raise UserError(
            f"this worker would start at step {step:,} and others elsewhere: --workdir must be a "
            "directory that all of them see"
        )


def _start(plan: Plan, state: State, init: str | None, logs: Logs) -> int:
    """Gives the run its first weights, in the module's order; returns its first step."""
    resumable = state.checkpoints.resumable
    loaded = ""
    if not resumable and init and init != RANDOM:
        loaded = load_backbone(init, state.backbone, plan.config.model)
    optimizers.create_slots(state.optimizer, state.variables)  # averages start from these weights
    state.checkpoints.add_slots(state.optimizer, state.variables)
    step = state.checkpoints.restore() if resumable else 0
    logs.start(step)
    if resumable:
        logs.say(f"goes on from step {step:,} of {plan.steps.total:,}")
    elif loaded:
        logs.say(f"starts from {loaded}")
    return step


def _read_splits(plan: Plan, state: State, workdir: str, logs: Logs) -> features.Splits:
    beside = os.path.join(os.path.dirname(os.path.abspath(workdir)), features.FOLDER)
    directory = plan.config.probe.features_dir or beside
    distribution = plan.strategy.evaluation
    extractor = features.Extractor(plan.config, plan.task, state.backbone, state.head, distribution)
    splits = features.read_splits(extractor, plan.dataset, plan.shards, directory)
    logs.say(f"features of frozen weights in {directory}, {splits.num_computed:,} of them new")
    return splits


def train(
    config: ConfigDict,
    mode: str,
    workdir: str,
    init: str | None = None,
    strategy: Strategy | None = None,
) -> dict[str, float]:
    """Runs an experiment to its end, or goes on with it; a finished one is only read.

    Args:
      config: of one run, as `modes.resolve` gives it.
      mode: key of MODES.
      workdir: the run's directory.
      init: another run's workdir, a checkpoint, or "random"; None where the mode allows it.
      strategy: from `make_strategy`; one device if None.

    Returns:
      The figures of the evaluation split at the last step.

    Raises:
      UserError: something in the arguments or the data does not fit.
      Interrupted: SIGTERM or SIGINT came and the run is saved; or a process of the cluster is gone.
    """
    check_init(mode, init)
    keras.backend.clear_session()
    if config.train.deterministic:
        tf.config.experimental.enable_op_determinism()
        # keras-cv's layers ask for it when they are made; nothing here draws from it
        tf.random.set_global_generator(tf.random.Generator.from_seed(config.seed))
    strategy = strategy or make_strategy("one_device")
    plan = make_plan(config, mode, strategy)
    workdirs.check_same_run(workdir, config, mode, init, plan.dataset)
    finished = read_metrics(workdir, config.data.eval_split, plan.steps.total)
    title = f"{mode} {os.path.basename(workdir.rstrip('/'))}"
    if finished and checkpoint.exists(workdir, plan.steps.total):
        if strategy.is_chief:
            print(f"{title}: has done all {plan.steps.total:,} steps: {shown(finished)}")
        return finished
    claim = functools.partial(workdirs.claim, workdir, config, mode, init, plan.dataset)
    logs = Logs(workdir if strategy.is_chief else None, title, plan.steps.total)
    try:
        return _run(plan, workdir, init, logs, claim)
    except strategy.lost as error:
        reason = " ".join(str(error).split())[:200]
        raise Interrupted(
            "another process of the cluster is gone: start all of them again with the same command "
            f"and they go on from the last checkpoint ({reason})"
        ) from error
    finally:
        logs.close()


def _run(
    plan: Plan, workdir: str, init: str | None, logs: Logs, claim: Callable[[], None]
) -> dict[str, float]:
    with plan.strategy.distribution.scope():
        state = make_state(plan, workdir)
        first_step = _start(plan, state, init, logs)
    _check_all_start_at(first_step, plan.strategy.evaluation)
    if plan.strategy.is_chief:
        claim()
    logs.say(describe(plan))
    if plan.probe.on_features:
        plan = plan._replace(splits=_read_splits(plan, state, workdir, logs))
    with in_background() as background:
        run = _Run(plan, state, logs, background)
        if plan.splits and plan.probe.closed_form:
            run.solve(plan.splits)
        else:
            with _signals() as stopped:
                run.loop(first_step, stopped)
    # Whoever leaves early is taken for lost by the others.
    sum_over_replicas(plan.strategy.evaluation, 0)
    return run.figures or read_metrics(workdir, plan.config.data.eval_split, plan.steps.total)
