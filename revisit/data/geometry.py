"""Where the points of an image go: one transform moves pixels, boxes, masks and keypoints alike.

A `Transform` scales and shifts (a mirrored image has a negative scale in x), which is all that
resizing, cropping, padding and flipping are. It is a value: `then` joins two into one, `invert`
leads back, and `tf.stack(transform)`, [4, 2], goes into a batch, from which
`unstack` of a batch of them has a leading axis that all functions of points accept.

Coordinates are (y, x). In pixels, pixel (i, j) covers [i, i + 1) x [j, j + 1), so its centre is at
(i + 0.5, j + 0.5). Boxes and keypoints are in [0, 1] of their own image: of the source before a
transform, of the canvas after it.
"""

from typing import NamedTuple

import tensorflow as tf

from revisit.data.records import KEYPOINTS

IGNORED = 255  # of masks: pixels without a class, such as padding
MID_GREY = 128  # of images: padding; 0 in the model's range, as convolutions pad

_SIDES = {"left": "right", "right": "left"}
# Index of each keypoint's mirror image: a left eye in the mirror is a right eye.
MIRRORED_KEYPOINTS = tuple(
    KEYPOINTS.index(f"{_SIDES[side]}_{part}" if part else side)
    for side, _, part in (name.partition("_") for name in KEYPOINTS)
)


class Transform(NamedTuple):
    """canvas point = scale * source point + translation, in pixels, (y, x).

    Attributes:
      scale: [..., 2] float32, canvas pixels a source pixel; negative in x for a mirror image.
      translation: [..., 2] float32, canvas pixels.
      source_size: [..., 2] float32 (height, width), pixels.
      canvas_size: [..., 2] float32 (height, width), pixels.
    """

    scale: tf.Tensor
    translation: tf.Tensor
    source_size: tf.Tensor
    canvas_size: tf.Tensor


def unstack(stacked: tf.Tensor) -> Transform:
    """The inverse of `tf.stack(transform)`, [..., 4, 2]; the leading axes stay."""
    return Transform(*tf.unstack(stacked, axis=-2))


def _make(
    scale: tf.Tensor, translation: tf.Tensor, source_size: tf.Tensor, canvas: tuple[int, int]
) -> Transform:
    source_size = tf.cast(source_size, tf.float32)
    return Transform(scale, translation, source_size, tf.constant(canvas, tf.float32))


def fit(
    source_size: tf.Tensor, short_side: int, long_side: int, canvas: tuple[int, int]
) -> Transform:
    """Keeps the aspect ratio: the short side becomes `short_side`, unless the long side would pass
    `long_side`, which it then becomes. The image lies at the top left; the rest is padding.

    Args:
      source_size: [2] height and width, pixels.
      short_side, long_side: pixels.
      canvas: height and width, pixels.
    """
    size = tf.cast(source_size, tf.float32)
    by_short, by_long = short_side / tf.reduce_min(size), long_side / tf.reduce_max(size)
    scale = tf.fill([2], tf.minimum(by_short, by_long))
    return _make(scale, tf.zeros([2]), source_size, canvas)


def random_crop(
    source_size: tf.Tensor,
    scales: tuple[float | tf.Tensor, float | tf.Tensor],
    canvas: tuple[int, int],
    seed: tf.Tensor,
) -> Transform:
    """Scales by a factor drawn from `scales`, then cuts a window of the canvas's size anywhere in
    the image; along a side that is too short for that, the image lies anywhere in the window.

    Args:
      source_size: [2] height and width, pixels.
      scales: least and largest factor.
      canvas: height and width, pixels.
      seed: [2]; the same seed gives the same transform.
    """
    draws = tf.random.stateless_uniform([3], seed)
    scale = tf.fill([2], scales[0] + draws[0] * (scales[1] - scales[0]))
    room = tf.constant(canvas, tf.float32) - tf.cast(source_size, tf.float32) * scale
    return _make(scale, room * draws[1:], source_size, canvas)


def crop_box(
    source_size: tf.Tensor, box: tf.Tensor, margin: float, canvas: tuple[int, int]
) -> Transform:
    """Cuts out a box that is first grown around its centre: to the canvas's aspect ratio, then by a
    factor. What of it lies beyond the image is padding.

    Args:
      source_size: [2] height and width, pixels.
      box: [4] (ymin, xmin, ymax, xmax) in [0, 1].
      margin: factor, 1 for none.
      canvas: height and width, pixels.
    """
    corners = tf.reshape(box, [2, 2]) * tf.cast(source_size, tf.float32)
    target = tf.constant(canvas, tf.float32)
    sides = tf.maximum(corners[1] - corners[0], 1.0)  # no box is thinner than a pixel
    scale = tf.fill([2], tf.reduce_min(target / (sides * margin)))
    translation = target / 2 - scale * tf.reduce_mean(corners, axis=0)
    return _make(scale, translation, source_size, canvas)


def mirror(transform: Transform, mirrored: tf.Tensor | bool) -> Transform:
    """The same, then reflected left to right where `mirrored` ([] bool) holds."""
    sign = tf.where(mirrored, [1.0, -1.0], [1.0, 1.0])
    shift = tf.where(mirrored, [0.0, 1.0], [0.0, 0.0])
    return transform._replace(
        scale=transform.scale * sign,
        translation=transform.translation * sign + transform.canvas_size * shift,
    )


def then(first: Transform, second: Transform) -> Transform:
    """One transform that does both; the second's source is the first's canvas."""
    return Transform(
        scale=first.scale * second.scale,
        translation=first.translation * second.scale + second.translation,
        source_size=first.source_size,
        canvas_size=second.canvas_size,
    )


def invert(transform: Transform) -> Transform:
    """From the canvas back to the source."""
    return Transform(
        scale=1.0 / transform.scale,
        translation=-transform.translation / transform.scale,
        source_size=transform.canvas_size,
        canvas_size=transform.source_size,
    )


def is_mirrored(transform: Transform) -> tf.Tensor:
    """[...] bool: whether left and right have changed places."""
    return transform.scale[..., 1] < 0


def _apply_to_points(transform: Transform, points: tf.Tensor) -> tf.Tensor:
    """[..., 2] in [0, 1] of the source -> in [0, 1] of the canvas."""

    def spread(value: tf.Tensor) -> tf.Tensor:
        for _ in range(points.shape.rank - value.shape.rank):
            value = tf.expand_dims(value, -2)
        return value

    scale, translation, source_size, canvas_size = (spread(value) for value in transform)
    return (points * source_size * scale + translation) / canvas_size


def apply_to_boxes(transform: Transform, boxes: tf.Tensor) -> tf.Tensor:
    """Boxes [..., N, 4] of the source -> of the canvas; parts beyond it are not cut off."""
    corners = tf.reshape(boxes, tf.concat([tf.shape(boxes)[:-1], [2, 2]], axis=0))
    corners = tf.ensure_shape(corners, [*boxes.shape[:-1], 2, 2])
    moved = _apply_to_points(transform, corners)
    return tf.concat([tf.reduce_min(moved, axis=-2), tf.reduce_max(moved, axis=-2)], axis=-1)


def clip_boxes(boxes: tf.Tensor) -> tf.Tensor:
    """Boxes [..., 4] -> the part of each that is inside its image."""
    return tf.clip_by_value(boxes, 0.0, 1.0)


def apply_to_keypoints(transform: Transform, keypoints: tf.Tensor) -> tf.Tensor:
    """Keypoints [..., K, 3] of the source -> of the canvas; left and right are exchanged where the
    image is mirrored. Visibility stays, also of points beyond the canvas.
    """
    points = _apply_to_points(transform, keypoints[..., :2])
    moved = tf.concat([points, keypoints[..., 2:]], axis=-1)
    exchanged = tf.gather(moved, MIRRORED_KEYPOINTS, axis=-2)
    mirrored = is_mirrored(transform)
    for _ in range(moved.shape.rank - mirrored.shape.rank):
        mirrored = tf.expand_dims(mirrored, -1)
    return tf.where(mirrored, exchanged, moved)


def _shape(transform: Transform, channels: int) -> tf.TensorShape:
    size = tf.get_static_value(transform.canvas_size)
    return tf.TensorShape([*([None, None] if size is None else map(int, size)), channels])


def source_places(transform: Transform) -> tuple[tf.Tensor, tf.Tensor]:
    """Coordinates of the canvas's pixel centres in the source: ([H'], [W']) float32, pixels."""
    back = invert(transform)
    ys, xs = (
        (tf.range(transform.canvas_size[axis]) + 0.5) * back.scale[axis] + back.translation[axis]
        for axis in range(2)
    )
    return ys, xs


def apply_to_image(transform: Transform, image: tf.Tensor, padding: int = MID_GREY) -> tf.Tensor:
    """Draws a source image on the canvas, bilinear and, where it shrinks, antialiased.

    Args:
      transform: of one image.
      image: [H, W, C] uint8.
      padding: value of the pixels whose centre is beyond the image.

    Returns:
      [H', W', C] uint8, the canvas.
    """
    upright = mirror(transform, is_mirrored(transform))
    drawn = tf.raw_ops.ScaleAndTranslate(
        images=image[tf.newaxis],
        size=tf.cast(transform.canvas_size, tf.int32),
        scale=upright.scale,
        translation=upright.translation,
        kernel_type="triangle",  # linear between neighbours
        antialias=True,
    )[0]
    rows, columns = (
        (places >= 0) & (places <= size)
        for places, size in zip(source_places(upright), tf.unstack(upright.source_size))
    )
    inside = rows[:, tf.newaxis, tf.newaxis] & columns[:, tf.newaxis]
    pixels = tf.cast(tf.round(tf.where(inside, drawn, float(padding))), tf.uint8)
    mirrored = tf.cond(is_mirrored(transform), lambda: tf.reverse(pixels, [1]), lambda: pixels)
    return tf.ensure_shape(mirrored, _shape(transform, image.shape[-1]))


def apply_to_mask(transform: Transform, mask: tf.Tensor) -> tf.Tensor:
    """Draws a source mask on the canvas: each pixel takes the class at its centre.

    Args:
      transform: of one image.
      mask: [H, W, C] uint8, classes.

    Returns:
      [H', W', C] uint8, IGNORED where the centre is beyond the image.
    """
    indices, inside = [], []
    for places, size in zip(source_places(transform), tf.unstack(tf.shape(mask)[:2])):
        places = tf.cast(tf.floor(places), tf.int32)
        indices.append(tf.clip_by_value(places, 0, size - 1))
        inside.append((places >= 0) & (places < size))
    drawn = tf.gather(tf.gather(mask, indices[0]), indices[1], axis=1)
    known = inside[0][:, tf.newaxis, tf.newaxis] & inside[1][:, tf.newaxis]
    drawn = tf.where(known, drawn, tf.constant(IGNORED, tf.uint8))
    return tf.ensure_shape(drawn, _shape(transform, mask.shape[-1]))
