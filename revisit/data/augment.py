"""Photometric augmentation of training batches by keras-cv's layers.

The layers draw from a generator of their own, whose state no checkpoint holds. Here the numbers are
drawn from the batch's position in the stream, and only the layers' pixel work is used, so a run
that goes on after a stop sees the same pictures as one that was never stopped. Geometry stays with
the crop and the reflection of revisit.data.images.
"""

import contextlib
import io
from collections.abc import Callable
from types import ModuleType
from typing import NamedTuple

import tensorflow as tf

from revisit.errors import UserError

MAX_CHANGE = 0.5  # of brightness, contrast, colour and sharpness, at the ends of their ranges
NUM_LAYERS = 2  # operations that rand_augment applies to an image


class Operation(NamedTuple):
    """One photometric change.

    Attributes:
      layer: name of the keras-cv layer.
      arguments: of its constructor.
      transform: [B, 1, 1, 1] uniform in [-1, 1] -> what the layer's `augment_images` takes.
    """

    layer: str
    arguments: dict
    transform: Callable[[tf.Tensor], tf.Tensor | dict[str, tf.Tensor] | None]


_RANGE = {"value_range": (0, 255)}
OPERATIONS = {
    "brightness": Operation(
        "RandomBrightness", {"factor": 0.0, **_RANGE}, lambda draw: 255 * MAX_CHANGE * draw
    ),
    "contrast": Operation(
        "RandomContrast", {"factor": 0.0, **_RANGE}, lambda draw: 1 + MAX_CHANGE * draw
    ),
    "color": Operation(
        "RandomColorDegeneration", {"factor": 0.0}, lambda draw: MAX_CHANGE * (1 + draw)
    ),
    "sharpness": Operation(
        "RandomSharpness", {"factor": 0.0, **_RANGE}, lambda draw: MAX_CHANGE * (1 + draw)
    ),
    "auto_contrast": Operation("AutoContrast", dict(_RANGE), lambda draw: None),
    "solarize": Operation(
        "Solarization",
        dict(_RANGE),
        lambda draw: {"thresholds": 128 * (1 + draw), "additions": tf.zeros_like(draw)},
    ),
}

# [B, S, S, 3] float32 in [0, 255], seed [2] -> the same
Augment = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


def import_keras_cv() -> ModuleType:
    """keras-cv, where it is used: it takes seconds, most runs do without, and it prints a line."""
    with contextlib.redirect_stdout(io.StringIO()):
        import keras_cv
    return keras_cv


def _make(name: str) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    """(images [B, S, S, 3], draws [B] in [-1, 1]) -> images changed each by its own draw."""
    operation = OPERATIONS[name]
    layer = getattr(import_keras_cv().layers, operation.layer)(**operation.arguments)

    def apply(images: tf.Tensor, draws: tf.Tensor) -> tf.Tensor:
        return layer.augment_images(
            images, transformations=operation.transform(tf.reshape(draws, [-1, 1, 1, 1]))
        )

    return apply


def make_color_jitter() -> Augment:
    """Brightness, contrast and colour, each by a uniformly drawn amount (Howard 2013)."""
    changes = [_make(name) for name in ("brightness", "contrast", "color")]

    def augment(images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        draws = tf.random.stateless_uniform([len(changes), tf.shape(images)[0]], seed, -1.0, 1.0)
        for change, draw in zip(changes, tf.unstack(draws), strict=True):
            images = change(images, draw)
        return images

    return augment


def make_rand_augment() -> Augment:
    """NUM_LAYERS photometric operations an image, drawn with their strength (Cubuk 2020)."""
    changes = [_make(name) for name in OPERATIONS]

    def augment(images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        shape = [NUM_LAYERS, tf.shape(images)[0]]
        choices = tf.random.stateless_uniform(shape, seed, 0, len(changes), tf.int32)
        draws = tf.random.stateless_uniform(shape, seed + 1, -1.0, 1.0)
        for choice, draw in zip(tf.unstack(choices), tf.unstack(draws), strict=True):
            results = tf.stack([change(images, draw) for change in changes], axis=1)
            images = tf.gather(results, choice, axis=1, batch_dims=1)
        return images

    return augment


AUGMENTATIONS = {"color_jitter": make_color_jitter, "rand_augment": make_rand_augment}


def check_augment(name: str) -> None:
    """Raises UserError where `config.data.augment` has no such value."""
    known = ["none", *AUGMENTATIONS]
    if name not in known:
        raise UserError(f"config.data.augment={name!r} is not one of {', '.join(known)}")


def make_augment(name: str) -> Augment | None:
    """The augmentation of `config.data.augment`; None for "none"."""
    return AUGMENTATIONS[name]() if name in AUGMENTATIONS else None
