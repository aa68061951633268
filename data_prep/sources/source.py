"""What a source of labelled images is: its classes, its rows, and a way to the pixels of a row.

Rows are small and travel between workers; pixels never do: a row holds a reference, which
`Source.read` follows in the worker that writes the row's shard.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from revisit.data.records import Contents
from revisit.data.taxonomy import Taxonomy

# (ymin, xmin, ymax, xmax), fractions of the image's height and width, in [0, 1]
Box = tuple[float, float, float, float]


class Object(NamedTuple):
    """One object of an image.

    Attributes:
      box: around it.
      label: name of its class.
      area: pixels of its outline; None where only the box is known, whose area is taken.
      is_crowd: the box holds many objects.
      is_difficult: hard to recognize.
    """

    box: Box
    label: str
    area: float | None = None
    is_crowd: bool = False
    is_difficult: bool = False


class Person(NamedTuple):
    """One person of an image.

    Attributes:
      box: around them.
      keypoints: [17, 3] (y, x in [0, 1], visibility: 0 unknown, 1 hidden, 2 visible), COCO's.
      area, is_crowd: as of an object.
    """

    box: Box
    keypoints: npt.ArrayLike
    area: float | None = None
    is_crowd: bool = False


# What folders and files call the splits -> their names here.
SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
    "testing": "test",
}


def find_split(name: str) -> str | None:
    """The split that a word of a file's or folder's name tells: `photos-val-000.tar`; else None."""
    words = re.split(r"[^a-z]+", name.lower())
    return next((SPLIT_NAMES[word] for word in words if word in SPLIT_NAMES), None)


class Annotations(NamedTuple):
    """What is drawn on one image: objects, classes of pixels, people. What a source does not have
    stays empty.

    Attributes:
      objects: the objects with boxes.
      mask: [H, W] uint8 class of each pixel: 0 background, 255 ignored.
      people: the people with keypoints.
      size: (height, width) in pixels of the image that was annotated, where it is known: an image
        of another size is rejected, as the annotations can't be of it.
    """

    objects: tuple[Object, ...] = ()
    mask: npt.NDArray[np.uint8] | None = None
    people: tuple[Person, ...] = ()
    size: tuple[int, int] | None = None


class Row(NamedTuple):
    """One image as a source lists it; rows of one id and reference are joined into one image.

    Attributes:
      id: unique in the data set.
      reference: where the pixels are; anything that pickles and that `Source.read` understands.
      positives: (class name, confidence in (0, 1]); not closed over ancestors. May be empty only
        where there are negatives or annotations.
      negatives: names of classes that were verified to be absent.
      truth: clean class names beside the noisy ones; None where a source has none.
      split: train, validation or test; None: decided by the hash of the id.
      origin: where the row was read, for messages: "labels.csv:12".
      annotations: where they are known without the pixels, if only that nothing is drawn; else
        `Picture.annotations` gives them.
    """

    id: str
    reference: Any
    positives: tuple[tuple[str, float], ...]
    negatives: tuple[str, ...] = ()
    truth: tuple[str, ...] | None = None
    split: str | None = None
    origin: str = ""
    annotations: Annotations | None = None


class Reject(NamedTuple):
    """What was left out, and why: a line of rejects.csv; a source may yield it instead of a row."""

    origin: str
    id: str
    reason: str

    @property
    def place(self) -> tuple[list[str | int], str, str]:
        """To sort by: line 2 of a file stands before its line 10."""
        parts: list[str | int] = [*re.split(r"(\d+)", self.origin)]
        parts[1::2] = map(int, parts[1::2])
        return parts, self.id, self.reason


class Picture(NamedTuple):
    """The encoded image of a row, and annotations where they come with the pixels."""

    encoded: bytes
    annotations: Annotations | None = None


class Source(NamedTuple):
    """A source that any number of workers can read: `rows` and `read` pickle (no lambdas).

    Attributes:
      taxonomy: the classes that the rows' labels name.
      contents: which optional groups every record will have.
      rows: gives every row, in any order.
      read: gives a row's picture; raises OSError or ValueError where it can't.
      mask_classes: names of the values in a mask, background first.
    """

    taxonomy: Taxonomy
    contents: Contents
    rows: Callable[[], Iterator[Row | Reject]]
    read: Callable[[Row], Picture]
    mask_classes: tuple[str, ...] = ()


class SourceOptions(NamedTuple):
    """What the flags of `python -m data_prep.build` say to a source; it takes what it needs.

    Attributes:
      manifest: the tables of images and labels: a path, a pattern, or several (see
        files.find_files).
      images: where the pictures are: a folder, archives, a data set.
      taxonomy: path of the taxonomy file.
      allow_outside_paths: whether a path may leave the folder of images, or be a link.
      split: of a TFDS set: names of the splits to read, with commas; all where empty.
      label_feature: of a TFDS set: which feature gives the labels.
      seed: of everything drawn at random.
      num_images: how many images to make, training and validation together (microworld).
      world: "pretrain" or "transfer" (microworld).
      copies: share of the images that show an earlier one again (microworld).
    """

    manifest: str = ""
    images: str = ""
    taxonomy: str = ""
    allow_outside_paths: bool = False
    split: str = ""
    label_feature: str = ""
    seed: int = 0
    num_images: int = 0
    world: str = "pretrain"
    copies: float = 0.0
