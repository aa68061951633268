"""The one place where durations become steps, and where the learning rate follows the step.

A duration is "<number> steps|epochs|examples|percent" (percent of the run), or a plain whole number
of steps. Everything downstream of this module counts in steps.
"""

import math
import re
from collections.abc import Callable
from fractions import Fraction
from typing import Any, NamedTuple

import ml_collections
import tensorflow as tf
import tf_keras as keras

from revisit.errors import UserError

_DURATION = re.compile(r"\s*([0-9][0-9_]*(?:\.[0-9]*)?(?:[eE]\+?[0-9]{1,2})?)\s*([a-z]*)\s*")
_UNITS = ("steps", "epochs", "examples", "percent")


def _parse(duration: str | int) -> tuple[Fraction, str]:
    """Reads "1.5 epochs" as (3/2, "epochs"): exact, so 0.1 of 30 is 3 and rounding up adds none."""
    match = _DURATION.fullmatch(str(duration))
    number, unit = match.groups() if match else ("", "")
    unit = {"": "steps", "step": "steps", "epoch": "epochs", "example": "examples"}.get(unit, unit)
    amount = Fraction(number.replace("_", "") or "0")
    if not match or unit not in _UNITS or (unit == "steps" and amount.denominator != 1):
        raise UserError(
            f'not a duration: "{duration}". Give a whole number of steps, '
            'or "<number> steps|epochs|examples|percent", as in "4 epochs"'
        )
    return amount, unit


def to_steps(
    duration: str | int, num_examples: int, batch_size: int, total_steps: int | None = None
) -> int:
    """The number of steps of a duration.

    Epochs and examples round up to whole batches, so a run sees no less than was asked; percent
    rounds to the nearest.

    Args:
      duration: "4 epochs", "3000 steps", "1e6 examples", "5 percent", 3000, "3_000".
      num_examples: examples in one epoch (after subsets).
      batch_size: global, examples.
      total_steps: length of the run, for "percent"; None where the run's own length is asked.

    Raises:
      UserError: the duration can't be read, or is a percentage of an unknown length.
    """
    amount, unit = _parse(duration)
    if unit == "percent" and total_steps is None:
        raise UserError(
            f'"{duration}" is a part of the run, and here its length is asked: give epochs or steps'
        )
    if unit == "percent":
        return round(amount * Fraction(total_steps or 0) / 100)
    examples_per_unit = {"steps": batch_size, "epochs": num_examples, "examples": 1}[unit]
    return math.ceil(amount * examples_per_unit / batch_size)


class Curve(NamedTuple):
    """All that a shape may ask: lengths in steps, and the shape's own numbers."""

    total_steps: int
    warmup_steps: int = 0
    decay_steps: int = 1
    decay_factor: float = 1.0
    power: float = 1.0


def _progress(step: tf.Tensor, curve: Curve) -> tf.Tensor:
    """From 0 at the end of the warm-up to 1 at the end of the run."""
    length = max(curve.total_steps - curve.warmup_steps, 1)
    return tf.clip_by_value((step - curve.warmup_steps) / length, 0.0, 1.0)


def _constant(step: tf.Tensor, curve: Curve) -> tf.Tensor:
    return tf.ones_like(step)


def _staircase(step: tf.Tensor, curve: Curve) -> tf.Tensor:
    # Counted from step 0, warm-up or not: "every 3 million steps" are steps of the run.
    return curve.decay_factor ** tf.floor(step / curve.decay_steps)


def _cosine(step: tf.Tensor, curve: Curve) -> tf.Tensor:
    return 0.5 * (1.0 + tf.cos(math.pi * _progress(step, curve)))


def _poly(step: tf.Tensor, curve: Curve) -> tf.Tensor:
    return (1.0 - _progress(step, curve)) ** curve.power


# name -> fraction of the learning rate at a step (float64 scalar)
SHAPES: dict[str, Callable[[tf.Tensor, Curve], tf.Tensor]] = {
    "constant": _constant,
    "staircase": _staircase,
    "cosine": _cosine,
    "poly": _poly,
}


@keras.utils.register_keras_serializable(package="revisit")
class Schedule(keras.optimizers.schedules.LearningRateSchedule):
    """learning_rate x shape(step) x min(1, (step + 1) / warmup_steps).

    Steps count from 0. Computed in float64, since float32 can't tell steps apart beyond 2^24 (the
    paper's run has 36 million, as recalled); returned as float32.
    """

    def __init__(self, name: str, learning_rate: float, curve: Curve) -> None:
        super().__init__()
        self.name = name
        self.learning_rate = learning_rate
        self.curve = Curve(*curve)  # a plain list after deserialization

    def __call__(self, step: tf.Tensor) -> tf.Tensor:
        step = tf.cast(step, tf.float64)
        warmup = tf.clip_by_value((step + 1.0) / max(self.curve.warmup_steps, 1), 0.0, 1.0)
        rate = self.learning_rate * warmup * SHAPES[self.name](step, self.curve)
        return tf.cast(rate, tf.float32)

    def get_config(self) -> dict[str, Any]:
        """What Keras builds an equal one from."""
        return {"name": self.name, "learning_rate": self.learning_rate, "curve": list(self.curve)}


def make_schedule(
    config: ml_collections.ConfigDict, num_examples: int, batch_size: int, total_steps: int
) -> Schedule:
    """The learning rate of a run, by the `schedule` part of a config.

    Args:
      config: fields name (a key of SHAPES), learning_rate, decay_factor and decay_every
        (staircase), power (poly), warmup (a duration of linear growth from 0).
      num_examples: examples in one epoch.
      batch_size: global, examples.
      total_steps: length of the run; cosine and poly end there, at 0.
    """
    if config.name not in SHAPES:
        raise UserError(f'schedule.name is "{config.name}"; choose one of {", ".join(SHAPES)}')
    if config.learning_rate < 0:
        raise UserError(f"config.schedule.learning_rate={config.learning_rate} is below 0")
    decay_steps = to_steps(config.decay_every, num_examples, batch_size, total_steps)
    if decay_steps < 1:
        raise UserError(f'schedule.decay_every is "{config.decay_every}": give at least 1 step')
    warmup_steps = to_steps(config.warmup, num_examples, batch_size, total_steps)
    curve = Curve(total_steps, warmup_steps, decay_steps, config.decay_factor, config.power)
    return Schedule(config.name, config.learning_rate, curve)
