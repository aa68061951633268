"""Shards: which images stand in which, in which order, and how one is written.

The hash of (seed, id) gives an image its place in a fixed random order, and a shard is a range of
it: so the order on disk is random whatever the order of the rows, the first f percent of the
records are a random subset nested in every larger one, and any worker may write any shard.

A shard is written under a temporary name and renamed; then its report (`ShardReport`, JSON) says
that it is finished, and a later run skips it.
"""

import dataclasses
import hashlib
import itertools
import json
import multiprocessing
import os
import struct
import threading
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import tensorflow_datasets as tfds

from data_prep import images, sorting, tfrecord, thumbnails
from data_prep.annotations import make_groups
from data_prep.images import ImageOptions
from data_prep.labels import Labels
from data_prep.sources.source import Annotations, Picture, Reject, Row, Source
from revisit.data import records

BUILD_DIRECTORY = ".build"  # inside the data set's directory, until it is whole
COUNTS_FILE = "counts.json"  # there: split -> number of images
SORTING_DIRECTORY = "sorting"  # there: what is sorted and grouped in files
ROW_REJECTS_FILE = "rejects.json"  # there: rows that came to no shard


# What batches are padded to: the fields of a report of which the largest counts.
LONGEST = ("max_positives", "max_negatives", "max_truths", "max_objects", "max_people")

_AS_GIVEN = ImageOptions()


class Example(NamedTuple):
    """One image that is to be written: its place in the order, where its pixels are, its labels."""

    order: int
    split: str
    row: Row
    labels: Labels


class ShardKey(NamedTuple):
    """A shard's place among those of its split."""

    split: str
    place: int
    num_shards: int

    @property
    def name(self) -> str:
        """Its file's name."""
        return records.shard_name(self.split, self.place, self.num_shards)


def hash_id(id_: str, seed: int, purpose: str) -> int:
    """A uniform 64-bit number, the same on every machine; independent for each purpose."""
    content = f"{seed}/{id_}".encode()
    digest = hashlib.blake2b(content, digest_size=8, person=purpose.encode()).digest()
    return int(struct.unpack(">Q", digest)[0])


def hash_fraction(id_: str, seed: int, purpose: str) -> float:
    """The same number in [0, 1)."""
    return hash_id(id_, seed, purpose) / 2**64


def count_shards(num_images: int, examples_per_shard: int) -> int:
    """Number of shards of a split: the nearest to the wanted size, at least one."""
    return max(1, round(num_images / examples_per_shard))


def sorting_path(directory: str) -> Any:
    """Where things lie while they are sorted and grouped."""
    return tfds.core.Path(directory) / BUILD_DIRECTORY / SORTING_DIRECTORY


def read_shard(key: ShardKey, paths: Iterable[str]) -> Iterator[Example]:
    """The images of one shard in order: shards are equal ranges of hashes, not equal counts.

    Args:
      key: which shard.
      paths: of files of Examples, each in order, that together hold all of the shard.
    """
    for example in itertools.chain.from_iterable(map(sorting.read_items, paths)):
        place = example.order * key.num_shards >> 64
        if place > key.place:
            return
        if place == key.place and example.split == key.split:
            yield example


@dataclasses.dataclass
class ShardReport:
    """What is known of a finished shard; reports of many shards add up to a split's.

    Attributes:
      checksum: SHA-256 of the file, as sha256sum prints it.
      num_bytes: of the records, without TFRecord's framing.
      num_given: labels as given, before closure.
      positive_counts: class id -> number of images, closed labels.
      num_objects, num_people: with boxes.
      max_positives, max_negatives, max_truths, max_objects, max_people: the longest lists.
      single_label: every record has exactly one leaf.
    """

    num_examples: int = 0
    num_bytes: int = 0
    num_given: int = 0
    num_negatives: int = 0
    num_conflicts: int = 0
    num_objects: int = 0
    num_people: int = 0
    max_positives: int = 0
    max_negatives: int = 0
    max_truths: int = 0
    max_objects: int = 0
    max_people: int = 0
    single_label: bool = True
    checksum: str = ""
    positive_counts: Counter[int] = dataclasses.field(default_factory=Counter)
    rejects: list[Reject] = dataclasses.field(default_factory=list)

    def count(self, record: bytes, labels: Labels) -> None:
        """Takes one written record into account."""
        self.num_examples += 1
        self.num_bytes += len(record)
        self.num_given += len(labels.leaf)
        self.num_negatives += len(labels.negative)
        self.num_conflicts += labels.num_conflicts
        self.max_positives = max(self.max_positives, len(labels.positive))
        self.max_negatives = max(self.max_negatives, len(labels.negative))
        self.max_truths = max(self.max_truths, len(labels.truth or ()))
        self.single_label = self.single_label and len(labels.leaf) == 1
        self.positive_counts.update(labels.positive)

    def count_groups(self, content: Mapping[str, Any]) -> None:
        """Takes the objects and people of one written record into account."""
        num_objects, num_people = (
            len(content.get(group, {"box": ()})["box"]) for group in ("objects", "people")
        )
        self.num_objects += num_objects
        self.num_people += num_people
        self.max_objects = max(self.max_objects, num_objects)
        self.max_people = max(self.max_people, num_people)

    def add(self, other: "ShardReport") -> None:
        """Takes another shard's report into account."""
        for name in vars(self):
            if name in LONGEST:
                setattr(self, name, max(getattr(self, name), getattr(other, name)))
            elif name.startswith("num_"):
                setattr(self, name, getattr(self, name) + getattr(other, name))
        self.single_label = self.single_label and other.single_label
        self.positive_counts.update(other.positive_counts)
        self.rejects.extend(other.rejects)

    def to_json(self) -> str:
        """As it lies on disk."""
        return json.dumps(vars(self))

    @classmethod
    def from_json(cls, text: str) -> "ShardReport":
        """The inverse of `to_json`."""
        fields = json.loads(text)
        counts = {int(id_): count for id_, count in fields.pop("positive_counts").items()}
        rejects = [Reject(*each) for each in fields.pop("rejects")]
        return cls(positive_counts=Counter(counts), rejects=rejects, **fields)


def report_path(directory: str, key: ShardKey) -> Any:
    """Where the report of a finished shard lies."""
    return tfds.core.Path(directory) / BUILD_DIRECTORY / f"{key.name}.json"


def is_finished(directory: str, key: ShardKey) -> bool:
    """Whether a shard has a report."""
    return bool(report_path(directory, key).exists())


def read_report(directory: str, key: ShardKey) -> ShardReport:
    """The report of a finished shard."""
    return ShardReport.from_json(report_path(directory, key).read_text())


class _Finished(NamedTuple):
    """What is left of a shard once its records are written."""

    report: ShardReport
    ids: list[str]
    thumbnails: list[npt.NDArray[np.uint8]]


def _content(
    example: Example, source: Source, options: ImageOptions
) -> tuple[dict[str, Any], npt.NDArray[np.uint8]]:
    """Reads and checks one image: all that its record holds, and its thumbnail.

    Raises:
      OSError, ValueError: why it can't be used.
    """
    picture: Picture = source.read(example.row)
    image = images.check_image(picture.encoded, options)
    labels = {**example.labels._asdict(), "truth": example.labels.truth or ()}
    annotations = picture.annotations or example.row.annotations or Annotations()
    groups = make_groups(annotations, image, source)
    content = {"id": example.row.id, "image": image.encoded, "labels": labels, **groups}
    return content, image.thumbnail


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename:
        return f"{os.fspath(error.filename)}: {error.strerror}"
    return str(error)


def _write_records(
    examples: Iterable[Example], source: Source, options: ImageOptions, path: Any
) -> _Finished:
    finished = _Finished(ShardReport(), [], [])
    report, digest = finished.report, hashlib.sha256()
    with path.open("wb") as file:
        for example in examples:
            try:
                content, thumbnail = _content(example, source, options)
            except (OSError, ValueError) as error:
                row = example.row
                report.rejects.append(Reject(row.origin, row.id, _reason(error)))
                continue
            record = records.encode_record(content, source.contents)
            framed = tfrecord.frame(record)
            file.write(framed)
            digest.update(framed)
            report.count(record, example.labels)
            report.count_groups(content)
            finished.ids.append(example.row.id)
            finished.thumbnails.append(thumbnail)
    report.checksum = digest.hexdigest()
    return finished


def write_shard(
    key: ShardKey,
    paths: Iterable[str],
    source: Source,
    directory: str,
    image_options: ImageOptions = _AS_GIVEN,
) -> None:
    """Writes one shard, its thumbnails and its report, unless a former run finished it.

    Args:
      key: which shard.
      paths: of its rows (see `read_shard`).
      source: where they come from.
      directory: the data set's.
      image_options: what is made of the pictures.
    """
    if is_finished(directory, key):
        return
    root = tfds.core.Path(directory)
    # A name of its own for each try: two workers may try the same shard on some runners.
    unfinished = root / BUILD_DIRECTORY / f"{key.name}.{uuid.uuid4().hex}"
    written = _write_records(read_shard(key, paths), source, image_options, unfinished)
    unfinished.replace(root / key.name)
    (root / thumbnails.DIRECTORY).mkdir(exist_ok=True)
    thumbnails.write_thumbnails(unfinished, written.ids, written.thumbnails)
    unfinished.replace(thumbnails.thumbnails_path(directory, key.name))
    unfinished.write_text(written.report.to_json())
    unfinished.replace(report_path(directory, key))


def shard_keys(num_images: Mapping[str, int], examples_per_shard: int) -> list[ShardKey]:
    """All shards of a data set.

    Args:
      num_images: of each split.
      examples_per_shard: on average.
    """
    counts = {split: count_shards(n, examples_per_shard) for split, n in num_images.items()}
    return [ShardKey(split, place, n) for split, n in counts.items() for place in range(n)]


def _exit_with_parent() -> None:
    """Ends a worker process whose parent was killed: it would wait for work for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def watch_parent() -> None:
    """Begins a worker process of a pool."""
    threading.Thread(target=_exit_with_parent, daemon=True).start()
