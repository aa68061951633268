"""What changes while a run goes on, and the step that changes it.

outputs = head(backbone(image))
loss    = sum over examples of task.loss(outputs, batch) / global batch size + weight decay
update  = the optimizer, on the variables that the mode trains
"""

import functools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
import tf_keras as keras
from ml_collections import ConfigDict

from revisit.data.records import count_examples
from revisit.training import checkpoint, optimizers, schedules
from revisit.training.gradients import Gradients, in_parts, make_recomputed_pyramid
from revisit.training.model import forward, freeze_batch_norm, make_models
from revisit.training.plan import Plan
from revisit.training.strategies import Step, all_sum


class State(NamedTuple):
    """What changes while a run goes on, and what it is saved by."""

    backbone: keras.Model
    head: keras.Model
    optimizer: keras.optimizers.Optimizer
    schedule: schedules.Schedule
    variables: list[tf.Variable]  # that the mode trains
    averages: dict[str, tf.Variable]
    checkpoints: checkpoint.Checkpoints


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
      (distributed batch, 1.0 where this process was told to stop) -> [3] float32: mean loss of the
      global batch; number of replicas told to stop; staleness, the number of updates by others
      between reading the weights and updating them.
    """
    gradients, optimizer = _make_gradients(plan, state), state.optimizer
    distribution = plan.strategy.distribution

    def replica_step(batch: dict, stopped: tf.Tensor) -> tf.Tensor:
        before = optimizer.iterations.read_value()
        with tf.control_dependencies([before]):
            loss, grads = gradients(batch)
        # Summed here, not after the update: so it goes on beside the backward pass.
        figures = all_sum(tf.stack([loss, stopped]))
        # The optimizer sums over replicas itself; summing before it would count everything twice.
        optimizer.apply_gradients(zip(grads, state.variables, strict=True))
        staleness = optimizer.iterations.read_value() - before - 1
        return tf.concat([figures, [tf.cast(staleness, tf.float32)]], axis=0)

    @tf.function
    def train_step(batch: Any, stopped: tf.Tensor) -> tf.Tensor:
        figures = distribution.run(replica_step, args=(batch, stopped))
        return distribution.experimental_local_results(figures)[0]

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
