"""Is it an image that training can decode? What it is stored as.

A JPEG or PNG that shows its pixels as they are meant is kept byte for byte. What needs a decoder's
good will (another format, a turned or CMYK photograph, transparency, 16 bits) is decoded here,
once, and encoded again.
"""

import io
import struct
import warnings
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

MAX_PIXELS = 100_000_000  # of one image: a decoded one takes 3 bytes a pixel of a worker's memory

_ORIENTATION = 0x0112  # EXIF's tag; 1 or none: upright
_KEPT_MODES = {"JPEG": {"L", "RGB"}, "MPO": {"L", "RGB"}, "PNG": {"L", "RGB", "P"}}
_JPEG_PROCESSES = {0xC0, 0xC1, 0xC2}  # baseline, extended, progressive; not lossless, arithmetic
_JPEG_QUALITY = 95


class ImageError(ValueError):
    """An image that can't be used; the message is the reason."""


class CheckedImage(NamedTuple):
    """An image that decodes: its bytes (JPEG or PNG), and its size in pixels."""

    encoded: bytes
    height: int
    width: int


def _open(encoded: bytes) -> Image.Image:
    if not encoded:
        raise ImageError("empty file")
    try:
        return Image.open(io.BytesIO(encoded))
    except Image.UnidentifiedImageError:
        raise ImageError("not an image that Pillow knows") from None


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except (SyntaxError, ValueError, TypeError, KeyError, OSError, struct.error):
        return 1  # EXIF that nobody can read turns no picture


def _jpeg_process(encoded: bytes) -> int:
    """The marker that starts the frame of a JPEG, which says how it is coded; 0 if there is
    none."""
    place = 2
    while place + 4 <= len(encoded) and encoded[place] == 0xFF:
        marker, length = struct.unpack_from(">BH", encoded, place + 1)
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            return int(marker)
        place += 2 + length
    return 0


def _is_plain(image: Image.Image, encoded: bytes) -> bool:
    """Whether every decoder shows these bytes the same way."""
    return (
        image.mode in _KEPT_MODES.get(image.format or "", ())
        and (image.format == "PNG" or _jpeg_process(encoded) in _JPEG_PROCESSES)
        and _orientation(image) == 1
        and "transparency" not in image.info
    )


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith(("I", "F")):  # 16 or 32 bits: the top 8 of 16
        image = image.point(lambda value: value / 257).convert("L")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    return image.convert("RGB")


def _encode_again(image: Image.Image) -> bytes:
    """A JPEG stays a JPEG (a photograph as PNG is five times as large); all else becomes PNG."""
    upright = _to_rgb(ImageOps.exif_transpose(image) if _orientation(image) != 1 else image)
    encoded = io.BytesIO()
    if image.format in ("JPEG", "MPO"):
        upright.save(encoded, "JPEG", quality=_JPEG_QUALITY, subsampling=0)
    else:
        upright.save(encoded, "PNG")
    return encoded.getvalue()


def _checked(encoded: bytes, max_pixels: int) -> CheckedImage:
    image = _open(encoded)
    if image.width * image.height > max_pixels:
        size = f"{image.width}x{image.height}"
        raise ImageError(f"{size} pixels are over the limit of {max_pixels}")
    image.load()  # decodes all of it: a truncated file is found here
    kept = encoded if _is_plain(image, encoded) else _encode_again(image)
    transposed = _orientation(image) >= 5
    height, width = (image.width, image.height) if transposed else (image.height, image.width)
    return CheckedImage(kept, height, width)


def check_image(encoded: bytes, max_pixels: int = MAX_PIXELS) -> CheckedImage:
    """Decodes an image once, and gives the bytes to store.

    Raises:
      ImageError: empty, not an image, truncated, broken, or larger than `max_pixels`.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of odd metadata: the pixels decide
        try:
            return _checked(encoded, max_pixels)
        except ImageError:
            raise
        except Exception as error:  # whatever a decoder raises, this image's bytes are why
            raise ImageError(f"can't be decoded: {error}") from error


def encode_mask(mask: npt.NDArray[np.uint8]) -> bytes:
    """[H, W] uint8 -> PNG bytes."""
    encoded = io.BytesIO()
    Image.fromarray(mask).save(encoded, "PNG")
    return encoded.getvalue()
