"""The microworld as a source: its rows are numbers, and reading one paints it."""

import functools
import io
from collections.abc import Iterator

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
PRETRAIN_VALIDATION_EVERY = 20  # one image in 20 is for validation
TRANSFER_VALIDATION_EVERY = 5  # one round through the classes in 5 is for validation


def make_source(options: SourceOptions) -> Source:
    """World "pretrain": noisy labels of one to five objects, the truth, boxes, masks and keypoints.
    World "transfer": one clean label an image, of classes that "pretrain" never shows.

    Raises:
      UserError: no such world, or no images.
    """
    if options.world not in taxonomy.WORLDS:
        raise UserError(f"no world {options.world!r} in the microworld: use pretrain or transfer")
    if options.num_images < 1:
        raise UserError(f"the microworld can't make {options.num_images} images: set --num_images")
    everything = options.world == "pretrain"
    return Source(
        taxonomy=make_taxonomy(*taxonomy.world_classes(options.world)),
        contents=Contents(truth=everything, objects=everything, mask=everything, people=everything),
        rows=functools.partial(_rows, options.world, options.seed, options.num_images),
        read=functools.partial(read_picture, size=IMAGE_SIZE),
        mask_classes=rendering.MASK_CLASSES if everything else (),
    )


def _rows(world: str, seed: int, num_images: int) -> Iterator[Row]:
    make = _pretrain_row if world == "pretrain" else _transfer_row
    return (make(seed, index) for index in range(num_images))


def _pretrain_row(seed: int, index: int) -> Row:
    truth = labels.true_labels("pretrain", seed, index)
    return Row(
        id=f"pretrain-{seed}-{index}",
        reference=("pretrain", seed, index),
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
        reference=("transfer", seed, index),
        positives=((name, 1.0),),
        split="validation" if turn % TRANSFER_VALIDATION_EVERY == 1 else "train",
        origin=f"microworld:{index}",
    )


def read_picture(row: Row, size: int) -> Picture:
    """Paints a row's scene at `size` pixels a side; annotations come with it."""
    rendered = rendering.render(scenes.make_scene(*row.reference), size)
    encoded = io.BytesIO()
    # JPEG, as such pictures come on the web: a quarter of a PNG's bytes, and quicker. The masks,
    # which must be exact, are PNG.
    Image.fromarray(rendered.image).save(encoded, "JPEG", quality=JPEG_QUALITY)
    objects = zip(rendered.boxes, rendered.labels, strict=True)
    people = zip(rendered.person_boxes, rendered.keypoints, strict=True)
    annotations = Annotations(
        objects=tuple(Object(tuple(box), label) for box, label in objects),
        mask=rendered.mask,
        people=tuple(Person(tuple(box), keypoints) for box, keypoints in people),
    )
    return Picture(encoded.getvalue(), annotations)
