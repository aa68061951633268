"""The microworld as a source: its rows are numbers, and reading one paints it."""

import functools
import io
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from PIL import Image

from data_prep.microworld import labels, rendering, scenes, taxonomy
from data_prep.sources.source import (
    Annotations,
    Object,
    Person,
    Picture,
    Row,
    Source,
    SourceOptions,
)
from revisit.data.records import Contents
from revisit.data.taxonomy import make_taxonomy
from revisit.errors import UserError

IMAGE_SIZE = 64  # pixels a side
JPEG_QUALITY = 90
COPY_QUALITIES = (40, 80)  # of JPEG
COPY_EXPOSURES = (0.75, 1.0)
PRETRAIN_VALIDATION_EVERY = 20  # one image in 20 is for validation
TRANSFER_VALIDATION_EVERY = 5  # one round through the classes in 5 is for validation


class Reference(NamedTuple):
    """What reading a row paints.

    Attributes:
      scene: (world, seed, index).
      copy: index of the image that is a copy of that scene's own; -1 if it is no copy.
    """

    scene: tuple[str, int, int]
    copy: int = -1


def make_source(options: SourceOptions) -> Source:
    """World "pretrain": noisy labels of one to five objects, the truth, boxes, masks and keypoints.
    World "transfer": one clean label an image, of classes that "pretrain" never shows.

    Raises:
      UserError: no such world, no images, or copies in "transfer", whose classes are balanced.
    """
    if options.world not in taxonomy.WORLDS:
        raise UserError(f"no world {options.world!r} in the microworld: use pretrain or transfer")
    if options.num_images < 1:
        raise UserError(f"the microworld can't make {options.num_images} images: set --num_images")
    everything = options.world == "pretrain"
    if options.copies and not everything:
        raise UserError("--copies: only the world pretrain has them")
    return Source(
        taxonomy=make_taxonomy(*taxonomy.world_classes(options.world)),
        contents=Contents(truth=everything, objects=everything, mask=everything, people=everything),
        rows=functools.partial(_rows, options),
        read=functools.partial(read_picture, size=IMAGE_SIZE),
        mask_classes=rendering.MASK_CLASSES if everything else (),
    )


def _rows(options: SourceOptions) -> Iterator[Row]:
    for index in range(options.num_images):
        if options.world == "transfer":
            yield _transfer_row(options.seed, index)
        else:
            yield _pretrain_row(options.seed, index, options.copies)


def _pretrain_row(seed: int, index: int, copies: float) -> Row:
    shown = scenes.shown_index("pretrain", seed, index, copies)
    truth = labels.true_labels("pretrain", seed, shown)
    return Row(
        id=f"pretrain-{seed}-{index}",
        reference=Reference(("pretrain", seed, shown), -1 if shown == index else index),
        positives=tuple((name, 1.0) for name in labels.noisy_labels(seed, index, truth)),
        truth=truth,
        split="validation" if index % PRETRAIN_VALIDATION_EVERY == 1 else "train",
        origin=f"microworld:{index}",
    )


def _transfer_row(seed: int, index: int) -> Row:
    (name,) = labels.true_labels("transfer", seed, index)
    turn = index // len(taxonomy.world_leaves("transfer"))
    return Row(
        id=f"transfer-{seed}-{index}",
        reference=Reference(("transfer", seed, index)),
        positives=((name, 1.0),),
        split="validation" if turn % TRANSFER_VALIDATION_EVERY == 1 else "train",
        origin=f"microworld:{index}",
    )


def _encode(image: np.ndarray, reference: Reference) -> bytes:
    """An image [H, W, 3] uint8 as JPEG, as such pictures come on the web: a quarter of a PNG's
    bytes, and quicker. A copy is darker, and of less quality."""
    quality = JPEG_QUALITY
    if reference.copy >= 0:
        world, seed, _ = reference.scene
        draw = scenes.random_stream(world, seed, reference.copy, scenes.COPIES_STREAM)
        draw.random(2)  # which decided that it is a copy, and of what
        image = (image * draw.uniform(*COPY_EXPOSURES)).astype(np.uint8)
        quality = int(draw.integers(*COPY_QUALITIES))
    encoded = io.BytesIO()
    Image.fromarray(image).save(encoded, "JPEG", quality=quality)
    return encoded.getvalue()


def read_picture(row: Row, size: int) -> Picture:
    """Paints a row's scene at `size` pixels a side; annotations come with it."""
    rendered = rendering.render(scenes.make_scene(*row.reference.scene), size)
    objects = zip(rendered.boxes, rendered.labels, strict=True)
    people = zip(rendered.person_boxes, rendered.keypoints, strict=True)
    annotations = Annotations(
        objects=tuple(Object(tuple(box), label) for box, label in objects),
        mask=rendered.mask,
        people=tuple(Person(tuple(box), keypoints) for box, keypoints in people),
    )
    return Picture(_encode(rendered.image, row.reference), annotations)
