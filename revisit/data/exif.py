"""Which way up EXIF says that a picture is: told the same to preparation and to clients."""

import struct

from PIL import ExifTags, Image

UPRIGHT = 1  # of the eight orientations, the one in which pixels lie as they are shown
_ORIENTATIONS = range(1, 9)


def read_orientation(image: Image.Image) -> int:
    """EXIF's tag Orientation (CIPA DC-008), 1 to 8: that of upright pixels where there is none (0,
    which many cameras write, is none either), and where nobody can read it."""
    try:
        orientation = int(image.getexif().get(ExifTags.Base.Orientation, UPRIGHT))
    except (SyntaxError, ValueError, TypeError, KeyError, OSError, struct.error):
        return UPRIGHT
    return orientation if orientation in _ORIENTATIONS else UPRIGHT
