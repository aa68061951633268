"""A trained backbone in three lines, from a run or from what was exported of it."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

import revisit
from revisit.errors import UserError
from revisit.serving.exporter import export
from revisit.serving.signatures import make_signatures
from revisit.training.model import load_model

PIXELS = np.random.default_rng(0).integers(0, 256, (3, 45, 60, 3), np.uint8)


@pytest.fixture(scope="module")
def served(finished_run):
    """Features that the served model gives for the same pixels, sent as PNG."""
    signature = make_signatures(load_model(str(finished_run)))["features"]
    return signature(tf.stack([tf.io.encode_png(each) for each in PIXELS]))["features"].numpy()


def test_pixels_give_the_features_that_serving_gives_for_the_same_files(finished_run, served):
    backbone = revisit.load_backbone(str(finished_run))
    outputs = backbone(PIXELS)
    np.testing.assert_allclose(outputs["features"], served, rtol=1e-5, atol=1e-5)
    assert set(outputs) == {"features", "c2", "c3", "c4", "c5"}
    np.testing.assert_allclose(tf.reduce_mean(outputs["c5"], [1, 2]), served, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(backbone.predict(PIXELS, verbose=0)["features"], served, rtol=1e-4)


def test_an_exported_model_is_as_good_as_its_run(finished_run, served, tmp_path):
    version = export(str(finished_run), str(tmp_path / "pets"))
    for path in (version, tmp_path / "pets"):
        features = revisit.load_backbone(str(path))(PIXELS)["features"]
        np.testing.assert_allclose(features, served, rtol=1e-5, atol=1e-5)


def test_it_trains_under_a_head_of_ones_own_and_is_saved_by_keras(finished_run, tmp_path):
    backbone = revisit.load_backbone(str(finished_run))
    scores = keras.layers.Dense(2)(backbone.output["features"])
    model = keras.Model(backbone.input, scores)
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    before = backbone.get_weights()
    model.fit(PIXELS, np.array([0, 1, 0]), verbose=0)
    assert any(np.any(old != new) for old, new in zip(before, backbone.get_weights()))
    model.save(tmp_path / "mine.keras")
    again = keras.models.load_model(tmp_path / "mine.keras")
    np.testing.assert_allclose(again(PIXELS), model(PIXELS), rtol=1e-5, atol=1e-5)


def test_a_folder_without_a_model_is_the_users_mistake(tmp_path):
    with pytest.raises(UserError, match="is neither a run's workdir nor an exported model"):
        revisit.load_backbone(str(tmp_path))
