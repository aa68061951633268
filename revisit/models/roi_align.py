"""ROI align (He et al. 2017, arXiv 1703.06870): features of boxes, cut out between the pixels."""

from collections.abc import Sequence

import tensorflow as tf

SAMPLES_A_BIN = 2  # along each axis: each bin is the mean of 2 x 2 bilinear samples


def _places(low: tf.Tensor, high: tf.Tensor, bins: int) -> tf.Tensor:
    """Where spans [...] are sampled, between the middles of features: [..., bins * samples]."""
    num_samples = bins * SAMPLES_A_BIN
    steps = (tf.range(num_samples, dtype=tf.float32) + 0.5) / num_samples
    return low[..., tf.newaxis] + steps * (high - low)[..., tf.newaxis] - 0.5


def _bin_weights(low: tf.Tensor, high: tf.Tensor, size: int, bins: int) -> tf.Tensor:
    """Weights of `size` features in the bins of spans [...] (in features): [..., bins, size]."""
    places = tf.clip_by_value(_places(low, high, bins), 0.0, size - 1.0)
    distances = tf.abs(places[..., tf.newaxis] - tf.range(size, dtype=tf.float32))
    weights = tf.maximum(1.0 - distances, 0.0)  # linear between neighbours
    shape = tf.concat([tf.shape(low), [bins, SAMPLES_A_BIN, size]], axis=0)
    return tf.reduce_mean(tf.reshape(weights, shape), axis=-2)


def align(features: tf.Tensor, boxes: tf.Tensor, bins: int) -> tf.Tensor:
    """Cuts boxes out of one map of features.

    Written as two products of matrices, which XLA compiles and whose gradients are deterministic;
    `tf.image.crop_and_resize` has neither on accelerators.

    Args:
      features: [B, H, W, C] float32, of the whole canvas.
      boxes: [B, R, 4] in [0, 1].
      bins: along each axis of a box.

    Returns:
      [B, R, bins, bins, C] float32.
    """
    height, width = features.shape[1:3]
    ymin, xmin, ymax, xmax = tf.unstack(boxes, axis=-1)
    rows = _bin_weights(ymin * height, ymax * height, height, bins)  # [B, R, bins, H]
    columns = _bin_weights(xmin * width, xmax * width, width, bins)
    bands = tf.einsum("brih,bhwc->briwc", rows, features)
    return tf.matmul(columns[:, :, tf.newaxis], bands)


def align_levels(
    pyramid: Sequence[tf.Tensor], boxes: tf.Tensor, levels: tf.Tensor, bins: int
) -> tf.Tensor:
    """Cuts each box out of its own level of a pyramid.

    By looking features up: products of matrices, as in `align`, would go over the whole of the
    finest level for every box.

    Args:
      pyramid: maps [B, H, W, C] float32 of the whole canvas, each of other H and W.
      boxes: [B, R, 4] in [0, 1].
      levels: [B, R] int32, places in the pyramid.
      bins: along each axis of a box.

    Returns:
      [B, R, bins, bins, C] float32.
    """
    sizes = [tuple(features.shape[1:3]) for features in pyramid]
    channels = pyramid[0].shape[-1]
    table = tf.concat([tf.reshape(x, [tf.shape(x)[0], -1, channels]) for x in pyramid], axis=1)
    starts = tf.cumsum([height * width for height, width in sizes], exclusive=True)
    heights, widths = (tf.gather(tf.constant(side), levels) for side in zip(*sizes))

    def corners(low: tf.Tensor, high: tf.Tensor, side: tf.Tensor) -> list[tuple[tf.Tensor, ...]]:
        """Both neighbours of each sample along an axis, [B, R, samples], with their weights."""
        size = tf.cast(side, tf.float32)
        last = size[..., tf.newaxis] - 1.0
        places = tf.clip_by_value(_places(low * size, high * size, bins), 0.0, last)
        before = tf.floor(places)
        after = tf.minimum(before + 1.0, last)
        share = places - before
        return [(tf.cast(before, tf.int32), 1.0 - share), (tf.cast(after, tf.int32), share)]

    ymin, xmin, ymax, xmax = tf.unstack(boxes, axis=-1)
    samples = tf.zeros([])
    for row, row_share in corners(ymin, ymax, heights):
        line = tf.gather(starts, levels)[..., tf.newaxis] + row * widths[..., tf.newaxis]
        for column, column_share in corners(xmin, xmax, widths):
            index = line[..., :, tf.newaxis] + column[..., tf.newaxis, :]
            share = row_share[..., :, tf.newaxis] * column_share[..., tf.newaxis, :]
            samples += tf.gather(table, index, batch_dims=1) * share[..., tf.newaxis]
    halves = [-1, boxes.shape[1], bins, SAMPLES_A_BIN, bins, SAMPLES_A_BIN, channels]
    return tf.reduce_mean(tf.reshape(samples, halves), axis=[3, 5])
