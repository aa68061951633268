"""The record: what one image is on disk, and what a data set's directory holds.

Records are `tf.train.Example`s laid out as TensorFlow Datasets does it, so
`tfds.builder_from_directory(DIR)` reads a data set of ours and `train[:10%]` of it is one of the
nested random subsets:

    id          text, unique in the data set
    image       JPEG or PNG bytes as they were given; [H, W, 3] uint8 when decoded
    labels/
      leaf        [n] int64 class ids as given
      positive    [p] int64 class ids, ascending, closed over ancestors
      confidence  [p] float32 in (0, 1], one for each of `positive`; on disk a byte each, uint8 in
                  steps of 1/200: hundredths are exact, and what is below a step is one step
      negative    [m] int64 verified to be absent, ascending, closed over descendants
      truth       [t] int64 the clean truth, closed over ancestors (optional)
    objects/    (optional, one entry an object)
      box           [N, 4] float32 (ymin, xmin, ymax, xmax) in [0, 1]
      label         [N] int64 class id
      area          [N] float32 pixels of `image`: of the object where its outline is known (COCO),
                    else of its box
      is_crowd      [N] bool; the box holds many objects (COCO's crowds, Open Images' groups):
                    nothing learns from it, and evaluation ignores what is found inside it
      is_difficult  [N] bool; hard to recognize (VOC): evaluation ignores what finds it
    mask        (optional) PNG bytes; [H, W, 1] uint8 when decoded: 0 background, 255 ignored
    people/     (optional, one entry a person)
      box           [P, 4] float32 (ymin, xmin, ymax, xmax) in [0, 1]
      keypoints     [P, 17, 3] float32 (y, x in [0, 1], visibility: 0 unknown, 1 hidden, 2 visible);
                    in the order of KEYPOINTS; the center of pixel x is (x + 0.5) / W
      area          [P] float32 pixels of `image`, as of objects
      is_crowd      [P] bool; many people, without keypoints

Lists that are empty take nothing, not even their name. So the labels of an image take less than
200 bytes where 5 leaves are closed to 30 of 18,291 classes (benchmarks.prep_speed).

A directory holds `revisit-<split>.tfrecord-00000-of-00008`, `features.json`, `dataset_info.json`,
`metadata.json` (TFDS's), `taxonomy.json`, `rejects.csv` and `duplicates.csv` (near duplicates: see
revisit.data.duplicates); `dataset_info.json` is written last, so a half-built set is never read.

Nothing here imports TensorFlow until a record is parsed: the workers that write records start in a
second.
"""

import json
import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import tensorflow_datasets as tfds

from revisit.data import taxonomy as taxonomy_lib
from revisit.errors import UserError

if TYPE_CHECKING:
    import tensorflow as tf

NAME = "revisit"  # the data set's name in file names and in dataset_info.json
PLAN_FILE = "plan.json"  # with it and without DATASET_INFO_FILE, a directory is half-built
FEATURES_FILE = "features.json"
DATASET_INFO_FILE = "dataset_info.json"
METADATA_FILE = "metadata.json"
TAXONOMY_FILE = "taxonomy.json"
REJECTS_FILE = "rejects.csv"
DUPLICATES_FILE = "duplicates.csv"

# COCO's, in its order.
KEYPOINTS = (
    "nose",
    "left_eye",
    "right_eye",
    "left_ear",
    "right_ear",
    "left_shoulder",
    "right_shoulder",
    "left_elbow",
    "right_elbow",
    "left_wrist",
    "right_wrist",
    "left_hip",
    "right_hip",
    "left_knee",
    "right_knee",
    "left_ankle",
    "right_ankle",
)
NUM_KEYPOINTS = len(KEYPOINTS)
# Pairs of keypoints between which a person's skeleton is drawn.
LIMBS = (
    ((0, 1), (0, 2), (1, 3), (2, 4), (0, 5), (0, 6))
    + ((5, 7), (7, 9), (6, 8), (8, 10), (5, 6))
    + ((5, 11), (6, 12), (11, 12), (11, 13), (13, 15), (12, 14), (14, 16))
)

CONFIDENCE_STEPS = 200  # in 1; a byte has room for 255, but tenths and hundredths shall be exact

_INTEGERS, _FLOATS, _BYTES, _BOOLEANS, _SHARES = "int64", "float32", "bytes", "bool", "share"


class Contents(NamedTuple):
    """Which of the optional groups every record of a data set has."""

    truth: bool = False
    objects: bool = False
    mask: bool = False
    people: bool = False


class _Field(NamedTuple):
    """How a feature stands in a tf.train.Example: its kind, and the shape of one entry of the list
    (None: no list)."""

    kind: str
    shape: tuple[int, ...] | None


_SCALARS = _Field(_INTEGERS, ())
_NUMBERS = _Field(_FLOATS, ())
_FLAGS = _Field(_BOOLEANS, ())
_BOXES = _Field(_FLOATS, (4,))
_FIELDS = {
    "id": _Field(_BYTES, None),
    "image": _Field(_BYTES, None),
    "labels/leaf": _SCALARS,
    "labels/positive": _SCALARS,
    "labels/confidence": _Field(_SHARES, None),
    "labels/negative": _SCALARS,
}
_OPTIONAL_FIELDS = {
    "truth": {"labels/truth": _SCALARS},
    "objects": {
        "objects/box": _BOXES,
        "objects/label": _SCALARS,
        "objects/area": _NUMBERS,
        "objects/is_crowd": _FLAGS,
        "objects/is_difficult": _FLAGS,
    },
    "mask": {"mask": _Field(_BYTES, None)},
    "people": {
        "people/box": _BOXES,
        "people/keypoints": _Field(_FLOATS, (NUM_KEYPOINTS, 3)),
        "people/area": _NUMBERS,
        "people/is_crowd": _FLAGS,
    },
}


def _fields(contents: Contents) -> dict[str, _Field]:
    fields = dict(_FIELDS)
    for group, present in contents._asdict().items():
        if present:
            fields.update(_OPTIONAL_FIELDS[group])
    return dict(sorted(fields.items()))


def _objects_feature() -> tfds.features.Sequence:
    return tfds.features.Sequence(
        {
            "box": tfds.features.BBoxFeature(),
            "label": np.int64,
            "area": np.float32,
            "is_crowd": np.bool_,
            "is_difficult": np.bool_,
        }
    )


def _people_feature() -> tfds.features.Sequence:
    return tfds.features.Sequence(
        {
            "box": tfds.features.BBoxFeature(),
            "keypoints": tfds.features.Tensor(shape=(NUM_KEYPOINTS, 3), dtype=np.float32),
            "area": np.float32,
            "is_crowd": np.bool_,
        }
    )


def make_features(contents: Contents) -> tfds.features.FeaturesDict:
    """The schema of a data set's records, as TFDS writes it to features.json."""
    features = tfds.features
    labels = {
        "leaf": features.Sequence(np.int64),
        "positive": features.Sequence(np.int64),
        "confidence": features.Tensor(shape=(None,), dtype=np.uint8, encoding="bytes"),
        "negative": features.Sequence(np.int64),
    }
    if contents.truth:
        labels["truth"] = features.Sequence(np.int64)
    record = {
        "id": features.Text(),
        "image": features.Image(shape=(None, None, 3)),
        "labels": labels,
    }
    if contents.objects:
        record["objects"] = _objects_feature()
    if contents.mask:
        record["mask"] = features.Image(shape=(None, None, 1), encoding_format="png")
    if contents.people:
        record["people"] = _people_feature()
    return features.FeaturesDict(record)


def _varint(value: int) -> bytes:
    value &= (
        0xFFFFFFFFFFFFFFFF  # negative numbers as two's complement, as protocol buffers have them
    )
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def _message(field_number: int, content: bytes) -> bytes:
    """A length-delimited field of a protocol buffer."""
    return _varint(field_number << 3 | 2) + _varint(len(content)) + content


def _encode_bytes(value: str | bytes) -> bytes:
    return _message(1, _message(1, value.encode() if isinstance(value, str) else value))


def _encode_shares(values: Any) -> bytes:
    steps = np.rint(np.asarray(values, np.float64) * CONFIDENCE_STEPS)
    return _encode_bytes(np.maximum(steps, 1).astype(np.uint8).tobytes())


def _encode_floats(values: Any) -> bytes:
    packed = np.asarray(values, "<f4").tobytes()
    return _message(2, _message(1, packed)) if packed else b""


def _encode_integers(values: Iterable[int]) -> bytes:
    packed = b"".join(_varint(int(value)) for value in values)
    return _message(3, _message(1, packed)) if packed else b""


# The three kinds of tf.train.Feature: field 1 is a BytesList, 2 a FloatList, 3 an Int64List.
_ENCODERS = {
    _BYTES: _encode_bytes,
    _FLOATS: _encode_floats,
    _INTEGERS: _encode_integers,
    _BOOLEANS: _encode_integers,
    _SHARES: _encode_shares,
}


def _value(example: Mapping[str, Any], name: str) -> Any:
    group, _, key = name.partition("/")
    return example[group][key] if key else example[group]


def _encode_feature(name: str, value: bytes) -> bytes:
    """An entry of the map from names to values; an empty list has none."""
    entry = _message(1, name.encode()) + _message(2, value)
    return _message(1, entry) if value else b""


def encode_record(example: Mapping[str, Any], contents: Contents) -> bytes:
    """One record, nested as the module says, as a serialized tf.train.Example; equal examples give
    equal bytes.

    Raises:
      KeyError: a group that `contents` promises is missing.
    """
    features = (
        _encode_feature(name, _ENCODERS[field.kind](_value(example, name)))
        for name, field in _fields(contents).items()
    )
    return _message(1, b"".join(features))


def _parsing_spec(field: _Field) -> Any:
    import tensorflow as tf

    if field.shape is None:
        return tf.io.FixedLenFeature((), tf.string)
    dtype = tf.float32 if field.kind == _FLOATS else tf.int64  # tf.train.Example has no booleans
    padding = {_FLOATS: 0.0, _INTEGERS: -1, _BOOLEANS: 0}[field.kind]
    return tf.io.FixedLenSequenceFeature(field.shape, dtype, True, padding)


def _decode_shares(stored: "tf.Tensor", length: "tf.Tensor") -> "tf.Tensor":
    """[...] string -> [..., length] float32, padded with 0."""
    import tensorflow as tf

    steps = tf.io.decode_raw(stored, tf.uint8, fixed_length=length + 1)  # which may not be 0
    return tf.cast(steps[..., :length], tf.float32) / CONFIDENCE_STEPS


def parse_record(serialized: "tf.Tensor", contents: Contents) -> dict[str, Any]:
    """From a serialized record ([] string) to its tensors, nested as the module says; a graph may
    call it.

    The image and the mask stay encoded ([] string), integers are int64, and every list has its own
    length. A batch of records ([B] string) gives tensors that begin with [B], which is several
    times faster than one by one; there lists are padded to the longest of the batch, integers with
    -1 and floats with 0.
    """
    import tensorflow as tf  # here alone, so that writing needs no TensorFlow

    fields = _fields(contents)
    specs = {name: _parsing_spec(field) for name, field in fields.items()}
    record: dict[str, Any] = {}
    for name, value in tf.io.parse_example(serialized, specs).items():
        if fields[name].kind == _BOOLEANS:
            value = tf.cast(value, tf.bool)
        group, _, key = name.partition("/")
        if key:
            record.setdefault(group, {})[key] = value
        else:
            record[group] = value
    labels = record["labels"]
    labels["confidence"] = _decode_shares(labels["confidence"], tf.shape(labels["positive"])[-1])
    return record


class Shard(NamedTuple):
    """One TFRecord file, or a part of it.

    Attributes:
      path: of the file.
      num_examples: how many of its records are taken, the first ones that are not dropped.
      dropped: places in the file, ascending, of records that are left out.
    """

    path: str
    num_examples: int
    dropped: tuple[int, ...] = ()


def count_examples(shards: Iterable[Shard]) -> int:
    """Number of records in all the shards."""
    return sum(shard.num_examples for shard in shards)


class Dataset(NamedTuple):
    """A data set on disk.

    Attributes:
      directory: where it lies.
      taxonomy: its classes.
      contents: which optional groups its records have.
      shards: the files of each split, in order; reading them one after the other gives the fixed
        random order.
      metadata: `max_positives`, `max_negatives`, `max_truths`, `max_objects` and `max_people` (the
        longest lists: batches are padded to them), `positive_counts` (split -> one count a class,
        of closed labels), `num_objects` and `num_people` (split -> count), `single_label` (every
        record has exactly one leaf), `source`, `seed`, `version`, and, where there are masks,
        `mask_classes`.
      kept_classes: where a view has only some classes, their ids on disk; see `revisit.data.views`.
      all_classes: then the taxonomy of the ids on disk.
    """

    directory: str
    taxonomy: taxonomy_lib.Taxonomy
    contents: Contents
    shards: dict[str, tuple[Shard, ...]]
    metadata: dict[str, Any]
    kept_classes: tuple[int, ...] = ()
    all_classes: taxonomy_lib.Taxonomy | None = None

    def num_examples(self, split: str) -> int:
        """Number of records in a split.

        Raises:
          UserError: there is no such split.
        """
        if split not in self.shards:
            known = ", ".join(map(repr, self.shards))
            raise UserError(
                f"no split {split!r} in the data set at {self.directory!r}: it has {known}"
            )
        return count_examples(self.shards[split])


def shard_name(split: str, index: int, num_shards: int) -> str:
    """File name of a shard: TFDS's own scheme."""
    return f"{NAME}-{split}.tfrecord-{index:05d}-of-{num_shards:05d}"


def _shards(directory: tfds.core.Path, split: Mapping[str, Any]) -> tuple[Shard, ...]:
    lengths = [int(length) for length in split.get("shardLengths", ())]
    return tuple(
        Shard(os.fspath(directory / shard_name(split["name"], index, len(lengths))), length)
        for index, length in enumerate(lengths)
    )


def _read_contents(directory: str) -> Contents:
    features = tfds.features.FeaturesDict.from_config(directory)
    contents = Contents(
        truth="truth" in features["labels"],
        objects="objects" in features,
        mask="mask" in features,
        people="people" in features,
    )
    if features.to_json() != make_features(contents).to_json():
        raise UserError(
            f"the data set at {directory!r} was built by another version of data_prep, which laid "
            "out records in another way: build it again, into an empty directory"
        )
    return contents


def is_built(directory: str | os.PathLike[str]) -> bool:
    """Whether a whole data set lies there."""
    return bool((tfds.core.Path(directory) / DATASET_INFO_FILE).exists())


def _check_built(directory: tfds.core.Path) -> None:
    if is_built(directory):
        return
    where = repr(os.fspath(directory))
    if (directory / PLAN_FILE).exists():
        raise UserError(
            f"the data set at {where} is half-built: run its data_prep.build command again"
        )
    raise UserError(
        f"no data set at {where}: build it with python -m data_prep.build --out={where}"
    )


def make_dataset(directory: str | os.PathLike[str], info: Mapping[str, Any]) -> Dataset:
    """A data set of which all is written but dataset_info.json, whose content `info` is.

    Raises:
      UserError: its records are laid out in another way than the module says.
    """
    root = tfds.core.Path(directory)
    return Dataset(
        directory=os.fspath(root),
        taxonomy=taxonomy_lib.load_taxonomy(root / TAXONOMY_FILE),
        contents=_read_contents(os.fspath(root)),
        shards={split["name"]: _shards(root, split) for split in info["splits"]},
        metadata=json.loads((root / METADATA_FILE).read_text()),
    )


def read_dataset(directory: str | os.PathLike[str]) -> Dataset:
    """Reads what a data set says of itself (its records stay on disk).

    Raises:
      UserError: nothing is built there, the build has not finished, or another version made it.
    """
    root = tfds.core.Path(directory)
    _check_built(root)
    return make_dataset(root, json.loads((root / DATASET_INFO_FILE).read_text()))
