"""A data set of TensorFlow Datasets, as it lies on disk.

--images is a directory that `tfds.builder_from_directory` reads, or the name of a set that TFDS has
prepared in $TFDS_DATA_DIR (`open_images_v4`, `imagenet2012:5.1.0`): nothing is downloaded. --split
names the splits to read, all by default; those that are called train, validation (val) or test keep
their place.

Labels are those of --label_feature (by default the first there is of label, labels and objects): a
ClassLabel, a sequence of them, or a sequence of features of which `label` is one. Of such, a
`confidence` is read too: an integer counts tenths, as in open_images_v4, and 0 says that the label
was verified to be absent. A number below 0 is no label. A sequence with a bounding box and a
`label` gives the objects. Images stay encoded as they are.
"""

import functools
import os
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow_datasets as tfds
from array_record.python.array_record_module import ArrayRecordReader  # type: ignore[import-untyped]
from google.protobuf.message import DecodeError

from data_prep.sources.fields import Statement
from data_prep.sources.files import Span, open_file, read_span
from data_prep.sources.source import (
    Annotations,
    Box,
    Object,
    Picture,
    Reject,
    Row,
    Source,
    SourceOptions,
    find_split,
)
from data_prep.sources.taxonomies import read_taxonomy
from revisit.data.records import Contents
from revisit.data.taxonomy import make_taxonomy
from revisit.errors import UserError

_LABEL_FEATURES = ("label", "labels", "objects")
_CROWDS = ("is_crowd", "is_group_of")
_LENGTH = struct.Struct("<Q")  # before each record of a TFRecord file, with a checksum of 4 bytes
_CHECKSUM_BYTES = 4


class Place(NamedTuple):
    """A record of an ArrayRecord file."""

    path: str
    number: int


def _list_tfrecord(path: str) -> Iterator[Span]:
    with open_file(path) as file:
        while header := file.read(_LENGTH.size + _CHECKSUM_BYTES):
            if len(header) < _LENGTH.size + _CHECKSUM_BYTES:
                raise UserError(f"{path} is cut off at byte {file.tell()}: prepare it again")
            (length,) = _LENGTH.unpack_from(header)
            yield Span(path, file.tell(), length)
            file.seek(length + _CHECKSUM_BYTES, os.SEEK_CUR)


def _list_array_record(path: str) -> Iterator[Place]:
    for number in range(ArrayRecordReader(path).num_records()):
        yield Place(path, number)


def _read_array_record(place: Place) -> bytes:
    (content,) = _array_reader(place.path).read([place.number])
    return bytes(content)


@functools.lru_cache(maxsize=8)
def _array_reader(path: str) -> ArrayRecordReader:
    return ArrayRecordReader(path)


class _Format(NamedTuple):
    """How the records of a file are found and read."""

    references: Callable[[str], Iterator[Any]]
    read: Callable[[Any], bytes]


_FORMATS = {
    "tfrecord": _Format(_list_tfrecord, read_span),
    "array_record": _Format(_list_array_record, _read_array_record),
}


class _Set(NamedTuple):
    """A data set on disk, and which of its features are read."""

    features: tfds.features.FeaturesDict
    image: str
    label: str
    boxes: str | None
    files: Mapping[str, Sequence[str]]  # of each split
    file_format: str

    def read(self, reference: Any) -> dict[str, Any]:
        """The features of a record; its image stays encoded.

        Raises:
          OSError, ValueError: why it can't be read.
        """
        serialized = _FORMATS[self.file_format].read(reference)
        decoders = {self.image: tfds.decode.SkipDecoding()}
        try:
            record: dict[str, Any] = self.features.deserialize_example_np(
                serialized, decoders=decoders
            )
        except (DecodeError, KeyError, AttributeError) as error:
            raise ValueError(f"not a record of this data set: {error}") from None
        return record


def _entries(feature: Any) -> Mapping[str, Any]:
    """The features of one entry of a sequence; none of another feature."""
    inner = feature.feature if isinstance(feature, tfds.features.Sequence) else None
    return dict(inner) if isinstance(inner, tfds.features.FeaturesDict) else {}


def _class_label(feature: Any) -> Any:
    """The ClassLabel of a feature that gives labels; None of any other."""
    inner = getattr(feature, "feature", feature)
    label = _entries(feature).get("label", inner)
    return label if isinstance(label, tfds.features.ClassLabel) else None


def _has_boxes(feature: Any) -> bool:
    kinds = {type(each) for each in _entries(feature).values()}
    return tfds.features.BBoxFeature in kinds and _class_label(feature) is not None


def _read_labels(record: Mapping[str, Any], given: _Set) -> Iterator[Statement]:
    feature = given.features[given.label]
    label = _class_label(feature)
    value = record[given.label]
    entries = value if isinstance(value, Mapping) else {"label": value}
    numbers = np.atleast_1d(entries["label"])
    sure = np.asarray(entries.get("confidence", np.ones(len(numbers), np.float32)))
    tenths = np.issubdtype(sure.dtype, np.integer)
    for number, confidence in zip(numbers, sure, strict=True):
        if number >= 0:
            yield Statement(label.int2str(int(number)), float(confidence) / (10 if tenths else 1))


def _box(given: Any) -> Box:
    ymin, xmin, ymax, xmax = map(float, given)
    return ymin, xmin, ymax, xmax


def _read_objects(record: Mapping[str, Any], given: _Set) -> Annotations | None:
    if given.boxes is None:
        return None
    feature = given.features[given.boxes]
    label = _class_label(feature)
    box = next(
        name
        for name, each in _entries(feature).items()
        if isinstance(each, tfds.features.BBoxFeature)
    )
    columns = record[given.boxes]
    entries = (dict(zip(columns, values)) for values in zip(*columns.values(), strict=True))
    objects = (
        Object(
            box=_box(entry[box]),
            label=label.int2str(int(entry["label"])),
            is_crowd=any(entry.get(name, 0) == 1 for name in _CROWDS),
            is_difficult=bool(entry.get("is_difficult", False)),
        )
        for entry in entries
    )
    return Annotations(objects=tuple(objects))


def _make_row(given: _Set, split: str, reference: Any, id_: str) -> Row:
    record = given.read(reference)
    statements = list(_read_labels(record, given))
    return Row(
        id=id_,
        reference=reference,
        positives=tuple(each for each in statements if each.confidence > 0),
        negatives=tuple(each.name for each in statements if each.confidence == 0),
        split=find_split(split),
        origin=id_,
        annotations=_read_objects(record, given),
    )


def _rows(given: _Set) -> Iterator[Row | Reject]:
    for split, paths in given.files.items():
        for path in paths:
            for number, reference in enumerate(_FORMATS[given.file_format].references(path)):
                id_ = f"{os.path.basename(path)}__{number}"  # as tfds_id, which TFDS gives
                try:
                    yield _make_row(given, split, reference, id_)
                except ValueError as error:
                    yield Reject(id_, id_, str(error))


def _read(given: _Set, row: Row) -> Picture:
    return Picture(given.read(row.reference)[given.image])


def _find_builder(images: str) -> Any:
    if not images:
        raise UserError(
            "--source=tfds needs --images=NAME of a TFDS set, or =DIR of a prepared one"
        )
    if os.path.exists(os.path.join(images, "features.json")):
        return tfds.builder_from_directory(images)
    try:
        builder = tfds.builder(images)
    except (tfds.core.DatasetNotFoundError, ValueError, OSError) as error:
        raise UserError(
            f"--images={images!r} is neither a directory with TFDS's features.json nor a TFDS set "
            f"({str(error).splitlines()[0]}): check the name"
        ) from None
    if not builder.info.splits:
        raise UserError(
            f"TFDS has not prepared {images!r} in {builder.data_dir}: run `tfds build {images}` "
            "where it can be downloaded, and set TFDS_DATA_DIR to where it lies"
        )
    return builder


def _find_feature(wanted: Sequence[str], fits: Callable[[Any], bool], features: Any) -> str | None:
    return next((name for name in wanted if name in features and fits(features[name])), None)


def _find_files(builder: Any, split: str) -> dict[str, list[str]]:
    splits = builder.info.splits
    names = split.split(",") if split else list(splits)
    unknown = [name for name in names if name not in splits]
    if unknown:
        raise UserError(f"--split={split}: no {unknown[0]!r}; there are {', '.join(splits)}")
    return {name: [os.fspath(path) for path in splits[name].filepaths] for name in names}


def _make_set(builder: Any, options: SourceOptions) -> _Set:
    features = builder.info.features
    labelled = [options.label_feature] if options.label_feature else _LABEL_FEATURES
    label = _find_feature(labelled, lambda feature: _class_label(feature) is not None, features)
    is_image = functools.partial(_is_kind, tfds.features.Image)
    image = _find_feature(["image", *sorted(features)], is_image, features)
    file_format = builder.info.file_format.value
    if label is None or image is None or file_format not in _FORMATS:
        fitting = sorted(name for name in features if _class_label(features[name]) is not None)
        raise UserError(
            f"--images={options.images} has the features {', '.join(sorted(features))} in "
            f"{file_format} files: expected an image, "
            f"--label_feature={'|'.join(fitting) or 'NAME'} of class labels, "
            f"and {' or '.join(_FORMATS)}"
        )
    boxes = _find_feature([label, *sorted(features)], _has_boxes, features)
    files = _find_files(builder, options.split)
    return _Set(features, image, label, boxes, files, file_format)


def _is_kind(kind: type, feature: Any) -> bool:
    return isinstance(feature, kind)


def make_source(options: SourceOptions) -> Source:
    """The data set that --images names, under --taxonomy or with its own classes, flat.

    Raises:
      UserError: no such set, one that is not prepared, no labels, or no such split.
    """
    given = _make_set(_find_builder(options.images), options)
    sources = [name for name in (given.label, given.boxes) if name]
    names = [name for each in sources for name in _class_label(given.features[each]).names]
    taxonomy = (
        read_taxonomy(options.taxonomy)
        if options.taxonomy
        else make_taxonomy(list(dict.fromkeys(names)), [])
    )
    return Source(
        taxonomy=taxonomy,
        contents=Contents(objects=given.boxes is not None),
        rows=functools.partial(_rows, given),
        read=functools.partial(_read, given),
    )
