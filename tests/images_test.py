"""revisit.data.images: the same pixels for training, evaluation and serving."""

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from revisit.data import images


def _encode(pixels: np.ndarray, form: str = "PNG", **options: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, form, **options)
    return file.getvalue()


def _noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def test_decode_gives_three_channels_for_grey_palette_and_alpha() -> None:
    grey = images.decode(tf.constant(_encode(_noise(5, 7))))
    assert grey.shape == (5, 7, 3)
    assert np.array_equal(grey[..., 0], grey[..., 2])
    assert images.decode(tf.constant(_encode(_noise(5, 7, 4)))).shape == (5, 7, 3)
    file = io.BytesIO()
    Image.fromarray(_noise(5, 7, 3)).convert("P").save(file, "PNG")
    assert images.decode(tf.constant(file.getvalue())).shape == (5, 7, 3)


def test_resize_is_bilinear_with_antialiasing_as_pillow_has_it() -> None:
    pixels = np.asarray(Image.fromarray(_noise(9, 9, 3)).resize((90, 120), Image.BICUBIC))
    ours = images.resize(tf.constant(pixels), 33).numpy().astype(int)
    theirs = np.asarray(Image.fromarray(pixels).resize((33, 33), Image.BILINEAR)).astype(int)
    assert np.abs(ours - theirs).max() <= 1


def test_resize_leaves_an_image_of_the_right_size_alone() -> None:
    pixels = _noise(16, 16, 3)
    assert np.array_equal(images.resize(tf.constant(pixels), 16), pixels)


def test_eval_image_is_the_central_crop() -> None:
    pixels = _noise(20, 20, 3)
    crop = images.eval_image(tf.constant(_encode(pixels)), 20, 14)
    assert np.array_equal(crop, pixels[3:17, 3:17])


@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_train_image_is_a_window_of_the_image_or_of_its_mirror(form: str) -> None:
    encoded = tf.constant(_encode(_noise(12, 12, 3), form))
    whole = images.decode(encoded).numpy()
    found = set()
    seeds = tf.random.stateless_uniform([40, 2], (0, 0), None, None, tf.int64)
    for crop in images.train_images(tf.fill([40], encoded), 12, 10, True, seeds).numpy():
        found |= {
            (y, x, mirrored)
            for mirrored, picture in ((False, whole), (True, whole[:, ::-1]))
            for y in range(3)
            for x in range(3)
            if np.array_equal(crop, picture[y : y + 10, x : x + 10])
        }
    assert {y for y, _, _ in found} == {x for _, x, _ in found} == {0, 1, 2}
    assert {mirrored for _, _, mirrored in found} == {False, True}


def test_the_fused_jpeg_path_gives_the_pixels_of_decoding_and_then_cropping() -> None:
    encoded = tf.constant(_encode(_noise(160, 160, 3), "JPEG", quality=95))
    whole = images.decode(encoded).numpy()[8:152, 8:152]
    fused = images.eval_image(encoded, 160, 144).numpy()
    # libjpeg smooths colour across block borders, so the outermost pixels lack a neighbour
    assert np.array_equal(fused[1:-1, 1:-1], whole[1:-1, 1:-1])


def test_model_range_is_minus_one_to_one_and_back() -> None:
    values = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1).repeat(3, axis=3)
    scaled = images.to_model_range(tf.constant(values))
    assert scaled.dtype == tf.float32
    assert (float(tf.reduce_min(scaled)), float(tf.reduce_max(scaled))) == (-1.0, 1.0)
    assert np.array_equal(images.to_pixels(scaled), values)
