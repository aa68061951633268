import csv
import io
import resource
import struct
import zlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from data_prep.images import ImageError, ImageOptions, check_image, encode_mask

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
    assert check_image(encoded)[:3] == (encoded, 6, 8)


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
        check_image(encoded, ImageOptions(max_pixels=999_999))


def test_a_mask_is_exact():
    mask = np.array([[0, 1, 255], [7, 0, 20]], np.uint8)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(encode_mask(mask)))), mask)


def test_a_bomb_never_gets_memory():
    row = b"\0" * (1 + 3 * 40_000)
    packer = zlib.compressobj()
    pixels = b"".join(packer.compress(row) for _ in range(4000)) + packer.flush()
    header = struct.pack(">IIBBBBB", 40_000, 40_000, 8, 2, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n"
    for name, content in ((b"IHDR", header), (b"IDAT", pixels), (b"IEND", b"")):
        crc = struct.pack(">I", zlib.crc32(name + content))
        bomb += struct.pack(">I", len(content)) + name + content + crc
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ImageError, match="40000x40000 pixels are over the limit of 100000000"):
        check_image(bomb)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # KiB, of 4.8 GB


def test_an_animated_gif_is_its_first_frame():
    frames = [Image.new("RGB", (4, 4), color) for color in ("red", "blue")]
    encoded = encode(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert decode(check_image(encoded).encoded)[0, 0].tolist() == [255, 0, 0]


@pytest.mark.parametrize(
    "size, stored", [((300, 200), (150, 100)), ((200, 300), (100, 150)), ((90, 400), (90, 400))]
)
@pytest.mark.parametrize("form", ["JPEG", "PNG"])
def test_a_short_side_over_the_wanted_one_is_made_smaller(size, stored, form):
    image = picture(size=size)
    encoded = encode(image, form)
    checked = check_image(encoded, ImageOptions(short_side=100))
    assert (checked.width, checked.height) == size
    assert decode(checked.encoded).shape == (*stored[::-1], 3)
    if stored == size:
        assert checked.encoded == encoded
    else:
        assert checked.stored_size == stored[::-1]
        assert distance(image.resize(stored, Image.Resampling.LANCZOS), checked.encoded) < 2


def test_a_turned_photograph_is_made_smaller_upright():
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    image = picture(size=(300, 200))
    checked = check_image(encode(image, "JPEG", exif=exif), ImageOptions(short_side=50))
    assert (checked.width, checked.height) == (200, 300)
    upright = image.transpose(Image.Transpose.ROTATE_270).resize((50, 75))
    assert distance(upright, checked.encoded) < 3


def test_quality_decides_the_bytes_of_what_is_encoded_again():
    encoded = encode(picture(size=(300, 200)), "JPEG")
    sizes = [
        len(check_image(encoded, ImageOptions(short_side=100, jpeg_quality=quality)).encoded)
        for quality in (50, 95)
    ]
    assert sizes[0] < sizes[1]


@pytest.mark.parametrize("progressive", [False, True])
def test_the_quick_decode_refuses_what_a_full_one_refuses(progressive):
    generator = np.random.default_rng(0)
    noise = Image.fromarray(generator.integers(0, 256, (120, 160, 3), np.uint8))
    encoded = encode(noise, "JPEG", progressive=progressive, quality=80)
    refused = 0
    for end in range(200, len(encoded), len(encoded) // 60):
        broken = bytearray(encoded[:end])
        if end % 2:  # broken in the middle instead of cut
            broken = bytearray(encoded)
            broken[end : end + 40] = generator.bytes(40)
        try:
            Image.open(io.BytesIO(broken)).load()
            decodes = True
        except OSError:
            decodes = False
        try:
            check_image(bytes(broken))
            assert decodes, end
        except ImageError:
            assert not decodes, end
            refused += 1
    assert refused > 20


def test_a_mask_is_made_smaller_without_new_values():
    mask = np.kron(np.array([[0, 7], [255, 20]], np.uint8), np.ones((4, 4), np.uint8))
    smaller = np.asarray(Image.open(io.BytesIO(encode_mask(mask, (4, 4)))))
    assert smaller.tolist() == np.kron([[0, 7], [255, 20]], np.ones((2, 2), int)).tolist()


def try_decode(encoded):
    try:
        return decode(encoded)
    except tf.errors.InvalidArgumentError:
        return None


def test_a_zoo_of_files_is_kept_or_refused_as_the_table_says(shared_data):
    """What Pillow reads is kept; byte for byte, TensorFlow sees in it what it saw in the file."""
    manifest = shared_data("10_jpeg-zoo", "MANIFEST.csv")
    kept, same, refused = 0, 0, 0
    for row in csv.DictReader(manifest.open()):
        encoded = (manifest.parent / row["path"]).read_bytes()
        try:
            checked = check_image(encoded)
        except ImageError:
            assert row["pillow_13_result"] != "ok", row["path"]
            refused += 1
            continue
        found = decode(checked.encoded)
        assert found.shape == (checked.height, checked.width, 3), row["path"]
        kept += 1
        theirs = try_decode(encoded)
        is_plain = row["pillow_mode"] in ("RGB", "L") and row["exif_orientation"] in ("", "1")
        if theirs is not None and is_plain and row["pillow_format"] in ("JPEG", "PNG", "BMP"):
            assert theirs.shape == found.shape, row["path"]
            if row["pillow_format"] != "JPEG" or checked.encoded == encoded:
                assert np.array_equal(theirs, found), row["path"]
                same += 1
    assert (kept, same, refused) == (91, 45, 18)
