"""From encoded bytes to the pixels a model sees: one home for training, evaluation and serving.

The paper's protocol: both sides are resized to one length (aspect ratio not kept), a square is
cropped at random in training and at the centre in evaluation, training reflects half of the crops
left to right, and pixels are scaled to [-1, 1]. Crops leave here as uint8; `to_model_range` scales
a whole batch, since that is cheaper than each image.
"""

import tensorflow as tf

JPEG_START = b"\xff\xd8\xff"


def decode(encoded: tf.Tensor) -> tf.Tensor:
    """Decodes JPEG, PNG, GIF (first frame) or BMP: scalar string -> [H, W, 3] uint8, all RGB."""
    image = tf.io.decode_image(encoded, channels=3, expand_animations=False)
    return tf.ensure_shape(image, [None, None, 3])


def resize(image: tf.Tensor, size: int) -> tf.Tensor:
    """Resizes to [size, size, 3] uint8, bilinear and antialiased; the right size stays as is."""

    def resampled() -> tf.Tensor:
        floats = tf.image.resize(image, [size, size], antialias=True)
        return tf.cast(tf.round(tf.clip_by_value(floats, 0.0, 255.0)), tf.uint8)

    has_size = tf.reduce_all(tf.shape(image)[:2] == size)
    return tf.ensure_shape(tf.cond(has_size, lambda: image, resampled), [size, size, 3])


def _decode_square(encoded: tf.Tensor, size: int, window: tf.Tensor) -> tf.Tensor:
    """Decodes, resizes, cuts `window` (y, x, height, width): one step for a JPEG of that size."""

    def has_size() -> tf.Tensor:
        return tf.reduce_all(tf.image.extract_jpeg_shape(encoded)[:2] == size)

    def fused() -> tf.Tensor:
        return tf.image.decode_and_crop_jpeg(encoded, window, channels=3)

    def apart() -> tf.Tensor:
        y, x, height, width = tf.unstack(window)
        return resize(decode(encoded), size)[y : y + height, x : x + width]

    is_jpeg = tf.strings.substr(encoded, 0, len(JPEG_START)) == JPEG_START
    return tf.cond(tf.cond(is_jpeg, has_size, lambda: False), fused, apart)


def train_image(encoded: tf.Tensor, size: int, crop: int, flip: bool, seed: tf.Tensor) -> tf.Tensor:
    """A random crop, reflected half of the time.

    Args:
      encoded: scalar string, JPEG, PNG, GIF or BMP.
      size: side that the image is resized to, pixels.
      crop: side of the crop, pixels, at most `size`.
      flip: whether to reflect left to right at random.
      seed: [2] int64; the same seed gives the same crop.

    Returns:
      [crop, crop, 3] uint8.
    """
    draw = tf.random.stateless_uniform([3], seed)
    corner = tf.cast(draw[:2] * (size - crop + 1), tf.int32)
    image = _decode_square(encoded, size, tf.concat([corner, [crop, crop]], axis=0))
    if flip:
        image = tf.cond(draw[2] < 0.5, lambda: tf.reverse(image, [1]), lambda: image)
    return tf.ensure_shape(image, [crop, crop, 3])


def eval_image(encoded: tf.Tensor, size: int, crop: int) -> tf.Tensor:
    """The central crop: scalar string -> [crop, crop, 3] uint8."""
    corner = (size - crop) // 2
    image = _decode_square(encoded, size, tf.constant([corner, corner, crop, crop]))
    return tf.ensure_shape(image, [crop, crop, 3])


def to_model_range(images: tf.Tensor) -> tf.Tensor:
    """[..., 3] uint8 -> float32 in [-1, 1], each channel alike."""
    return tf.cast(images, tf.float32) * (1.0 / 127.5) - 1.0


def to_pixels(images: tf.Tensor) -> tf.Tensor:
    """The inverse of `to_model_range`, to show pictures: float32 in [-1, 1] -> uint8."""
    return tf.cast(tf.round(tf.clip_by_value((images + 1.0) * 127.5, 0.0, 255.0)), tf.uint8)
