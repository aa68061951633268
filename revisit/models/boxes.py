"""Arithmetic of boxes: overlap, the coding of one box relative to another, and fair samples.

Boxes are [..., 4] float32 (ymin, xmin, ymax, xmax); in what unit does not matter here.
"""

import tensorflow as tf

# Offsets and log sizes are multiplied by these, so that the losses of all four weigh alike
# (the inverse of the variances .1, .1, .2, .2 of Ren et al. 2015, arXiv 1506.01497).
CODE_SCALES = (10.0, 10.0, 5.0, 5.0)
_LARGEST_LOG = 4.0  # a decoded box is at most e^4 times its anchor: no overflow early in training
_SMALLEST_SIDE = 1e-6


def _sides(boxes: tf.Tensor) -> tf.Tensor:
    return tf.maximum(boxes[..., 2:] - boxes[..., :2], 0.0)


def intersections(rows: tf.Tensor, columns: tf.Tensor) -> tf.Tensor:
    """Areas that rows [..., M, 4] and columns [..., N, 4] share: [..., M, N]."""
    rows, columns = rows[..., :, tf.newaxis, :], columns[..., tf.newaxis, :, :]
    low = tf.maximum(rows[..., :2], columns[..., :2])
    sides = tf.maximum(tf.minimum(rows[..., 2:], columns[..., 2:]) - low, 0.0)
    return sides[..., 0] * sides[..., 1]


def areas(boxes: tf.Tensor) -> tf.Tensor:
    """[..., 4] -> [...]."""
    return tf.reduce_prod(_sides(boxes), axis=-1)


def overlaps(rows: tf.Tensor, columns: tf.Tensor) -> tf.Tensor:
    """Intersection over union of rows [..., M, 4] with columns [..., N, 4]: [..., M, N]."""
    shared = intersections(rows, columns)
    union = areas(rows)[..., :, tf.newaxis] + areas(columns)[..., tf.newaxis, :] - shared
    return tf.math.divide_no_nan(shared, union)


def _centers_and_sides(boxes: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    return (boxes[..., :2] + boxes[..., 2:]) / 2, tf.maximum(_sides(boxes), _SMALLEST_SIDE)


def encode(boxes: tf.Tensor, anchors: tf.Tensor) -> tf.Tensor:
    """Boxes relative to their anchors, both [..., 4] -> deltas [..., 4] (y, x, log h, log w)."""
    centers, sides = _centers_and_sides(boxes)
    anchor_centers, anchor_sides = _centers_and_sides(anchors)
    offsets = (centers - anchor_centers) / anchor_sides
    return tf.concat([offsets, tf.math.log(sides / anchor_sides)], axis=-1) * CODE_SCALES


def decode(deltas: tf.Tensor, anchors: tf.Tensor) -> tf.Tensor:
    """The inverse of `encode`."""
    anchor_centers, anchor_sides = _centers_and_sides(anchors)
    deltas = deltas / CODE_SCALES
    centers = anchor_centers + deltas[..., :2] * anchor_sides
    half_sides = tf.exp(tf.minimum(deltas[..., 2:], _LARGEST_LOG)) * anchor_sides / 2
    return tf.concat([centers - half_sides, centers + half_sides], axis=-1)


def clip(boxes: tf.Tensor, windows: tf.Tensor) -> tf.Tensor:
    """Boxes [..., 4] -> the part of each within its window [..., 4]; of no area outside."""
    corners = [
        tf.clip_by_value(corner, windows[..., :2], windows[..., 2:])
        for corner in (boxes[..., :2], boxes[..., 2:])
    ]
    return tf.concat(corners, axis=-1)


def sample(
    positive: tf.Tensor, negative: tf.Tensor, count: int, positive_share: float, seed: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Draws at random, without replacement: positives up to their share, or 1; the rest negatives.

    keras-cv's `balanced_sample` draws from a global generator, and so not the same after a stop.

    Args:
      positive, negative: [B, N] bool, disjoint.
      count: how many are wanted of each row, at most N.
      positive_share: of count, at most.
      seed: [2]; the same seed gives the same draw.

    Returns:
      Places [B, count] int32, positives first, and whether each was drawn [B, count] bool: False
      where a row has too few.
    """
    draws = tf.random.stateless_uniform(tf.shape(positive), seed)
    most = max(1, int(count * positive_share))
    ranks, _ = tf.math.top_k(tf.where(positive, draws, -1.0), most)
    kept = positive & (draws >= ranks[:, -1:])
    priorities = tf.where(kept, 3.0 + draws, tf.where(negative, 1.0 + draws, 0.0))
    chosen, places = tf.math.top_k(priorities, count)
    return places, chosen > 0.0
