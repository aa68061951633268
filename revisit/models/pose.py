"""G-RMI's network of one person's keypoints (Papandreou et al. 2017, arXiv 1701.01779, section 3).

For each keypoint a heatmap tells which cells of the grid lie in a disk around it, and two offset
channels tell, from each cell of the disk, where in it the keypoint is. Both are predicted by a 1x1
convolution of the backbone's deepest features. What is found is where the cells' votes meet.

Points are (y, x) in pixels of the crop. Cells of the grid reach from the crop's first pixel to its
last, so a side of the crop is 1 more than a multiple of the backbone's output stride.
"""

import math
from typing import NamedTuple

import numpy as np
import tensorflow as tf
import tf_keras as keras

from revisit.data.records import NUM_KEYPOINTS

BINS_A_CELL = 2  # of the map of votes, a side


class Options(NamedTuple):
    """The crop, and the disks in it.

    Attributes:
      crop: height and width, pixels.
      radius: of the disk around a keypoint, pixels.
    """

    crop: tuple[int, int]
    radius: float


class Target(NamedTuple):
    """What the head should say of a grid.

    Attributes:
      in_disk: [..., h, w, K] bool, of cells near a known keypoint.
      offsets: [..., h, w, K, 2] float32 from each cell to each keypoint, pixels.
    """

    in_disk: tf.Tensor
    offsets: tf.Tensor


def make_head(backbone: keras.Model, options: Options) -> keras.Model:
    """The two deepest levels -> "heatmap" [B, h, w, K] logits, "offsets" [B, h, w, K, 2] pixels,
    and "intermediate", a heatmap of the level before the last, which helps training alone.
    """
    before, last = sorted(backbone.output)[-2:]
    disk_share = math.pi * options.radius**2 / math.prod(options.crop)
    log_odds = keras.initializers.Constant(math.log(disk_share / (1 - disk_share)))
    inputs = {
        level: keras.Input(backbone.output[level].shape[1:], name=level) for level in (before, last)
    }

    def convolve(
        level: str, channels: int, bias: keras.initializers.Initializer, name: str
    ) -> tf.Tensor:
        return keras.layers.Conv2D(
            channels,
            kernel_size=1,
            kernel_initializer=keras.initializers.RandomNormal(stddev=0.01),
            bias_initializer=bias,
            dtype="float32",
            name=name,
        )(inputs[level])

    pairs = convolve(last, NUM_KEYPOINTS * 2, keras.initializers.Zeros(), "offsets")
    outputs = {
        "heatmap": convolve(last, NUM_KEYPOINTS, log_odds, "heatmap"),
        "offsets": _Pairs(dtype="float32", name="offset_pairs")(pairs),
        "intermediate": convolve(before, NUM_KEYPOINTS, log_odds, "intermediate"),
    }
    return keras.Model(inputs, outputs, name="head")


class _Pairs(keras.layers.Layer):
    """[B, h, w, 2K] -> [B, h, w, K, 2], whatever h and w are."""

    def call(self, channels: tf.Tensor) -> tf.Tensor:
        shape = tf.concat([tf.shape(channels)[:3], [NUM_KEYPOINTS, 2]], axis=0)
        return tf.ensure_shape(tf.reshape(channels, shape), [*channels.shape[:3], NUM_KEYPOINTS, 2])


def _stride(cells: tuple[int, int], options: Options) -> float:
    return (options.crop[0] - 1) / (cells[0] - 1)


def cells_in_disk(cells: tuple[int, int], options: Options) -> float:
    """How many cells of a grid [h, w] a disk holds, about."""
    return math.pi * (options.radius / _stride(cells, options)) ** 2


def _centers(cells: tuple[int, int], options: Options) -> np.ndarray:
    """[h, w, 2] float32: the center of the pixel that each cell looks at."""
    axes = [np.arange(count) * _stride(cells, options) + 0.5 for count in cells]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).astype(np.float32)


def encode(keypoints: tf.Tensor, cells: tuple[int, int], options: Options) -> Target:
    """Keypoints [..., K, 3] (y, x in [0, 1] of the crop, visibility) -> targets on a grid [h, w];
    those of visibility 0 have no disk.
    """
    points = keypoints[..., tf.newaxis, tf.newaxis, :, :2] * tf.constant(options.crop, tf.float32)
    offsets = points - _centers(cells, options)[:, :, np.newaxis]
    is_known = keypoints[..., tf.newaxis, tf.newaxis, :, 2] > 0
    is_near = tf.reduce_sum(offsets**2, axis=-1) <= options.radius**2
    return Target(is_near & is_known, offsets)


def _kernel(places: tf.Tensor, num_bins: int) -> tf.Tensor:
    """The bilinear kernel along an axis: places [...] in bins -> shares [..., num_bins]."""
    distance = tf.abs(places[..., tf.newaxis] - tf.range(num_bins, dtype=tf.float32))
    return tf.maximum(1.0 - distance, 0.0)


def _sum_around(maps: tf.Tensor) -> tf.Tensor:
    """Sums of 3x3 windows: [K, R, C] -> [K, R, C]."""
    padded = tf.pad(maps, [[0, 0], [1, 1], [1, 1]])[..., tf.newaxis]
    return 9.0 * tf.nn.avg_pool2d(padded, 3, 1, "VALID")[..., 0]


def decode(heatmap: tf.Tensor, offsets: tf.Tensor, options: Options) -> tf.Tensor:
    """Hough voting: each cell votes for where its offset points, with its probability as weight.

    Votes are spread over the four nearest bins of a map twice as fine as the grid. A keypoint is at
    the center of mass of the window of 3x3 bins that holds the most, and that mass, of a whole
    disk's, is its score.

    Args:
      heatmap: [h, w, K] logits, of one crop.
      offsets: [h, w, K, 2] pixels.
      options: of the crop.

    Returns:
      [K, 3] float32: y and x in [0, 1] of the crop, and score, 1 where a whole disk agrees.
    """
    cells = heatmap.shape[:2]
    bin_size = _stride(cells, options) / BINS_A_CELL
    num_rows, num_columns = (BINS_A_CELL * (count - 1) + 1 for count in cells)
    votes_for = _centers(cells, options)[:, :, np.newaxis] + offsets
    places = tf.reshape((votes_for - 0.5) / bin_size, [-1, NUM_KEYPOINTS, 2])
    weights = tf.reshape(tf.sigmoid(heatmap), [-1, NUM_KEYPOINTS, 1])
    rows = weights * _kernel(places[..., 0], num_rows)  # [h w, K, R]
    votes = tf.einsum("jkr,jkc->krc", rows, _kernel(places[..., 1], num_columns))
    row_numbers = tf.range(num_rows, dtype=tf.float32)[:, tf.newaxis]
    column_numbers = tf.range(num_columns, dtype=tf.float32)
    sums = tf.stack(
        [_sum_around(votes * each) for each in (row_numbers, column_numbers, 1.0)], axis=-1
    )  # [K, R, C, 3]
    windows = tf.reshape(sums, [NUM_KEYPOINTS, -1, 3])
    best = tf.gather(windows, tf.argmax(windows[..., 2], axis=1), batch_dims=1)  # [K, 3]
    mass = best[:, 2:]
    points = (best[:, :2] / tf.maximum(mass, 1e-9) * bin_size + 0.5) / tf.constant(
        options.crop, tf.float32
    )
    return tf.concat([points, mass / cells_in_disk(cells, options)], axis=1)
