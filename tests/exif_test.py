import io
import struct

import numpy as np
import pytest
from PIL import Image

from data_prep.images import check_image
from revisit.data.exif import read_orientation
from revisit.serving.pictures import set_upright

ORIENTATION, TEXT, SHORT = 0x112, 2, 3  # a tag of EXIF, and two types of its values


def save_jpeg(kind, value):
    """A JPEG whose EXIF has one tag, with a value of at most four bytes."""
    count = len(value) if kind == TEXT else 1
    tag = struct.pack(">HHI", ORIENTATION, kind, count) + value.ljust(4, b"\0")
    exif = b"Exif\0\0MM\0*" + struct.pack(">IH", 8, 1) + tag + bytes(4)
    pixels = np.random.default_rng(0).integers(0, 256, (24, 40, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", exif=exif)
    return file.getvalue()


def save_turned(number):
    return save_jpeg(SHORT, struct.pack(">H", number))


@pytest.mark.parametrize(
    "encoded, expected",
    [
        *((save_turned(number), number) for number in range(1, 9)),
        (save_turned(0), 1),
        (save_turned(9), 1),
        (save_jpeg(TEXT, b"up"), 1),
    ],
)
def test_what_is_no_orientation_is_upright(encoded, expected):
    assert read_orientation(Image.open(io.BytesIO(encoded))) == expected


@pytest.mark.parametrize("encoded", [save_turned(0), save_turned(1), save_jpeg(TEXT, b"up")])
def test_upright_pictures_keep_their_bytes_in_preparation_and_in_clients(encoded):
    assert check_image(encoded).encoded == encoded
    assert set_upright(encoded) == encoded
