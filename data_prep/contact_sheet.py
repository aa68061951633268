"""A page of a data set's images for a person's eyes: titles of labels, boxes, skeletons."""

import io
import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from matplotlib.patches import Rectangle
from PIL import Image

from revisit.data.records import LIMBS, Dataset, parse_record
from revisit.data.taxonomy import Taxonomy

_COLUMNS = 6
_CELL = 2.4  # inches


def read_records(dataset: Dataset, split: str, count: int) -> Iterator[dict[str, Any]]:
    """The first records of a split, as NumPy values, nested as on disk."""
    paths = [shard.path for shard in dataset.shards[split]]
    for serialized in itertools.islice(tf.data.TFRecordDataset(paths), count):
        record = parse_record(serialized, dataset.contents)
        yield tf.nest.map_structure(lambda tensor: tensor.numpy(), record)


def _labels(record: dict[str, Any], taxonomy: Taxonomy) -> str:
    """The titles as given; '?' marks those that the clean truth does not have."""
    labels = record["labels"]
    truth = labels.get("truth")
    leaves: Sequence[int] = labels["leaf"].tolist()
    marks = ["?" if truth is not None and leaf not in truth else "" for leaf in leaves]
    titles = [taxonomy.titles[leaf] + mark for leaf, mark in zip(leaves, marks)]
    return ", ".join(titles) or "(none)"


def _draw_boxes(axes: Any, record: dict[str, Any], size: tuple[int, int]) -> None:
    height, width = size
    for ymin, xmin, ymax, xmax in record.get("objects", {}).get("box", ()):
        corner = xmin * width - 0.5, ymin * height - 0.5
        box = (xmax - xmin) * width, (ymax - ymin) * height
        axes.add_patch(Rectangle(corner, *box, fill=False, edgecolor="yellow", linewidth=1))


def _draw_people(axes: Any, record: dict[str, Any], size: tuple[int, int]) -> None:
    height, width = size
    for keypoints in record.get("people", {}).get("keypoints", ()):
        y, x, visibility = keypoints.T
        y, x = y * height - 0.5, x * width - 0.5
        for limb in LIMBS:
            if (visibility[list(limb)] > 0).all():
                axes.plot(x[list(limb)], y[list(limb)], color="cyan", linewidth=1)
        axes.scatter(x[visibility == 2], y[visibility == 2], s=4, color="lime", zorder=3)
        axes.scatter(x[visibility == 1], y[visibility == 1], s=4, color="red", zorder=3)


def _draw(axes: Any, record: dict[str, Any], taxonomy: Taxonomy) -> None:
    image = np.asarray(Image.open(io.BytesIO(record["image"])).convert("RGB"))
    axes.imshow(image)
    _draw_boxes(axes, record, image.shape[:2])
    _draw_people(axes, record, image.shape[:2])
    axes.set_title(_labels(record, taxonomy), fontsize=7, wrap=True)
    axes.set(xlim=(-0.5, image.shape[1] - 0.5), ylim=(image.shape[0] - 0.5, -0.5))
    axes.axis("off")


def write_contact_sheet(dataset: Dataset, split: str, count: int, path: str) -> None:
    """Draws the first `count` images of a split (a random sample: the order on disk is random).

    Boxes are yellow; keypoints green where visible, red where hidden; a label with '?' is not in
    the clean truth.
    """
    records = list(read_records(dataset, split, count))
    num_rows = -(-max(1, len(records)) // _COLUMNS)
    size = _COLUMNS * _CELL, num_rows * _CELL
    figure, grid = plt.subplots(num_rows, _COLUMNS, figsize=size, squeeze=False)
    for axes in grid.flat:
        axes.axis("off")
    for axes, record in zip(grid.flat, records):
        _draw(axes, record, dataset.taxonomy)
    figure.tight_layout()
    figure.savefig(path, dpi=100)
    plt.close(figure)
