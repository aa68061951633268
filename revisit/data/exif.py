"""Which way up EXIF says that a picture is: told the same to preparation and to clients."""

import struct

from PIL import ExifTags, Image

UPRIGHT = 1  # of the eight orientations, the one in which pixels lie as they are shown


def read_orientation(image: Image.Image) -> int:
    """EXIF's tag Orientation (CIPA DC-008), 1 to 8; that of upright pixels where there is none, and
    where nobody can read it."""
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, UPRIGHT))
    except (SyntaxError, ValueError, TypeError, KeyError, OSError, struct.error):
        return UPRIGHT
