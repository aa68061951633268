"""Signatures: what goes in, what comes out, and that it is what evaluation computes."""

import numpy as np
import pytest
import tensorflow as tf

from data_prep.builder import BuildOptions, build
from data_prep.pipeline import PlanOptions
from data_prep.sources.source import SourceOptions
from revisit.data import images
from revisit.data.input import eval_batches
from revisit.data.records import read_dataset
from revisit.serving.signatures import make_signatures
from revisit.tasks import make_task
from revisit.training.model import forward, load_model


@pytest.fixture(scope="module")
def loaded(finished_run):
    return load_model(str(finished_run))


@pytest.fixture(scope="module")
def signatures(loaded):
    return make_signatures(loaded)


def make_pixels(*shape):
    """Smooth pictures, so that the decoders' rounding is all that may differ."""
    noise = np.random.default_rng(1).uniform(0, 255, (5, 5, shape[-1]))
    return np.uint8(tf.image.resize(noise, shape[:2], "bicubic").numpy().clip(0, 255))


ENCODED = {
    "jpeg": lambda: tf.io.encode_jpeg(make_pixels(50, 70, 3)),
    "jpeg of the model's size": lambda: tf.io.encode_jpeg(make_pixels(40, 40, 3)),
    "grey jpeg": lambda: tf.io.encode_jpeg(make_pixels(33, 90, 1)),
    "progressive jpeg": lambda: tf.io.encode_jpeg(make_pixels(64, 64, 3), progressive=True),
    "png": lambda: tf.io.encode_png(make_pixels(20, 30, 3)),
    "png with alpha": lambda: tf.io.encode_png(make_pixels(48, 30, 4)),
    "grey png": lambda: tf.io.encode_png(make_pixels(48, 30, 1)),
}


@pytest.fixture(scope="module")
def encoded():
    return [ENCODED[kind]().numpy() for kind in ENCODED]


def evaluated(loaded, encoded):
    """The model's outputs on images as evaluation's input pipeline gives them, one by one."""
    batch = tf.stack([images.eval_image(tf.constant(one), 40, 32) for one in encoded])
    inputs = images.to_model_range(batch)
    return inputs, forward(loaded.backbone, loaded.head, {"image": inputs}, False, False)


def test_bytes_give_what_evaluation_computes_on_the_same_files(loaded, signatures, encoded):
    _, expected = evaluated(loaded, encoded)
    outputs = signatures["serving_default"](tf.constant(encoded))
    np.testing.assert_allclose(outputs["features"], expected["features"], atol=1e-5, rtol=1e-5)
    assert np.ptp(expected["features"], axis=0).max() > 0.01  # the images differ to the model
    best = np.sort(tf.sigmoid(expected["logits"]), axis=1)[:, :-6:-1]
    np.testing.assert_allclose(outputs["scores"], best, atol=1e-5)
    ids = np.argsort(-expected["logits"].numpy(), axis=1, kind="stable")[:, :5]
    np.testing.assert_array_equal(outputs["class_ids"], ids)


def test_labels_are_named_with_their_ancestors_from_the_root(loaded, signatures, encoded):
    outputs = signatures["serving_default"](tf.constant(encoded[:1]))
    names = [name.decode() for name in outputs["names"].numpy()[0]]
    above = dict(zip(names, (text.decode() for text in outputs["ancestors"].numpy()[0])))
    expected = {"animal": "", "mammal": "animal", "dog": "animal > mammal", "pet": "", "car": ""}
    assert {name: above[name] for name in names if name != "cat"} == {
        name: expected[name] for name in names if name != "cat"
    }
    if "cat" in names:
        assert set(above["cat"].split(" > ")) == {"animal", "mammal", "pet"}
    assert [loaded.taxonomy.names[id_] for id_ in outputs["class_ids"].numpy()[0]] == names


def test_features_and_images_agree_with_serving_default(loaded, signatures, encoded):
    inputs, _ = evaluated(loaded, encoded)
    whole = signatures["serving_default"](tf.constant(encoded))
    features = signatures["features"](tf.constant(encoded))
    assert set(features) == {"features"}
    np.testing.assert_allclose(features["features"], whole["features"], atol=1e-5, rtol=1e-5)
    pixels = signatures["images"](inputs)
    assert set(pixels) == set(whole)
    np.testing.assert_allclose(pixels["scores"], whole["scores"], atol=1e-5)


def test_examples_and_whole_pixels_give_the_same_answers(loaded, signatures, encoded):
    whole = signatures["serving_default"](tf.constant(encoded))
    examples = []
    for image in encoded:
        feature = tf.train.Feature(bytes_list=tf.train.BytesList(value=[image]))
        features = tf.train.Features(feature={"image": feature})
        examples.append(tf.train.Example(features=features).SerializeToString())
    pixels = tf.stack([images.eval_image(tf.constant(one), 40, 32) for one in encoded])
    for outputs in (
        signatures["examples"](tf.constant(examples)),
        signatures["images_uint8"](pixels),
    ):
        assert set(outputs) == set(whole)
        np.testing.assert_allclose(outputs["scores"], whole["scores"], atol=1e-6)
        np.testing.assert_array_equal(outputs["class_ids"], whole["class_ids"])


def test_features_give_the_pyramid_when_asked_to(loaded, encoded):
    inputs, _ = evaluated(loaded, encoded)
    outputs = make_signatures(loaded, pyramid=True)["features"](tf.constant(encoded))
    expected = loaded.backbone(inputs, training=False)
    assert set(outputs) == {"features", "c2", "c3", "c4", "c5"}
    for level, values in expected.items():
        np.testing.assert_allclose(outputs[level], values, rtol=1e-4, atol=1e-4)


def test_each_score_comes_with_its_class_threshold(loaded, encoded):
    values = ["0.1", "0.2", "nan", "0.4", "0.5", "0.6"]
    names = loaded.taxonomy.names
    thresholds = [{"class": name, "threshold": value} for name, value in zip(names, values)]
    outputs = make_signatures(loaded, thresholds)["serving_default"](tf.constant(encoded))
    expected = np.array([0.1, 0.2, 0.5, 0.4, 0.5, 0.6], np.float32)[outputs["class_ids"]]
    np.testing.assert_array_equal(outputs["thresholds"], expected)


@pytest.mark.parametrize("batch_size", [1, 3])
def test_the_batch_may_have_any_size(signatures, encoded, batch_size):
    outputs = signatures["serving_default"](tf.constant(encoded[:batch_size]))
    assert {name: value.shape.as_list() for name, value in outputs.items()} == {
        "features": [batch_size, 64],
        "scores": [batch_size, 5],
        "class_ids": [batch_size, 5],
        "names": [batch_size, 5],
        "titles": [batch_size, 5],
        "ancestors": [batch_size, 5],
    }
    assert outputs["class_ids"].dtype == tf.int32
    assert outputs["scores"].dtype == outputs["features"].dtype == tf.float32


@pytest.mark.parametrize("bad", [b"", b"just words", b"\xff\xd8\xff", None], ids=str)
def test_bad_bytes_fail_their_request_and_not_the_next(signatures, encoded, bad):
    truncated = encoded[0][: len(encoded[0]) // 2]
    with pytest.raises(tf.errors.InvalidArgumentError):
        signatures["serving_default"](tf.constant([encoded[0], truncated if bad is None else bad]))
    assert signatures["serving_default"](tf.constant(encoded[:1]))["scores"].shape[0] == 1


def test_records_of_real_files_are_served_as_evaluations_own_batches(
    loaded, signatures, shared_data, tmp_path
):
    folder = shared_data("10_jpeg-zoo")
    paths = [path.relative_to(folder) for path in sorted(folder.rglob("*.*p*g"))]
    (tmp_path / "labels.csv").write_text(
        "path,labels,split\n" + "".join(f"{path},car,train\n" for path in paths)
    )
    source = SourceOptions(manifest=str(tmp_path / "labels.csv"), images=str(folder))
    build(BuildOptions("manifest", source, str(tmp_path / "data"), PlanOptions(), 1.0, 1), {})
    dataset = read_dataset(str(tmp_path / "data"))
    prepare = make_task(loaded.config, dataset).prepare
    (batch,) = eval_batches(dataset, "train", prepare, dataset.num_examples("train"))
    expected = forward(loaded.backbone, loaded.head, {"image": batch["image"]}, False, False)
    records = tf.data.TFRecordDataset([shard.path for shard in dataset.shards["train"]])
    served = signatures["examples"](tf.stack(list(records)))
    assert len(served["features"]) > 50
    np.testing.assert_allclose(served["features"], expected["features"], atol=1e-5, rtol=1e-5)


def test_real_files_of_all_kinds_are_served_as_they_are_evaluated(loaded, signatures, shared_data):
    paths = sorted(shared_data("10_jpeg-zoo").rglob("*.*p*g"))
    assert len(paths) > 50
    served, refused = 0, 0
    for path in paths:
        encoded = path.read_bytes()
        try:
            _, expected = evaluated(loaded, [encoded])
        except tf.errors.InvalidArgumentError:
            with pytest.raises(tf.errors.InvalidArgumentError):
                signatures["serving_default"](tf.constant([encoded]))
            refused += 1
            continue
        outputs = signatures["serving_default"](tf.constant([encoded]))
        np.testing.assert_allclose(
            outputs["features"], expected["features"], atol=1e-5, rtol=1e-5, err_msg=path.name
        )
        served += 1
    print(f"{served} served, {refused} refused by both")
    assert served > 50
