"""Feature pyramid network (Lin et al. 2017, arXiv 1612.03144): each box from the level of its size.

Every stage of the backbone gives a level; from the coarsest down, each is the stage's own features
by a 1x1 convolution plus the level above, twice as large, and a 3x3 convolution after it.
"""

import itertools
import math
from collections.abc import Mapping, Sequence

import tensorflow as tf
import tf_keras as keras

from revisit.models import boxes as box_lib
from revisit.models.roi_align import align_levels

# A box whose area is that of 224 x 224 pixels goes to the level of stride 16 (equation 1).
CANONICAL_SIZE, CANONICAL_LEVEL = 224.0, 4
HIDDEN_UNITS = 4  # of the two layers over a box, for each channel of the pyramid


def _enlarge(features: tf.Tensor, height: int, width: int) -> tf.Tensor:
    """[B, h, w, C] -> [B, height, width, C], where each feature stands for 2 x 2."""
    return tf.repeat(tf.repeat(features, 2, axis=1), 2, axis=2)[:, :height, :width]


def _make_convolutions(
    widths: Mapping[str, int], channels: int, size: int, name: str
) -> keras.Model:
    """Features by level [B, H, W, width] -> [B, H, W, channels], each by its own convolution."""
    inputs = {level: keras.Input((None, None, width)) for level, width in widths.items()}
    outputs = {
        level: keras.layers.Conv2D(
            *(channels, size), padding="same", dtype="float32", name=f"fpn/{level}/{name}"
        )(x)
        for level, x in inputs.items()
    }
    return keras.Model(inputs, outputs, name=f"fpn/{name}")


def _make_hidden(size: int, units: int) -> keras.Model:
    """Features of boxes [n, size] -> [n, units]."""
    crops = keras.Input((size,))
    x = crops
    for name in ("box/hidden1", "box/hidden2"):
        x = keras.layers.Dense(units, activation="relu", dtype="float32", name=name)(x)
    return keras.Model(crops, x, name="box/hidden")


class FeaturePyramid(keras.Model):
    """Regions of a pyramid: what FasterRCNN looks at, and how it cuts boxes out of that.

    Attributes:
      levels: stages of the backbone that are looked at, the finest first.
      channels: of every map of the pyramid.
      units: F, of what describes a box.
    """

    def __init__(self, backbone: keras.Model, channels: int, canvas: int, bins: int) -> None:
        """Args:
        backbone: image -> stages, each of half the resolution of the one before.
        channels: of every map (Lin et al.: 256).
        canvas: side of the canvas, pixels.
        bins: features a side of a box (Lin et al.: 7).
        """
        super().__init__(name="fpn")
        self.levels = sorted(backbone.output)
        self.channels, self.units = channels, HIDDEN_UNITS * channels
        self._canvas, self._bins = canvas, bins
        widths = {name: backbone.output[name].shape[-1] for name in self.levels}
        self._laterals = _make_convolutions(widths, channels, 1, "lateral")
        self._outputs = _make_convolutions(dict.fromkeys(widths, channels), channels, 3, "output")
        self._hidden = _make_hidden(bins**2 * channels, self.units)

    def call(self, inputs: Mapping[str, tf.Tensor]) -> list[tf.Tensor]:
        """Stages by name -> a map [B, H, W, channels] of each, the finest first, and of one more.

        The last, of half the resolution of the coarsest stage, is for large anchors alone.
        """
        merged = self._laterals({name: inputs[name] for name in self.levels})
        for finer, coarser in reversed(list(itertools.pairwise(self.levels))):
            merged[finer] += _enlarge(merged[coarser], *merged[finer].shape[1:3])
        maps = self._outputs(merged)
        return [*(maps[name] for name in self.levels), maps[self.levels[-1]][:, ::2, ::2]]

    def describe(self, maps: Sequence[tf.Tensor], boxes: tf.Tensor, training: bool) -> tf.Tensor:
        """Boxes [B, R, 4] in [0, 1] of the canvas -> [B * R, F], each from the map of its size."""
        del training  # no layer of these behaves otherwise in training
        sizes = self._canvas * tf.sqrt(box_lib.areas(boxes))
        octaves = tf.math.log(tf.maximum(sizes, 1.0) / CANONICAL_SIZE) / math.log(2.0)
        numbers = [int(name.removeprefix("c")) for name in self.levels]
        chosen = tf.cast(tf.floor(octaves), tf.int32) + CANONICAL_LEVEL
        places = tf.clip_by_value(chosen, numbers[0], numbers[-1]) - numbers[0]
        x = align_levels(maps[: len(numbers)], boxes, places, self._bins)
        return self._hidden(tf.reshape(x, [-1, self._bins**2 * self.channels]))
