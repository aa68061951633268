"""The one training loop: for every task, mode and strategy.

    outputs = head(backbone(image))
    loss    = sum over examples of task.loss(outputs, batch) / global batch size + weight decay
    update  = the optimizer, on the variables that the mode trains

How a run starts, in order of precedence: (1) from the last checkpoint in its own workdir, the very
same run going on; (2) from the backbone of another run or checkpoint, --init; (3) from random
weights.
"""

import functools
import operator
import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
import tf_keras as keras
from ml_collections import ConfigDict

from revisit.data import input as data_input
from revisit.data.augment import check_augment, make_augment
from revisit.data.records import Dataset, Shard, count_examples, read_dataset
from revisit.data.views import view
from revisit.errors import Interrupted, UserError
from revisit.evaluation.evaluator import evaluate
from revisit.tasks import Task, make_task
from revisit.tasks.task import Batch, Metric
from revisit.training import checkpoint, features, optimizers, probes, schedules
from revisit.training import workdir as workdirs
from revisit.training.background import Background, in_background
from revisit.training.gradients import Gradients, in_parts, make_recomputed_pyramid
from revisit.training.logs import Logs, read_metrics
from revisit.training.model import (
    forward,
    freeze_batch_norm,
    load_backbone,
    make_models,
    predict,
)
from revisit.training.modes import MODES, RANDOM, Mode, check_init
from revisit.training.strategies import Step, Strategy, make_strategy, sum_over_replicas

SHOWN_FIGURES = 5  # of an evaluation, in the log's line
NUM_DRAWN = 16  # examples that are drawn for people


class Steps(NamedTuple):
    """The durations of a config, in steps; 0 means only at the end."""

    total: int
    log: int
    evaluate: int
    save: int


class Plan(NamedTuple):
    """What a run is, before anything of it is made; `splits` are added where it is a probe's."""

    config: ConfigDict
    mode: Mode
    strategy: Strategy
    dataset: Dataset
    task: Task
    shards: tuple[Shard, ...]
    steps: Steps
    probe: probes.Probe
    splits: features.Splits | None = None


class State(NamedTuple):
    """What changes while a run goes on, and what it is saved by."""

    backbone: keras.Model
    head: keras.Model
    optimizer: keras.optimizers.Optimizer
    schedule: schedules.Schedule
    variables: list[tf.Variable]  # that the mode trains
    averages: dict[str, tf.Variable]
    checkpoints: checkpoint.Checkpoints


def _steps(config: ConfigDict, probe: probes.Probe, num_examples: int) -> Steps:
    train = config.train
    arguments = {"num_examples": num_examples, "batch_size": train.batch_size}
    duration = "1 epochs" if probe.closed_form else train.duration
    total = schedules.to_steps(duration, **arguments)
    every = (train.log_every, train.eval_every, train.save_every)
    return Steps(
        total, *(schedules.to_steps(each, **arguments, total_steps=total) for each in every)
    )


def _check_sizes(train: ConfigDict, num_replicas: int) -> None:
    for name in ("batch_size", "eval_batch_size", "keep_last", "steps_per_call", "accumulate"):
        if train[name] < 1:
            raise UserError(f"config.train.{name}={train[name]}: give at least 1")
    for name in ("batch_size", "eval_batch_size"):
        if train[name] % num_replicas:
            raise UserError(
                f"config.train.{name}={train[name]} is not a multiple of the {num_replicas} "
                "replicas"
            )
    if train.batch_size % (num_replicas * train.accumulate):
        raise UserError(
            f"config.train.accumulate={train.accumulate} does not divide the "
            f"{train.batch_size // num_replicas} examples that a replica has of a batch"
        )


def _check_together(config: ConfigDict, probe: probes.Probe, strategy: Strategy) -> None:
    asked = {
        "train.steps_per_call": config.train.steps_per_call > 1,
        "model.dtype": config.model.dtype == "float16",
        "probe.name": probe.on_features,
    }
    for field in (name for name, is_asked in asked.items() if is_asked and not strategy.together):
        raise UserError(
            f"config.{field}={operator.attrgetter(field)(config)!r} needs replicas that take each "
            "step together: choose another value, or a strategy other than parameter_server"
        )


def _check_keep_best(wanted: str, task: Task) -> None:
    """Not when a checkpoint is first compared, which is after an epoch."""
    names = list(task.make_metric().result()) if wanted else []
    if wanted and wanted.removeprefix("-") not in names:
        raise UserError(f"config.train.keep_best={wanted!r} is not a metric: {', '.join(names)}")


def make_plan(config: ConfigDict, mode: str, strategy: Strategy) -> Plan:
    """Reads the data set and checks the config against it.

    Raises:
      UserError: the data is not built, or a field of the config does not fit.
    """
    if not config.data.dir:
        raise UserError("config.data.dir is not set: name a data set, as --config.data.dir=DIR")
    dataset = view(read_dataset(config.data.dir), config.data)
    shards = data_input.train_shards(dataset, config.data.train_split, config.data.fraction)
    data_input.train_shards(dataset, config.data.eval_split, 1.0)
    _check_sizes(config.train, strategy.distribution.num_replicas_in_sync)
    check_augment(config.data.augment)
    task = make_task(config, dataset)
    probe = probes.PROBES["sgd"] if MODES[mode].trains_backbone else probes.make_probe(config)
    _check_together(config, probe, strategy)
    steps = _steps(config, probe, count_examples(shards))
    return Plan(config, MODES[mode], strategy, dataset, task, shards, steps, probe)


def _make_averages(
    config: ConfigDict, backbone: keras.Model, head: keras.Model
) -> dict[str, tf.Variable]:
    if config.optimizer.average == "none":
        return {}
    models = {"backbone": backbone, "head": head}
    return {
        f"{group}/{name}": tf.Variable(variable.read_value(), trainable=False)
        for group, model in models.items()
        for name, variable in checkpoint.named(model.trainable_variables).items()
    }


def make_state(plan: Plan, workdir: str) -> State:
    """Models, optimizer and checkpoints, with fresh weights; call in the strategy's scope."""
    config = plan.config
    backbone, head = make_models(config, plan.task)
    backbone.trainable = plan.mode.trains_backbone
    if config.model.freeze_batch_norm:
        freeze_batch_norm(backbone)
    num_examples = count_examples(plan.shards)
    arguments = {"num_examples": num_examples, "batch_size": config.train.batch_size}
    schedule = schedules.make_schedule(config.schedule, total_steps=plan.steps.total, **arguments)

    def steps(duration: str | int) -> int:
        return schedules.to_steps(duration, **arguments, total_steps=plan.steps.total)

    optimizer = optimizers.make_optimizer(config.optimizer, schedule, steps)
    if config.model.dtype == "float16":
        optimizer = optimizers.with_loss_scaling(optimizer)
    averages = _make_averages(config, backbone, head)
    keep_last = config.train.keep_last if plan.strategy.is_chief else 0
    checkpoints = checkpoint.Checkpoints(
        workdir, {"backbone": backbone, "head": head}, optimizer, averages, keep_last
    )
    variables = backbone.trainable_variables + head.trainable_variables
    return State(backbone, head, optimizer, schedule, variables, averages, checkpoints)


def _make_forward(plan: Plan, state: State) -> Callable[[dict], dict[str, tf.Tensor]]:
    """A batch -> outputs in training."""
    backbone, head, trains_backbone = state.backbone, state.head, plan.mode.trains_backbone

    def plain(batch: dict) -> dict[str, tf.Tensor]:
        return forward(backbone, head, batch, trains_backbone, training=True)

    if not (plan.config.train.recompute and trains_backbone):
        return plain
    levels = [name for name in head.input_names if name in backbone.output]
    pyramid = make_recomputed_pyramid(backbone, levels)
    return lambda batch: plain({**batch, **pyramid(batch["image"])})


def _make_gradients(plan: Plan, state: State) -> Gradients:
    """One replica's batch -> its part of the mean loss, and gradients of its part of the whole."""
    train, variables = plan.config.train, state.variables
    num_parts = plan.strategy.distribution.num_replicas_in_sync * train.accumulate
    decoupled = plan.config.optimizer.name in optimizers.DECOUPLED
    rate = 0.0 if decoupled else plan.config.optimizer.weight_decay
    scale, unscale = optimizers.loss_scaling(state.optimizer)
    run = _make_forward(plan, state)

    def of_part(batch: dict) -> tuple[tf.Tensor, list[tf.Tensor]]:
        with tf.GradientTape() as tape:
            losses = plan.task.loss(run(batch), batch)
            data_loss = tf.reduce_sum(losses * batch["weight"]) / train.batch_size
            decay = optimizers.weight_decay_loss(variables, rate) / num_parts
            total = scale(data_loss + decay)
        zero = tf.UnconnectedGradients.ZERO
        return data_loss, unscale(tape.gradient(total, variables, unconnected_gradients=zero))

    several = train.accumulate > 1
    gradients = in_parts(of_part, train.accumulate, variables) if several else of_part
    return tf.function(gradients, jit_compile=True) if train.jit_compile else gradients


def make_train_step(plan: Plan, state: State) -> Step:
    """The step that updates the weights once.

    Returns:
      (distributed batch, 1.0 where this process was told to stop) -> [3] float32, sums over
      replicas: mean loss of the global batch; number of replicas told to stop; staleness, the
      number of updates by others between reading the weights and updating them.
    """
    gradients, optimizer = _make_gradients(plan, state), state.optimizer
    distribution = plan.strategy.distribution

    def replica_step(batch: dict, stopped: tf.Tensor) -> tf.Tensor:
        before = optimizer.iterations.read_value()
        with tf.control_dependencies([before]):
            loss, grads = gradients(batch)
        # The optimizer sums over replicas itself; summing before it would count everything twice.
        optimizer.apply_gradients(zip(grads, state.variables, strict=True))
        staleness = optimizer.iterations.read_value() - before - 1
        return tf.stack([loss, stopped, tf.cast(staleness, tf.float32)])

    @tf.function
    def train_step(batch: Any, stopped: tf.Tensor) -> tf.Tensor:
        figures = distribution.run(replica_step, args=(batch, stopped))
        return distribution.reduce(tf.distribute.ReduceOp.SUM, figures, axis=None)

    return train_step


def several_steps(
    step: Step, has_clock: bool
) -> Callable[[Iterator[Any], tf.Tensor, tf.Tensor], tf.Tensor]:
    """Steps in one call, which also fetches their batches, so that the host has little to do.

    Args:
      step: of `make_train_step`.
      has_clock: False under op determinism, which forbids to look at one.

    Returns:
      (dealt batches, number of steps [] int32, 1.0 where this process was told to stop) ->
      [steps, 4] float32: what each step returns, and the seconds that it waited for its batch (NaN
      without a clock).
    """
    now = tf.timestamp if has_clock else functools.partial(tf.constant, np.nan, tf.float64)

    @tf.function
    def call(batches: Iterator[Any], count: tf.Tensor, stopped: tf.Tensor) -> tf.Tensor:
        def add(index: tf.Tensor, rows: tf.TensorArray) -> tuple[tf.Tensor, tf.TensorArray]:
            began = now()
            with tf.control_dependencies([began]):
                batch = next(batches)
            with tf.control_dependencies(tf.nest.flatten(batch, expand_composites=True)):
                waited = tf.cast(now() - began, tf.float32)
            return index + 1, rows.write(index, tf.concat([step(batch, stopped), [waited]], 0))

        rows = tf.TensorArray(tf.float32, count, element_shape=[4])
        _, rows = tf.while_loop(
            lambda index, _: index < count, add, (0, rows), parallel_iterations=1
        )
        return rows.stack()

    return call


def _numbers(batch: dict) -> dict:
    """A batch without ids: strings, which neither XLA nor a TPU can take."""
    return {name: value for name, value in batch.items() if value.dtype != tf.string}


def worker_batches(
    plan: Plan, step: int, context: tf.distribute.InputContext | None = None
) -> tf.data.Dataset:
    """A worker's training batches from a step on: the same whether or not it was stopped."""
    config, context = plan.config, context or tf.distribute.InputContext()
    stream = data_input.Stream(
        seed=config.seed,
        shuffle=config.data.shuffle,
        start=step * config.train.batch_size,
        worker=context.input_pipeline_id,
        num_workers=context.num_input_pipelines,
        augment=make_augment(config.data.augment),
        cache_bytes=config.data.cache_bytes,
    )
    size = context.get_per_replica_batch_size(config.train.batch_size)
    task, splits = plan.task, plan.splits
    if splits:
        batches = data_input.train_table_batches(plan.shards, splits.train.table, size, stream)
    else:
        batches = data_input.train_batches(plan.shards, task.prepare, size, stream, task.cached)
    return batches.map(_numbers)


def train_iterator(plan: Plan, step: int) -> Iterator[Any]:
    """What the step is called with, from a step on."""
    batches = functools.partial(worker_batches, plan, step)
    return plan.strategy.deal(plan.strategy.distribution, batches)


def _eval_batches(plan: Plan, split: str) -> Iterable[Any]:
    """Distributed batches of a split, every example once."""

    def batches(context: tf.distribute.InputContext) -> tf.data.Dataset:
        size = context.get_per_replica_batch_size(plan.config.train.eval_batch_size)
        place = context.input_pipeline_id, context.num_input_pipelines
        if plan.splits:
            return data_input.eval_table_batches(plan.splits.evaluation.table, size, *place)
        return data_input.eval_batches(plan.dataset, split, plan.task.prepare, size, *place)

    return plan.strategy.evaluation.distribute_datasets_from_function(batches)


def evaluate_split(
    plan: Plan,
    backbone: keras.Model,
    head: keras.Model,
    split: str,
    left_out: Sequence[str] = (),
) -> tuple[Metric, Metric]:
    """The task's metric over a split, every example counted once; and, where ids are to be left
    out, over the split without them, else an empty one."""
    metric, rest = plan.task.make_metric(), plan.task.make_metric()

    def measure(batch: Batch) -> dict[str, tf.Tensor]:
        rows = plan.task.measure(predict(plan.task, backbone, head, batch), batch)
        if left_out:
            is_left_out = tf.reduce_any(batch["id"][:, None] == tf.constant(left_out), axis=1)
            rows["kept"] = tf.where(is_left_out, 0.0, batch["weight"])
        return rows

    def update(rows: dict[str, np.ndarray]) -> None:
        kept = rows.pop("kept", None)
        metric.update(rows)
        if kept is not None:
            rest.update({**rows, "weight": kept})

    evaluate(plan.strategy.evaluation, measure, _eval_batches(plan, split), update)
    return metric, rest


def _first_replica(plan: Plan, batch: Any) -> dict[str, tf.Tensor]:
    local = plan.strategy.evaluation.experimental_local_results
    return {name: local(value)[0][:NUM_DRAWN] for name, value in batch.items()}


def draw_split(plan: Plan, backbone: keras.Model, head: keras.Model, split: str) -> np.ndarray:
    """Pictures of a split's first examples with targets and predictions, [N, H, W, 3] uint8."""
    batch = _first_replica(plan, next(iter(_eval_batches(plan, split))))
    return plan.task.draw(batch, predict(plan.task, backbone, head, batch))


@contextmanager
def _signals() -> Iterator[Callable[[], bool]]:
    """Inside, SIGTERM and SIGINT are only noted; yields whether one came."""
    noted = []

    def note(signum: int, frame: FrameType | None) -> None:
        noted.append(signum)

    before = {each: signal.signal(each, note) for each in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield lambda: bool(noted)
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


class _Window:
    """The losses, and the waits, of the steps since the last line of progress."""

    def __init__(self, fetch: Callable[[list], Any], losses: Sequence[float] = (0.0, 0.0)) -> None:
        """Args:
        fetch: of the strategy.
        losses: sum and number of those that a run which goes on had not told yet.
        """
        self.paused = 0.0  # seconds, for what was done between steps
        self.waited = 0.0  # seconds, for input
        self.results: list[Any] = []  # of calls of the step, not looked at yet
        self.losses = np.asarray(losses, np.float64)  # sum and number
        self.staleness: list[float] = []
        self._fetch = fetch

    def next_batch(self, iterator: Iterator[Any]) -> Any:
        """The next batch; the time it took counts as waiting for input."""
        began = time.monotonic()
        batch = next(iterator)
        self.waited += time.monotonic() - began
        return batch

    def settle(self, step: int) -> None:
        """Waits for all steps up to `step`, and looks at what they returned.

        Raises:
          UserError: a loss is not finite.
        """
        if not self.results:
            return
        losses, _, staleness, *waited = np.asarray(self._fetch(self.results), np.float64).T
        if not np.isfinite(losses).all():
            raise UserError(
                f"the loss is {losses.sum()} between steps {step - len(losses)} and {step}: lower "
                "config.schedule.learning_rate or lengthen config.schedule.warmup"
            )
        self.losses += losses.sum(), len(losses)
        self.staleness.extend(staleness)
        self.waited += np.sum(waited)
        self.results = []

    def figures(self, batch_size: int, seconds: float) -> dict[str, float]:
        """Mean loss, rates and shares of a window of so many seconds; staleness if there is any."""
        seconds -= self.paused
        figures = {
            "loss": self.losses[0] / self.losses[1],
            "images_per_second": len(self.staleness) * batch_size / seconds,
            "input_wait_share": self.waited / seconds,
        }
        if any(self.staleness):
            figures["staleness_mean"] = float(np.mean(self.staleness))
            figures["staleness_p95"] = float(np.percentile(self.staleness, 95))
        return figures


def _shown(figures: dict[str, float]) -> str:
    """The first figures, which tell most, the loss before them: what fits in a terminal's line."""
    names = sorted(figures, key=lambda name: name != "loss")  # stable: the task's own order
    shown = "  ".join(f"{name} {figures[name]:.4g}" for name in names[:SHOWN_FIGURES])
    rest = len(names) - SHOWN_FIGURES
    return shown if rest <= 0 else f"{shown}  ({rest} more in metrics.csv)"


class _Run:
    """One run under way: the steps, and what is done every so many of them."""

    def __init__(self, plan: Plan, state: State, logs: Logs, background: Background) -> None:
        self.plan = plan
        self.state = state
        self.logs = logs
        self.background = background
        self.figures: dict[str, float] = {}  # of the last evaluation
        self.window = _Window(plan.strategy.fetch, state.checkpoints.window.numpy())
        self.told = time.monotonic()  # when the last line of progress was, by the clock of steps

    def log(self, step: int) -> None:
        """Waits for nothing: the background does, and then tells."""
        window, self.window = self.window, _Window(self.plan.strategy.fetch)
        self.background.start(self._tell, step, window)

    def _tell(self, step: int, window: _Window) -> None:
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
        self.logs.say(f"step {step:,}  {split}: {_shown(self.figures)}")
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
        began = time.monotonic()
        # A step that is done again, for a worker that died before it told of it, counts once.
        self.state.optimizer.iterations.assign(step)
        self._share_statistics()
        for action in actions:
            action(step)
        self.window.paused += time.monotonic() - began

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
        self.logs.say(f"{shots} images a class{fewer}: {_shown(figures)}")


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


def _describe(plan: Plan) -> str:
    num_examples = count_examples(plan.shards)
    return (
        f"{num_examples:,} examples of {plan.dataset.directory}, "
        f"{plan.dataset.taxonomy.num_classes:,} classes, ResNet-{plan.config.model.depth} "
        f"x{plan.config.model.width}, {plan.steps.total:,} steps of {plan.config.train.batch_size}"
    )


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
    _check_keep_best(config.train.keep_best, plan.task)
    workdirs.check_same_run(workdir, config, mode, init, plan.dataset)
    finished = read_metrics(workdir, config.data.eval_split, plan.steps.total)
    title = f"{mode} {os.path.basename(workdir.rstrip('/'))}"
    if finished and checkpoint.exists(workdir, plan.steps.total):
        if strategy.is_chief:
            print(f"{title}: has done all {plan.steps.total:,} steps: {_shown(finished)}")
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
    logs.say(_describe(plan))
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
