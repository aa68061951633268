"""Small grey pictures beside each shard, by which near duplicates are found without a decoder.

A thumbnail is made while an image is decoded to check it. It ignores the aspect ratio and colours,
which near duplicates may change; 24 x 24 pixels tell photographs apart (docs/duplicates.md).
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import tensorflow_datasets as tfds
from PIL import Image

DIRECTORY = "thumbnails"  # inside the data set's directory
SIDE = 24  # pixels

_REDUCING_GAP = 3.0  # Pillow first shrinks by whole numbers, to three times the size or more


class Thumbnails(NamedTuple):
    """Those of a shard, in the order of its records.

    Attributes:
      ids: [n] of the records.
      pixels: [n, 24, 24] uint8.
    """

    ids: npt.NDArray[np.str_]
    pixels: npt.NDArray[np.uint8]


def make_thumbnail(image: Image.Image) -> npt.NDArray[np.uint8]:
    """A decoded image -> [24, 24] uint8."""
    image = image.convert("RGB") if image.mode not in ("L", "RGB") else image
    small = image.resize((SIDE, SIDE), Image.Resampling.BOX, reducing_gap=_REDUCING_GAP)
    return np.asarray(small.convert("L"))


def thumbnails_path(directory: str, shard_name: str) -> Any:
    """Where the thumbnails of a shard lie."""
    return tfds.core.Path(directory) / DIRECTORY / f"{shard_name}.npz"


def write_thumbnails(path: Any, ids: Sequence[str], pixels: Sequence[npt.NDArray[Any]]) -> None:
    """Writes the thumbnails of a shard; equal ones give equal bytes."""
    stacked = np.reshape(np.asarray(pixels, np.uint8), (-1, SIDE, SIDE))
    with path.open("wb") as file:
        np.savez(file, ids=np.asarray(ids, np.str_), pixels=stacked)


def read_thumbnails(path: str) -> Thumbnails:
    """The inverse of `write_thumbnails`."""
    with tfds.core.Path(path).open("rb") as file, np.load(file) as arrays:
        return Thumbnails(arrays["ids"], arrays["pixels"])
