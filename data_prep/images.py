"""Is it an image that training can decode? What it is stored as.

| given | stored |
|---|---|
| JPEG (baseline, extended, progressive; grey or YCbCr) | its bytes |
| PNG of 8 bits or less (grey, RGB, palette), interlaced or not | its bytes |
| JPEG turned by EXIF, CMYK or YCCK, lossless, arithmetic | RGB JPEG, upright |
| PNG of 16 bits | 8-bit RGB PNG, the upper 8 bits |
| transparency | over white, RGB PNG |
| GIF, also animated; WebP, TIFF, BMP and others that Pillow reads | the first frame, RGB PNG |
| whatever its name says | what its bytes are |
| empty, not an image, truncated, broken, over `max_pixels` | nothing: rejected, with the reason |

What shows its pixels as they are meant is kept byte for byte, unless it is to be made smaller. What
needs a decoder's good will is decoded here, once, and encoded again.

Boxes, keypoints and masks are those of the upright picture, as it is shown to people who draw them;
where an annotation says another size than the upright picture has, the image is rejected.
"""

import io
import struct
import warnings
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from data_prep.thumbnails import SIDE, make_thumbnail
from revisit.data.exif import UPRIGHT, read_orientation

MAX_PIXELS = 100_000_000  # of one image: a decoded one takes 3 bytes a pixel of a worker's memory
Image.MAX_IMAGE_PIXELS = None  # Pillow's own limit; ours is asked before anything is decoded

_KEPT_MODES = {"JPEG": {"L", "RGB"}, "MPO": {"L", "RGB"}, "PNG": {"L", "RGB", "P"}}
_JPEG_PROCESSES = {0xC0, 0xC1, 0xC2}  # baseline, extended, progressive; not lossless, arithmetic


class ImageOptions(NamedTuple):
    """What is made of images.

    Attributes:
      max_pixels: larger ones are rejected before their pixels get memory.
      short_side: pixels; where the shorter side is longer, the image is made smaller; 0: never.
      jpeg_quality: in 1..100, of what has to be encoded again.
    """

    max_pixels: int = MAX_PIXELS
    short_side: int = 0
    jpeg_quality: int = 95


_AS_GIVEN = ImageOptions()


class ImageError(ValueError):
    """An image that can't be used; the message is the reason."""


class CheckedImage(NamedTuple):
    """An image that decodes.

    Attributes:
      encoded: JPEG or PNG bytes, to be stored.
      height, width: pixels, upright, as it was given.
      thumbnail: see data_prep.thumbnails.
      stored_size: (height, width) of `encoded`, pixels; None: as it was given.
    """

    encoded: bytes
    height: int
    width: int
    thumbnail: npt.NDArray[np.uint8]
    stored_size: tuple[int, int] | None = None


def _open(encoded: bytes) -> Image.Image:
    if not encoded:
        raise ImageError("empty file")
    try:
        return Image.open(io.BytesIO(encoded))
    except Image.UnidentifiedImageError:
        raise ImageError("not an image that Pillow knows") from None


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
        and read_orientation(image) == UPRIGHT
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


def _scaled(size: tuple[int, int], short_side: int) -> tuple[int, int]:
    """The size at which the shorter side is `short_side` pixels, of whatever is not smaller."""
    shorter = min(size)
    if not 0 < short_side < shorter:
        return size
    first, second = (max(1, round(side * short_side / shorter)) for side in size)
    return first, second


def _draft(image: Image.Image, least: tuple[int, int], mode: str | None = None) -> None:
    """Has a JPEG decoded at the coarsest scale that still has `least` pixels, and to no more than
    `mode` asks for: all of its bytes are read, but few of its pixels computed."""
    if image.format in ("JPEG", "MPO"):
        image.draft(mode, least)


def _upright(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    turned = read_orientation(image) != UPRIGHT
    upright = _to_rgb(ImageOps.exif_transpose(image) if turned else image)
    return upright if upright.size == size else upright.resize(size, Image.Resampling.LANCZOS)


def _encode_again(upright: Image.Image, image_format: str | None, quality: int) -> bytes:
    """A JPEG stays a JPEG (a photograph as PNG is five times as large); all else becomes PNG."""
    encoded = io.BytesIO()
    if image_format in ("JPEG", "MPO"):
        upright.save(encoded, "JPEG", quality=quality, subsampling=0)
    else:
        upright.save(encoded, "PNG")
    return encoded.getvalue()


def _checked(encoded: bytes, options: ImageOptions) -> CheckedImage:
    image = _open(encoded)
    if image.width * image.height > options.max_pixels:
        size = f"{image.width}x{image.height}"
        raise ImageError(f"{size} pixels are over the limit of {options.max_pixels}")
    transposed = read_orientation(image) >= 5
    width, height = image.size[::-1] if transposed else image.size
    stored = _scaled((width, height), options.short_side)
    is_kept = stored == (width, height) and _is_plain(image, encoded)
    if is_kept:
        _draft(image, (2 * SIDE, 2 * SIDE), "L")  # enough for the thumbnail
    elif stored != (width, height):
        longer = 2 * max(stored)  # twice the size, so that what is thrown away can't be seen
        _draft(image, (longer, longer))
    image.load()  # a truncated file is found here
    if is_kept:
        return CheckedImage(encoded, height, width, make_thumbnail(image))
    upright = _upright(image, stored)
    again = _encode_again(upright, image.format, options.jpeg_quality)
    return CheckedImage(again, height, width, make_thumbnail(upright), stored[::-1])


def check_image(encoded: bytes, options: ImageOptions = _AS_GIVEN) -> CheckedImage:
    """Decodes an image once, and gives the bytes to store.

    Raises:
      ImageError: empty, not an image, truncated, broken, or larger than `options.max_pixels`.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of odd metadata: the pixels decide
        try:
            return _checked(encoded, options)
        except ImageError:
            raise
        except Exception as error:  # whatever a decoder raises, this image's bytes are why
            raise ImageError(f"can't be decoded: {error}") from error


def encode_mask(mask: npt.NDArray[np.uint8], size: tuple[int, int] | None = None) -> bytes:
    """[H, W] uint8 -> PNG bytes; at `size`, (height, width), each pixel is its nearest one's."""
    image = Image.fromarray(mask)
    if size is not None:
        image = image.resize(size[::-1], Image.Resampling.NEAREST)
    encoded = io.BytesIO()
    image.save(encoded, "PNG")
    return encoded.getvalue()
