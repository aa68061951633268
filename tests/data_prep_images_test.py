import csv
import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from data_prep.images import ImageError, check_image, encode_mask

ORIENTATION = 0x0112


def picture(mode="RGB", size=(8, 6)):
    """Smooth, so that JPEG changes it little; left, right, top and bottom differ."""
    y, x = np.mgrid[: size[1], : size[0]]
    pixels = np.stack(
        [240 * x / size[0], 200 * y / size[1], 255 - 120 * x / size[0]], axis=-1
    ).astype(np.uint8)
    return Image.fromarray(pixels).convert(mode)


def encode(image, form, **options):
    encoded = io.BytesIO()
    image.save(encoded, form, **options)
    return encoded.getvalue()


def decode(encoded):
    """As training sees it."""
    return tf.io.decode_image(encoded, channels=3, expand_animations=False).numpy()


def distance(image, encoded):
    wanted = np.asarray(image.convert("RGB")).astype(int)
    return np.abs(wanted - decode(encoded)).mean()


@pytest.mark.parametrize(
    "mode, form, options",
    [
        ("RGB", "JPEG", {}),
        ("L", "JPEG", {}),
        ("RGB", "JPEG", {"progressive": True}),
        ("RGB", "PNG", {}),
        ("L", "PNG", {}),
        ("P", "PNG", {}),
    ],
)
def test_a_plain_jpeg_or_png_is_kept_byte_for_byte(mode, form, options):
    encoded = encode(picture(mode), form, **options)
    assert check_image(encoded) == (encoded, 6, 8)


@pytest.mark.parametrize("form", ["BMP", "GIF", "WEBP", "TIFF"])
def test_other_forms_become_png(form):
    image = picture()
    checked = check_image(encode(image, form))
    assert checked.encoded.startswith(b"\x89PNG")
    assert distance(image, checked.encoded) < 12  # GIF has 256 colours


def test_a_turned_photograph_is_stored_upright_as_jpeg():
    exif = Image.Exif()
    exif[ORIENTATION] = 6  # the camera was turned: the top is at the right
    checked = check_image(encode(picture(), "JPEG", exif=exif, quality=95, subsampling=0))
    assert (checked.height, checked.width) == (8, 6)
    assert checked.encoded.startswith(b"\xff\xd8")
    assert distance(picture().transpose(Image.Transpose.ROTATE_270), checked.encoded) < 3
    assert check_image(checked.encoded).encoded == checked.encoded


def test_cmyk_becomes_rgb():
    image = picture("CMYK")
    checked = check_image(encode(image, "JPEG", quality=95))
    assert Image.open(io.BytesIO(checked.encoded)).mode == "RGB"
    assert distance(image, checked.encoded) < 5


def test_transparency_is_shown_over_white():
    image = Image.new("RGBA", (4, 4), (255, 0, 0, 0))
    assert decode(check_image(encode(image, "PNG")).encoded).min() == 255


def test_16_bits_become_8():
    image = Image.fromarray(np.full((4, 4), 257 * 100, np.uint16))
    assert np.unique(decode(check_image(encode(image, "PNG")).encoded)).tolist() == [100]


@pytest.mark.parametrize(
    "encoded, reason",
    [
        (b"", "empty file"),
        (b"<html>404</html>", "not an image that Pillow knows"),
        (encode(picture(size=(64, 64)), "JPEG")[:-200], "truncated"),
        (encode(picture(size=(64, 64)), "PNG")[:100], "can't be decoded"),
    ],
)
def test_what_does_not_decode_is_refused_with_the_reason(encoded, reason):
    with pytest.raises(ImageError, match=reason):
        check_image(encoded)


def test_a_size_over_the_limit_is_refused_before_it_is_decoded():
    encoded = encode(Image.new("L", (1000, 1000)), "PNG")
    with pytest.raises(ImageError, match="1000x1000 pixels are over the limit of 999999"):
        check_image(encoded, max_pixels=999_999)


def test_a_mask_is_exact():
    mask = np.array([[0, 1, 255], [7, 0, 20]], np.uint8)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(encode_mask(mask)))), mask)


def test_all_that_is_kept_of_a_zoo_of_files_decodes_in_training(shared_data):
    manifest = shared_data("10_jpeg-zoo", "MANIFEST.csv")
    num_kept = 0
    for row in csv.DictReader(manifest.open()):
        encoded = (manifest.parent / row["path"]).read_bytes()
        try:
            checked = check_image(encoded)
        except ImageError:
            assert row["pillow_13_result"] != "ok", row["path"]
            continue
        assert decode(checked.encoded).shape == (checked.height, checked.width, 3), row["path"]
        num_kept += 1
    assert num_kept > 80
