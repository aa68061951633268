import io
import pickle

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from data_prep.sources.source import Object, Reject, SourceOptions
from data_prep.sources.tfds_dataset import make_source
from revisit.errors import UserError

F = tfds.features


def jpeg(seed):
    pixels = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
    encoded = io.BytesIO()
    Image.fromarray(pixels).save(encoded, "JPEG")
    return encoded.getvalue()


def write(folder, features, splits, file_format="tfrecord"):
    """A data set that TFDS itself writes; its images are made from their place in their split."""
    version = tfds.core.Version("1.0.0")
    identity = tfds.core.DatasetIdentity("mine", version, str(folder), "tests")
    schema = F.FeaturesDict({"image": F.Image(), **features})
    info = tfds.core.DatasetInfo(builder=identity, features=schema)
    writer = tfds.core.SequentialWriter(info, 2, file_format=file_format)
    writer.initialize_splits(list(splits))
    for split, examples in splits.items():
        images = (io.BytesIO(jpeg(place)) for place in range(len(examples)))
        whole = [{**example, "image": image} for example, image in zip(examples, images)]
        writer.add_examples({split: whole})
    writer.close_all()
    return SourceOptions(images=str(folder))


def by_id(source):
    return {row.id: row for row in pickle.loads(pickle.dumps(source)).rows()}


ONE_LABEL = {"label": F.ClassLabel(names=["cat", "dog"])}
ONE_LABEL_SPLITS = {
    "train": [{"label": "dog"}, {"label": "cat"}, {"label": -1}],
    "test": [{"label": "cat"}],
}


@pytest.mark.parametrize("file_format", ["tfrecord", "array_record"])
def test_one_label_an_image_in_each_file_format(file_format, tmp_path):
    source = make_source(write(tmp_path, ONE_LABEL, ONE_LABEL_SPLITS, file_format))
    assert source.taxonomy.names == ("cat", "dog")
    assert [(row.positives, row.split) for row in by_id(source).values()] == [
        ((("dog", 1.0),), "train"),
        ((("cat", 1.0),), "train"),
        ((), "train"),
        ((("cat", 1.0),), "test"),
    ]
    read = [source.read(row).encoded for row in by_id(source).values()]
    assert read == [jpeg(0), jpeg(1), jpeg(2), jpeg(0)]  # byte for byte: nothing is encoded again


def test_rows_are_named_and_counted_as_tfds_does(tmp_path):
    options = write(tmp_path, ONE_LABEL, ONE_LABEL_SPLITS)
    config = tfds.ReadConfig(add_tfds_id=True)
    theirs = set()
    for dataset in (
        tfds.builder_from_directory(options.images).as_dataset(read_config=config).values()
    ):
        theirs |= {example["tfds_id"].numpy().decode() for example in dataset}
    assert by_id(make_source(options)).keys() == theirs


def test_several_labels_an_image(tmp_path):
    features = {
        "labels": F.Sequence(F.ClassLabel(num_classes=12)),
        "tag": F.ClassLabel(names=["x"]),
    }
    examples = [{"labels": [11, 2], "tag": "x"}, {"labels": [], "tag": "x"}]
    source = make_source(write(tmp_path, features, {"train": examples}))
    assert [row.positives for row in by_id(source).values()] == [(("11", 1.0), ("2", 1.0)), ()]
    assert source.taxonomy.names[11] == "11"


OPEN_IMAGES = {  # the features of open_images_v4 that are read, under its names
    "image/filename": F.Text(),
    "objects": F.Sequence(
        {
            "label": F.ClassLabel(names=["/m/0", "/m/1", "/m/2"]),
            "confidence": np.int32,
            "source": F.ClassLabel(names=["verification", "machine"]),
        }
    ),
    "objects_trainable": F.Sequence(
        {"label": F.ClassLabel(names=["/m/2"]), "confidence": np.int32}
    ),
    "bobjects": F.Sequence(
        {
            "label": F.ClassLabel(names=["/m/1", "/m/9"]),
            "bbox": F.BBoxFeature(),
            "is_group_of": np.int8,
        }
    ),
}


def open_images_splits():
    objects = [
        {"label": "/m/2", "confidence": 10, "source": "verification"},
        {"label": "/m/0", "confidence": 7, "source": "machine"},
        {"label": "/m/1", "confidence": 0, "source": "verification"},
    ]
    box = {"label": "/m/9", "bbox": F.BBox(0.25, 0.5, 0.75, 1.0), "is_group_of": 1}
    other = {"label": "/m/1", "bbox": F.BBox(0.0, 0.0, 0.5, 0.5), "is_group_of": -1}
    trainable = [{"label": "/m/2", "confidence": 9}]
    return {
        "validation": [
            {
                "image/filename": "a.jpg",
                "objects": objects,
                "objects_trainable": trainable,
                "bobjects": [box, other],
            },
            {"image/filename": "b.jpg", "objects": [], "objects_trainable": [], "bobjects": []},
        ]
    }


def test_confidences_in_tenths_verified_negatives_and_boxes(tmp_path):
    source = make_source(write(tmp_path, OPEN_IMAGES, open_images_splits()))
    first, second = by_id(source).values()
    assert first.positives == (("/m/2", 1.0), ("/m/0", 0.7))
    assert first.negatives == ("/m/1",)
    assert first.annotations.objects == (
        Object((0.25, 0.5, 0.75, 1.0), "/m/9", is_crowd=True),
        Object((0.0, 0.0, 0.5, 0.5), "/m/1"),
    )
    assert (second.positives, second.annotations.objects) == ((), ())
    assert source.contents.objects
    assert source.taxonomy.names == ("/m/0", "/m/1", "/m/2", "/m/9")


def test_another_feature_may_give_the_labels(tmp_path):
    options = write(tmp_path, OPEN_IMAGES, open_images_splits())
    source = make_source(options._replace(label_feature="objects_trainable"))
    assert [row.positives for row in by_id(source).values()] == [(("/m/2", 0.9),), ()]


def test_the_splits_to_read_may_be_named(tmp_path):
    options = write(tmp_path, ONE_LABEL, ONE_LABEL_SPLITS)
    assert len(by_id(make_source(options._replace(split="test")))) == 1
    assert len(by_id(make_source(options._replace(split="test,train")))) == 4
    with pytest.raises(UserError, match="--split=val: no 'val'; there are t.*, t.*"):
        make_source(options._replace(split="val"))


def test_a_damaged_record_is_a_reject_and_a_cut_off_file_one_clear_line(tmp_path):
    options = write(tmp_path, ONE_LABEL, {"train": [{"label": "dog"}, {"label": "cat"}]})
    source = make_source(options)
    (path,) = tmp_path.glob("*tfrecord*")
    content = path.read_bytes()
    path.write_bytes(content[:12] + b"\xff" * 40 + content[52:])
    rejects = [row for row in source.rows() if isinstance(row, Reject)]
    assert [reject.reason.split(":")[0] for reject in rejects] == ["not a record of this data set"]
    path.write_bytes(content + b"12345")
    with pytest.raises(UserError, match=r"mine-train.* is cut off at byte \d+: prepare it again"):
        list(source.rows())


def test_a_set_that_is_not_prepared_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setattr(tfds.core.constants, "DATA_DIR", str(tmp_path))
    with pytest.raises(UserError, match="not prepared 'cifar10' in .*: run `tfds build cifar10`"):
        make_source(SourceOptions(images="cifar10"))


@pytest.mark.parametrize(
    "images, words",
    [
        ("", "--source=tfds needs --images=NAME"),
        ("no_such_set", r"neither a directory with TFDS's features\.json nor a TFDS set"),
        ("/nowhere/at/all", r"neither a directory with TFDS's features\.json nor a TFDS set"),
    ],
)
def test_what_is_no_data_set_is_one_clear_line(images, words):
    with pytest.raises(UserError, match=words):
        make_source(SourceOptions(images=images))


def test_a_set_without_class_labels_is_one_clear_line(tmp_path):
    features = {"caption": F.Text(), "kind": F.ClassLabel(names=["a"])}
    options = write(tmp_path, features, {"train": [{"caption": "a dog", "kind": "a"}]})
    with pytest.raises(
        UserError, match="has the features caption, image, kind in tfrecord files: "
    ):
        make_source(options)
    rows = by_id(make_source(options._replace(label_feature="kind")))
    assert [row.positives for row in rows.values()] == [(("a", 1.0),)]
