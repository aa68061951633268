import io
import itertools
import json

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
from PIL import Image

from revisit.data import records
from revisit.data.records import Contents
from revisit.data.taxonomy import make_taxonomy, save_taxonomy
from revisit.errors import UserError

EVERYTHING = Contents(truth=True, objects=True, mask=True, people=True)


def png(*shape):
    encoded = io.BytesIO()
    Image.fromarray(np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)).save(encoded, "PNG")
    return encoded.getvalue()


def make_example():
    return {
        "id": "bär/1.jpg",
        "image": png(5, 7, 3),
        "labels": {
            "leaf": [3, 300],
            "positive": [0, 3, 300],
            "confidence": [1.0, 0.25, 1.0],
            "negative": [],
            "truth": [2**40],
        },
        "objects": {
            "box": np.array([[0, 0.25, 0.5, 1], [0, 0, 1, 1]]),
            "label": [3, 300],
            "area": [1.5, 2e5],
            "is_crowd": [True, False],
            "is_difficult": [False, False],
        },
        "mask": png(5, 7),
        "people": {
            "box": np.zeros((0, 4)),
            "keypoints": np.zeros((0, 17, 3)),
            "area": [],
            "is_crowd": [],
        },
    }


def all_contents():
    return [Contents(*flags) for flags in itertools.product((False, True), repeat=4)]


def test_encoded_is_what_protocol_buffers_would_write():
    encoded = records.encode_record(make_example(), EVERYTHING)
    example = tf.train.Example.FromString(encoded)
    assert example.SerializeToString(deterministic=True) == encoded


@pytest.mark.parametrize("contents", all_contents())
def test_parsed_is_what_was_encoded(contents):
    example = make_example()
    record = records.parse_record(records.encode_record(example, contents), contents)
    assert record["id"].numpy().decode() == "bär/1.jpg"
    assert record["image"].numpy() == example["image"]
    assert record["labels"]["leaf"].numpy().tolist() == [3, 300]
    assert record["labels"]["positive"].numpy().tolist() == [0, 3, 300]
    assert record["labels"]["confidence"].numpy().tolist() == [1.0, 0.25, 1.0]
    assert record["labels"]["negative"].shape == (0,)
    present = {name for name in ("objects", "mask", "people") if name in record}
    assert present == {name for name in ("objects", "mask", "people") if getattr(contents, name)}
    assert ("truth" in record["labels"]) == contents.truth


def test_lists_of_a_batch_are_padded_to_the_longest():
    long, short = make_example(), make_example()
    short["labels"] = {**short["labels"], "positive": [7], "confidence": [0.5]}
    encoded = [records.encode_record(each, Contents()) for each in (long, short)]
    labels = records.parse_record(tf.constant(encoded), Contents())["labels"]
    assert labels["positive"].numpy().tolist() == [[0, 3, 300], [7, -1, -1]]
    assert labels["confidence"].numpy().tolist() == [[1.0, 0.25, 1.0], [0.5, 0.0, 0.0]]


def parse_confidences(*confidences):
    labels = {**make_example()["labels"], "positive": range(len(confidences))}
    labels["confidence"] = confidences
    encoded = records.encode_record({**make_example(), "labels": labels}, Contents())
    return records.parse_record(encoded, Contents())["labels"]["confidence"].numpy()


def test_confidences_in_hundredths_are_exact():
    hundredths = np.arange(1, 101) / 100
    assert np.array_equal(parse_confidences(*hundredths), hundredths.astype(np.float32))


def test_an_image_without_labels_has_no_confidences():
    assert parse_confidences().shape == (0,)


def test_other_confidences_are_rounded_to_a_step_but_never_to_0():
    given = np.random.default_rng(0).uniform(0, 1, 1000)
    assert np.abs(parse_confidences(*given) - np.maximum(given, 0.005)).max() <= 0.0025 + 1e-7
    assert parse_confidences(1e-9, 1 - 1e-9).tolist() == [np.float32(0.005), 1.0]


@pytest.mark.parametrize("confidence", [1.0, 0.9])
def test_30_closed_labels_of_18291_classes_take_less_than_200_bytes(confidence):
    ids = np.sort(np.random.default_rng(0).choice(18_291, 30, replace=False))
    labels = {"leaf": ids[:5], "positive": ids, "confidence": [confidence] * 30, "negative": []}
    record = records.encode_record({"id": "", "image": b"", "labels": labels}, Contents())
    example = tf.train.Example.FromString(record)
    for name in ("id", "image"):
        del example.features.feature[name]
    assert 150 < example.ByteSize() < 200  # with the names of the fields


def test_empty_lists_take_nothing():
    example = tf.train.Example.FromString(records.encode_record(make_example(), EVERYTHING))
    names = set(example.features.feature)
    assert "labels/leaf" in names
    assert "labels/negative" not in names
    assert not any(name.startswith("people/") for name in names)


def test_lists_of_a_record_keep_their_shapes_in_a_graph():
    encoded = records.encode_record(make_example(), EVERYTHING)
    dataset = tf.data.Dataset.from_tensors(encoded)
    record = next(iter(dataset.map(lambda one: records.parse_record(one, EVERYTHING))))
    assert record["objects"]["box"].shape == (2, 4)
    assert record["objects"]["area"].numpy().tolist() == [1.5, 2e5]
    assert record["objects"]["is_crowd"].numpy().tolist() == [True, False]
    assert record["people"]["box"].shape == (0, 4)
    assert record["people"]["is_crowd"].dtype == tf.bool
    assert record["people"]["keypoints"].shape == (0, 17, 3)
    assert record["labels"]["truth"].numpy().tolist() == [2**40]


@pytest.mark.parametrize("contents", all_contents())
def test_the_layout_is_tfds_own(contents):
    features = records.make_features(contents)
    encoded = records.encode_record(make_example(), contents)
    decoded = features.deserialize_example(encoded)
    assert decoded["labels"]["confidence"].numpy().tolist() == [200, 50, 200]  # of 200
    assert decoded["labels"]["negative"].shape == (0,)
    assert decoded["image"].shape == (5, 7, 3)
    assert decoded["labels"]["positive"].numpy().tolist() == [0, 3, 300]
    if contents.objects:
        assert decoded["objects"]["is_crowd"].numpy().tolist() == [True, False]
        assert decoded["objects"]["area"].numpy().tolist() == [1.5, 2e5]
    if contents.mask:
        assert decoded["mask"].shape == (5, 7, 1)
    if contents.people:
        assert decoded["people"]["keypoints"].shape == (0, 17, 3)


def test_a_missing_group_is_an_error():
    example = make_example()
    del example["mask"]
    with pytest.raises(KeyError, match="mask"):
        records.encode_record(example, EVERYTHING)


def write_dataset(directory):
    taxonomy = make_taxonomy(["a", "b"], [("a", "b")])
    save_taxonomy(taxonomy, directory / "taxonomy.json")
    records.make_features(Contents(truth=True)).save_config(str(directory))
    (directory / "metadata.json").write_text(json.dumps({"max_positives": 2}))
    info = {
        "name": "revisit",
        "version": "1.0.0",
        "fileFormat": "tfrecord",
        "splits": [{"name": "train", "shardLengths": ["3", "4"], "numBytes": "1"}],
    }
    (directory / "dataset_info.json").write_text(json.dumps(info))
    return taxonomy


def test_read_dataset_tells_what_the_files_say(tmp_path):
    taxonomy = write_dataset(tmp_path)
    dataset = records.read_dataset(tmp_path)
    assert dataset.taxonomy == taxonomy
    assert dataset.contents == Contents(truth=True)
    assert dataset.num_examples("train") == 7
    assert dataset.metadata == {"max_positives": 2}
    first = dataset.shards["train"][0]
    assert first == (str(tmp_path / "revisit-train.tfrecord-00000-of-00002"), 3, ())


def test_an_unknown_split_names_the_known(tmp_path):
    write_dataset(tmp_path)
    with pytest.raises(UserError, match="no split 'test' in the data set at .*: it has 'train'"):
        records.read_dataset(tmp_path).num_examples("test")


def test_where_nothing_is_built_the_error_says_how_to_build(tmp_path):
    with pytest.raises(UserError, match=r"no data set at .*: build it with python -m data_prep"):
        records.read_dataset(tmp_path / "none")


def test_a_half_built_data_set_is_never_read(tmp_path):
    write_dataset(tmp_path)
    (tmp_path / "dataset_info.json").unlink()
    (tmp_path / "plan.json").write_text("{}")
    with pytest.raises(UserError, match="is half-built: run its data_prep.build command again"):
        records.read_dataset(tmp_path)


def test_records_laid_out_in_another_way_are_not_read(tmp_path):
    write_dataset(tmp_path)
    features = dict(records.make_features(Contents()))
    features["labels"] = {
        **features["labels"],
        "confidence": tfds.features.Sequence(np.float32),
    }
    tfds.features.FeaturesDict(features).save_config(str(tmp_path))
    with pytest.raises(UserError, match="was built by another version of data_prep.*build it agai"):
        records.read_dataset(tmp_path)


def test_tfds_reads_the_schema_back(tmp_path):
    records.make_features(EVERYTHING).save_config(str(tmp_path))
    read = tfds.features.FeaturesDict.from_config(str(tmp_path))
    assert set(read) == {"id", "image", "labels", "objects", "mask", "people"}
