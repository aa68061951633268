"""Optimizers by name, with the decay of kernels alone and the averages of weights.

All are of Keras' "legacy" family: its updates run as one fused kernel a variable, its slots can
start at any value (TensorFlow 1's RMSProp starts at 1), and the averages of tensorflow-addons wrap
no other. `optimizer.learning_rate` is then the schedule itself: for the present rate call
`schedule(step)`.
"""

import contextlib
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

import ml_collections
import tensorflow as tf
import tf_keras as keras

from revisit.errors import UserError
from revisit.training import addons

Optimizer: TypeAlias = keras.optimizers.legacy.Optimizer
LearningRate: TypeAlias = keras.optimizers.schedules.LearningRateSchedule

# "conv1/kernel:0", and a piece of a kernel that is spread over parameter servers,
# "classifier/kernel/part_3:0"
KERNEL_NAME = r"kernel(/part_\d+)?:\d+$"


def kernels(variables: Sequence[tf.Variable]) -> list[tf.Variable]:
    """The kernels of convolutions and dense layers: no biases, no batch-norm scales and offsets."""
    return [variable for variable in variables if re.search(KERNEL_NAME, variable.name)]


def weight_decay_loss(variables: Sequence[tf.Variable], rate: float) -> tf.Tensor:
    """L2 of the kernels, rate x sum of w^2 / 2: a float32 scalar to add to the loss.

    Its gradient is rate x w. With the half, as TF-slim's `l2_regularizer` and "weight decay 1e-4"
    in the papers of that time have it; Keras' `regularizers.L2(rate)` has no half, and decays twice
    as fast for the same number. Add it once to the loss of the global batch: under a strategy each
    replica adds its share, 1 / num_replicas.
    """
    chosen = kernels(variables) if rate else []
    return rate * tf.add_n([tf.zeros([]), *map(tf.nn.l2_loss, chosen)])  # l2_loss is sum(w^2) / 2


class RMSProp(keras.optimizers.legacy.RMSprop):
    """RMSProp whose mean square starts at `initial_accumulator`.

    mean_square = decay * mean_square + (1 - decay) * gradient^2
    velocity = momentum * velocity + learning_rate * gradient / sqrt(mean_square + epsilon)
    variable -= velocity

    TensorFlow 1, in which the recipes of the paper's time were tuned, starts at 1; Keras starts at
    0, which makes the first steps larger (with gradient 1, decay 0.9 and epsilon 1: 0.95 of the
    learning rate instead of 0.71).
    """

    def __init__(self, *args: Any, initial_accumulator: float = 0.0, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial_accumulator = initial_accumulator

    def _create_slots(self, var_list: Sequence[tf.Variable]) -> None:
        for variable in var_list:
            self.add_slot(variable, "rms", keras.initializers.Constant(self.initial_accumulator))
        super()._create_slots(var_list)  # keeps the slots that exist

    def get_config(self) -> dict[str, Any]:
        """What Keras builds an equal one from."""
        return {**super().get_config(), "initial_accumulator": self.initial_accumulator}


class AdamW(keras.optimizers.legacy.Adam):
    """Adam that also takes learning_rate x weight_decay x w from the kernels.

    Loshchilov and Hutter, 2019; scaled by the learning rate, as Keras and PyTorch do.
    """

    def __init__(self, *args: Any, weight_decay: float = 0.0, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.weight_decay = weight_decay

    def _resource_apply_dense(
        self, grad: tf.Tensor, var: tf.Variable, apply_state: Any = None
    ) -> tf.Operation:
        decay = []
        if self.weight_decay and kernels([var]):
            rate = self._decayed_lr(var.dtype.base_dtype) * self.weight_decay
            decay = [var.assign_sub(rate * var, use_locking=self._use_locking)]
        with tf.control_dependencies(decay):
            return super()._resource_apply_dense(grad, var, apply_state)

    def get_config(self) -> dict[str, Any]:
        """What Keras builds an equal one from."""
        return {**super().get_config(), "weight_decay": self.weight_decay}


def _sgd(config: ml_collections.ConfigDict, learning_rate: LearningRate) -> Optimizer:
    return keras.optimizers.legacy.SGD(learning_rate, config.momentum)


def _nesterov(config: ml_collections.ConfigDict, learning_rate: LearningRate) -> Optimizer:
    return keras.optimizers.legacy.SGD(learning_rate, config.momentum, nesterov=True)


def _rmsprop(config: ml_collections.ConfigDict, learning_rate: LearningRate) -> Optimizer:
    return RMSProp(
        learning_rate,
        rho=config.decay,
        momentum=config.momentum,
        epsilon=config.epsilon,
        initial_accumulator=config.initial_accumulator,
    )


def _adam_arguments(config: ml_collections.ConfigDict) -> dict[str, float]:
    return {
        "beta_1": config.beta_1,
        "beta_2": config.beta_2,
        "epsilon": config.adam_epsilon,
        "weight_decay": config.weight_decay,
    }


def _adamw(config: ml_collections.ConfigDict, learning_rate: LearningRate) -> Optimizer:
    return AdamW(learning_rate, **_adam_arguments(config))


def _lamb(config: ml_collections.ConfigDict, learning_rate: LearningRate) -> Optimizer:
    return addons.lamb(learning_rate, decayed_names=KERNEL_NAME, **_adam_arguments(config))


OPTIMIZERS: dict[str, Callable[[ml_collections.ConfigDict, LearningRate], Optimizer]] = {
    "sgd": _sgd,
    "nesterov": _nesterov,
    "rmsprop": _rmsprop,
    "adamw": _adamw,
    "lamb": _lamb,
}
DECOUPLED = ("adamw", "lamb")  # these decay weights themselves: add no weight_decay_loss
AVERAGES = ("none", *addons.AVERAGES)


def make_optimizer(
    config: ml_collections.ConfigDict,
    learning_rate: LearningRate,
    steps: Callable[[str | int], int] = int,
) -> Optimizer:
    """The optimizer of the `optimizer` part of a config.

    Args:
      config: fields
        name: a key of OPTIMIZERS.
        momentum: sgd, nesterov, rmsprop.
        decay, epsilon, initial_accumulator: rmsprop (1.0 as TensorFlow 1 starts, 0.0 as Keras).
        beta_1, beta_2, adam_epsilon: adamw, lamb.
        weight_decay: of kernels. adamw and lamb take it off the weights themselves (DECOUPLED); for
          the others it is the rate of `weight_decay_loss`, which the caller adds to the loss.
        average: "none", "polyak" (moving average of the weights) or "swa" (mean of snapshots);
          evaluate inside `averaged_weights`.
        clip_norm: gradients are scaled down to this norm, of all together; 0: never.
        average_start: duration, first step that is averaged; average_decay: polyak; average_every:
          duration, swa.
      learning_rate: step -> rate.
      steps: duration -> steps: functools.partial(schedules.to_steps, num_examples=..., ...).
    """
    if config.name not in OPTIMIZERS:
        raise UserError(f'optimizer.name is "{config.name}"; choose one of {", ".join(OPTIMIZERS)}')
    if config.average not in AVERAGES:
        raise UserError(
            f'optimizer.average is "{config.average}"; choose one of {", ".join(AVERAGES)}'
        )
    try:
        optimizer = OPTIMIZERS[config.name](config, learning_rate)
    except ValueError as error:
        raise UserError(f"config.optimizer does not fit {config.name}: {error}") from error
    if config.average != "none":
        optimizer = addons.AVERAGES[config.average](optimizer, config, steps)
    optimizer.global_clipnorm = config.clip_norm or None
    return optimizer


def with_loss_scaling(optimizer: Optimizer) -> Optimizer:
    """For float16, in which small gradients vanish: the loss is multiplied, its gradients divided.

    The factor is halved when a gradient is not finite, and the weights are left as they are in that
    step; it is doubled after 2,000 steps without such (Micikevicius et al. 2018).
    """
    return keras.mixed_precision.LossScaleOptimizer(optimizer)


def loss_scaling(
    optimizer: Optimizer,
) -> tuple[Callable[[tf.Tensor], tf.Tensor], Callable[[list], list]]:
    """What is to be done to the loss before its gradients are taken, and to these after it."""
    if isinstance(optimizer, keras.mixed_precision.LossScaleOptimizer):
        return optimizer.get_scaled_loss, optimizer.get_unscaled_gradients
    return (lambda loss: loss), (lambda gradients: gradients)


def nested(optimizer: Optimizer) -> list[Optimizer]:
    """The optimizer, and those that it wraps, the innermost last."""
    inner = getattr(optimizer, "_optimizer", None)  # of loss scaling and of averages
    return [optimizer, *(nested(inner) if inner else ())]


def create_slots(optimizer: Optimizer, variables: Sequence[tf.Variable]) -> None:
    """Makes the optimizer's own variables now; else they are made inside the first step.

    Averages start from the weights at this moment, so call it after the weights are initialised or
    restored from another run, and before a checkpoint of this one is restored.
    """
    optimizer._create_all_weights(variables)


def averages(optimizer: Optimizer, variables: Sequence[tf.Variable]) -> list[tf.Variable]:
    """The averages of the variables, in order; the variables where none are kept (yet)."""
    for holder in reversed(nested(optimizer)):
        if "average" in holder.get_slot_names() and addons.has_averages(holder):
            return [holder.get_slot(variable, "average") for variable in variables]
    return list(variables)


@contextlib.contextmanager
def averaged_weights(optimizer: Optimizer, variables: Sequence[tf.Variable]) -> Iterator[None]:
    """Inside, the variables hold their averages: to evaluate, to export. After it, what they were.

    To the bit: swapping by sums, as tensorflow-addons does it, loses the last bits, and a run that
    is evaluated would differ from one that isn't. Batch-norm statistics are no weights and stay as
    they are. Without averages it does nothing.
    """
    averaged = [
        (variable, average)
        for variable, average in zip(variables, averages(optimizer, variables), strict=True)
        if variable is not average
    ]
    kept = [variable.numpy() for variable, _ in averaged]
    for variable, average in averaged:
        variable.assign(average.read_value())
    try:
        yield
    finally:
        for (variable, _), value in zip(averaged, kept, strict=True):
            variable.assign(value)
