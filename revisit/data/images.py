"""From encoded bytes to the pixels a model sees: one home for training, evaluation and serving.

The paper's protocol: both sides are resized to one length (aspect ratio not kept), a square is
cropped at random in training and at the centre in evaluation, training reflects half of the crops
left to right, and pixels are scaled to [-1, 1]. Images are decoded one by one, since each may have
its own format and size; all else is done for a whole batch, since an operation costs microseconds
whatever it works on, and decoding a 64-pixel image takes only fifty of them.
"""

import tensorflow as tf

JPEG_START = b"\xff\xd8\xff"

# Pixels of a side from which cutting while decoding pays: libjpeg skips whole blocks of 16 alone,
# and whether an image may be cut so has to be read from its header first.
MIN_FUSED_SIZE = 128


def decode(encoded: tf.Tensor) -> tf.Tensor:
    """Decodes JPEG, PNG, GIF (first frame) or BMP: scalar string -> [H, W, 3] uint8, all RGB."""
    image = tf.io.decode_image(encoded, channels=3, expand_animations=False)
    return tf.ensure_shape(image, [None, None, 3])


def resize(image: tf.Tensor, size: int) -> tf.Tensor:
    """[..., H, W, 3] uint8, with or without a batch dimension -> [..., size, size, 3] uint8.

    Bilinear and antialiased; the right size stays as is.
    """

    def resampled() -> tf.Tensor:
        floats = tf.image.resize(image, [size, size], antialias=True)
        return tf.cast(tf.round(tf.clip_by_value(floats, 0.0, 255.0)), tf.uint8)

    has_size = tf.reduce_all(tf.shape(image)[-3:-1] == size)
    resized = tf.cond(has_size, lambda: image, resampled)
    return tf.ensure_shape(resized, [*image.shape[:-3], size, size, 3])


def _cut(encoded: tf.Tensor, size: int, crop: int, corner: tf.Tensor) -> tf.Tensor:
    """Decodes, resizes and cuts at `corner` (y, x): [crop, crop, 3] uint8."""
    square = resize(decode(encoded), size)
    return tf.slice(square, tf.concat([corner, [0]], axis=0), [crop, crop, 3])


def _cut_fused(encoded: tf.Tensor, size: int, crop: int, corner: tf.Tensor) -> tf.Tensor:
    """The same, where a JPEG of the right size is cut while it is decoded."""

    def has_size() -> tf.Tensor:
        return tf.reduce_all(tf.image.extract_jpeg_shape(encoded)[:2] == size)

    def fused() -> tf.Tensor:
        window = tf.concat([corner, [crop, crop]], axis=0)
        return tf.image.decode_and_crop_jpeg(encoded, window, channels=3)

    is_jpeg = tf.strings.substr(encoded, 0, len(JPEG_START)) == JPEG_START
    may_fuse = tf.cond(is_jpeg, has_size, lambda: False)
    return tf.cond(may_fuse, fused, lambda: _cut(encoded, size, crop, corner))


def _crop(encoded: tf.Tensor, size: int, crop: int, corner: tf.Tensor) -> tf.Tensor:
    cut = _cut if size < MIN_FUSED_SIZE else _cut_fused
    return tf.ensure_shape(cut(encoded, size, crop, corner), [crop, crop, 3])


def _crops(encoded: tf.Tensor, size: int, crop: int, corners: tf.Tensor) -> tf.Tensor:
    """[B] string, corners [B, 2] int32 -> [B, crop, crop, 3] uint8."""
    return tf.map_fn(
        lambda each: _crop(each[0], size, crop, each[1]),
        (encoded, corners),
        fn_output_signature=tf.TensorSpec([crop, crop, 3], tf.uint8),
    )


def _reflect(images: tf.Tensor, chosen: tf.Tensor) -> tf.Tensor:
    """Reflects left to right the images [B, H, W, 3] for which `chosen` [B] is true."""
    width, channels = images.shape[2:]
    # TensorFlow reverses uint8 [rows, width, 3] much faster than the same with another dimension.
    reversed_rows = tf.reverse(tf.reshape(images, [-1, width, channels]), [1])
    both = tf.concat([images, tf.reshape(reversed_rows, tf.shape(images))], axis=0)
    count = tf.shape(images)[0]
    return tf.gather(both, tf.range(count) + count * tf.cast(chosen, tf.int32))


def _corners(seeds: tf.Tensor, size: int, crop: int) -> tf.Tensor:
    """Where training cuts: [B, 2] int64 -> [B, 2] int32 (y, x)."""
    return tf.cast(tf.math.floormod(seeds, size - crop + 1), tf.int32)


def train_images(
    encoded: tf.Tensor, size: int, crop: int, flip: bool, seeds: tf.Tensor
) -> tf.Tensor:
    """A random crop of each image, reflected half of the time.

    Args:
      encoded: [B] string, each JPEG, PNG, GIF or BMP, of any size.
      size: side that the images are resized to, pixels.
      crop: side of the crops, pixels, at most `size`.
      flip: whether to reflect left to right at random.
      seeds: [B, 2] int64, uniform over all integers: their bits are the draws. The same seed gives
        the same crop.

    Returns:
      [B, crop, crop, 3] uint8.
    """
    crops = _crops(encoded, size, crop, _corners(seeds, size, crop))
    return _reflect(crops, seeds[:, 0] < 0) if flip else crops


def decode_square(encoded: tf.Tensor, size: int) -> tf.Tensor:
    """All that `train_images` does before it draws: scalar string -> [size, size, 3] uint8."""
    return resize(decode(encoded), size)


def crop_squares(squares: tf.Tensor, crop: int, flip: bool, seeds: tf.Tensor) -> tf.Tensor:
    """What `train_images` makes of the same images and seeds, from `decode_square` of each.

    Args:
      squares: [B, size, size, 3] uint8.
      crop, flip, seeds: as for `train_images`.

    Returns:
      [B, crop, crop, 3] uint8.
    """
    size = squares.shape[1]
    images = tf.range(tf.shape(seeds)[0])[:, tf.newaxis, tf.newaxis]
    rows, columns = (
        tf.range(crop) + corner for corner in tf.split(_corners(seeds, size, crop), 2, axis=1)
    )
    chosen = (seeds[:, :1] < 0) & flip
    columns = tf.where(chosen, columns[:, ::-1], columns)
    # Half as costly as cutting and reflecting: all pixels of the batch are looked up at once.
    places = (images * size + rows[:, :, tf.newaxis]) * size + columns[:, tf.newaxis]
    return tf.gather(tf.reshape(squares, [-1, 3]), places)


def eval_image(encoded: tf.Tensor, size: int, crop: int) -> tf.Tensor:
    """The central crop: scalar string -> [crop, crop, 3] uint8."""
    corner = tf.fill([2], (size - crop) // 2)
    return _crop(encoded, size, crop, corner)


def eval_images(encoded: tf.Tensor, size: int, crop: int) -> tf.Tensor:
    """The central crop of each image: [B] string -> [B, crop, crop, 3] uint8."""
    corners = tf.fill([tf.shape(encoded)[0], 2], (size - crop) // 2)
    return _crops(encoded, size, crop, corners)


def eval_pixels(decoded: tf.Tensor, size: int, crop: int) -> tf.Tensor:
    """What `eval_images` makes of encoded images, of decoded ones of one size.

    Args:
      decoded: [B, H, W, 3] uint8.
      size: side that the images are resized to, pixels.
      crop: side of the central crops, pixels, at most `size`.

    Returns:
      [B, crop, crop, 3] uint8.
    """
    start = (size - crop) // 2
    return resize(decoded, size)[:, start : start + crop, start : start + crop]


def to_model_range(images: tf.Tensor) -> tf.Tensor:
    """[..., 3] uint8 -> float32 in [-1, 1], each channel alike."""
    return tf.cast(images, tf.float32) * (1.0 / 127.5) - 1.0


def to_pixels(images: tf.Tensor) -> tf.Tensor:
    """The inverse of `to_model_range`, to show pictures: float32 in [-1, 1] -> uint8."""
    return tf.cast(tf.round(tf.clip_by_value((images + 1.0) * 127.5, 0.0, 255.0)), tf.uint8)
