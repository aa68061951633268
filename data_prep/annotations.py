"""What is drawn on an image, checked against its pixels, as the record holds it."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from data_prep import images
from data_prep.images import CheckedImage
from data_prep.sources.source import Annotations, Object, Person, Source
from data_prep.sources.taxonomies import unknown_label
from revisit.data.records import NUM_KEYPOINTS
from revisit.data.taxonomy import Taxonomy


def _areas(entries: Sequence[Object | Person], image: CheckedImage) -> list[float]:
    """In pixels of the stored image; that of the box where no other is given."""
    height, width = image.stored_size or (image.height, image.width)
    scale = height * width / (image.height * image.width)
    areas = []
    for entry in entries:
        ymin, xmin, ymax, xmax = entry.box
        box_area = (ymax - ymin) * image.height * (xmax - xmin) * image.width
        areas.append(scale * (box_area if entry.area is None else entry.area))
    return areas


def _boxes(entries: Sequence[Object | Person]) -> Any:
    return np.array([entry.box for entry in entries], np.float32).reshape(-1, 4)


def _objects(annotations: Annotations, image: CheckedImage, taxonomy: Taxonomy) -> dict[str, Any]:
    objects = annotations.objects
    unknown = next((each.label for each in objects if each.label not in taxonomy.ids), None)
    if unknown is not None:
        raise ValueError(f"box: {unknown_label(unknown, taxonomy)}")
    return {
        "box": _boxes(objects),
        "label": [taxonomy.ids[each.label] for each in objects],
        "area": _areas(objects, image),
        "is_crowd": [each.is_crowd for each in objects],
        "is_difficult": [each.is_difficult for each in objects],
    }


def _people(annotations: Annotations, image: CheckedImage, taxonomy: Taxonomy) -> dict[str, Any]:
    del taxonomy
    people = annotations.people
    keypoints = np.array([each.keypoints for each in people], np.float32)
    return {
        "box": _boxes(people),
        "keypoints": keypoints.reshape(-1, NUM_KEYPOINTS, 3),
        "area": _areas(people, image),
        "is_crowd": [each.is_crowd for each in people],
    }


def _mask(annotations: Annotations, image: CheckedImage, taxonomy: Taxonomy) -> bytes:
    del taxonomy
    mask = annotations.mask
    if mask is None:
        mask = np.zeros((image.height, image.width), np.uint8)
    _check_size("its mask", mask.shape, image)
    return images.encode_mask(mask, image.stored_size)


def _check_size(what: str, size: Sequence[int], image: CheckedImage) -> None:
    height, width = size
    if (height, width) != (image.height, image.width):
        found = f"{image.width}x{image.height}"
        raise ValueError(f"the image is {found} pixels, {what} says {width}x{height}")


_GROUPS = {"objects": _objects, "mask": _mask, "people": _people}


def make_groups(annotations: Annotations, image: CheckedImage, source: Source) -> dict[str, Any]:
    """The optional groups of a record, those that the source's `contents` promise.

    Raises:
      ValueError: an image of another size than what was annotated, a mask of another size than its
        image, or a label that the taxonomy lacks.
    """
    if annotations.size is not None:
        _check_size("its annotation", annotations.size, image)
    return {
        name: make(annotations, image, source.taxonomy)
        for name, make in _GROUPS.items()
        if getattr(source.contents, name)
    }
