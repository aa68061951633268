"""A backbone computes the same as a file of another library, there and back."""

import importlib
import os
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from revisit.errors import UserError
from revisit.models.formats import READERS, WRITERS
from revisit.models.resnet import ResNet
from revisit.training.model import load_backbone

SIZE = 65
IMAGES = np.random.default_rng(0).uniform(-1, 1, (2, SIZE, SIZE, 3)).astype(np.float32)


def randomized(depth=14, width=8, seed=0):
    backbone = ResNet(depth, width=width)
    generator = np.random.default_rng(seed)
    for variable in backbone.variables:
        if "kernel" not in variable.name:  # else all batch norms and biases would be trivial
            variable.assign(generator.uniform(0.2, 1.0, variable.shape))
    return backbone


@pytest.fixture(scope="module")
def backbone():
    return randomized()


def expect_equal(outputs, backbone, images=IMAGES):
    expected = backbone(images, training=False)
    assert set(outputs) == set(expected)
    for level, values in expected.items():
        np.testing.assert_allclose(outputs[level], values, rtol=1e-4, atol=1e-4)


def test_keras_3_loads_its_file_without_our_code(backbone, tmp_path):
    WRITERS["keras"](backbone, str(tmp_path / "backbone.keras"), SIZE)
    np.save(tmp_path / "images.npy", IMAGES)
    program = (
        "import keras, numpy as np; model = keras.saving.load_model('backbone.keras');"
        "np.savez('outputs.npz', **model.predict(np.load('images.npy'), verbose=0))"
    )
    # A process of its own, away from the checkout, where Keras is Keras 3 for TensorFlow too.
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    environment["TF_USE_LEGACY_KERAS"] = "0"
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env=environment, check=True)
    expect_equal(dict(np.load(tmp_path / "outputs.npz")), backbone)


def test_a_name_that_keras_does_not_take_is_refused(backbone, tmp_path):
    with pytest.raises(UserError, match=r"backbone.onnx: the name of a file of Keras ends in"):
        WRITERS["keras"](backbone, str(tmp_path / "backbone.onnx"), SIZE)


def test_onnxruntime_computes_the_same_for_any_batch_and_size(backbone, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("tf2onnx")
    WRITERS["onnx"](backbone, str(tmp_path / "backbone.onnx"), SIZE)
    session = onnxruntime.InferenceSession(tmp_path / "backbone.onnx")
    names = [output.name for output in session.get_outputs()]
    for images in (IMAGES, IMAGES[:1, :40]):
        outputs = dict(zip(names, session.run(None, {"image": images})))
        expect_equal(outputs, backbone, images)


def test_tensorflow_lite_computes_the_same(backbone, tmp_path):
    WRITERS["tflite"](backbone, str(tmp_path / "backbone.tflite"), SIZE)
    interpreter = tf.lite.Interpreter(str(tmp_path / "backbone.tflite"))
    outputs = interpreter.get_signature_runner()(image=IMAGES[:1])
    expect_equal(outputs, backbone, IMAGES[:1])


@pytest.mark.parametrize("kind, package", [("keras", "keras"), ("safetensors", "safetensors")])
def test_weights_come_back_from_a_file_unchanged(backbone, tmp_path, kind, package):
    pytest.importorskip(package)
    path = str(tmp_path / f"backbone.{kind}")
    WRITERS[kind](backbone, path, SIZE)
    target = randomized(seed=1)
    READERS[f".{kind}"](path, target)
    for ours, theirs in zip(backbone.weights, target.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_file_of_another_network_is_the_users_mistake(backbone, tmp_path):
    path = str(tmp_path / "backbone.keras")
    WRITERS["keras"](backbone, path, SIZE)
    with pytest.raises(
        UserError, match=r"backbone.keras has no weights of the right shape for 'stem/conv'"
    ):
        READERS[".keras"](path, ResNet(14, width=16))


def test_training_starts_from_a_file_and_says_so(backbone, tmp_path):
    path = str(tmp_path / "backbone.keras")
    WRITERS["keras"](backbone, path, SIZE)
    target = randomized(seed=1)
    assert load_backbone(path, target).startswith(
        f"{len(target.variables)} backbone variables from"
    )
    np.testing.assert_array_equal(target.variables[0], backbone.variables[0])
    with pytest.raises(UserError, match=r"--init=nowhere.keras: no such file"):
        load_backbone("nowhere.keras", target)


@pytest.mark.parametrize("depth", [14, 18])  # bottlenecks, basic blocks
def test_keras_hub_has_the_same_network_and_gives_it_back(depth, tmp_path):
    pytest.importorskip("keras_hub")
    keras3 = importlib.import_module("keras")
    backbone, path = randomized(depth, 64), str(tmp_path / "backbone.keras")
    WRITERS["keras_hub"](backbone, path, SIZE)
    theirs = keras3.saving.load_model(path)
    pyramid = keras3.Model(theirs.input, theirs.pyramid_outputs).predict(IMAGES, verbose=0)
    for level, values in backbone(IMAGES, training=False).items():
        scale = np.abs(values).max()
        found = pyramid[level.replace("c", "P")]
        np.testing.assert_allclose(found, values, rtol=1e-4, atol=1e-4 * scale)
    target = randomized(depth, 64, seed=1)
    READERS[".keras"](path, target)
    for ours, given in zip(backbone.weights, target.weights, strict=True):
        np.testing.assert_array_equal(ours, given)


def test_keras_hub_takes_no_other_stem(backbone, tmp_path):
    pytest.importorskip("keras_hub")
    with pytest.raises(UserError, match=r"the backbone has no weights of the right shape for"):
        WRITERS["keras_hub"](backbone, str(tmp_path / "backbone.keras"), SIZE)


# Arguments: library, safetensors file, images.npy, outputs.npz.
TORCH = """
import sys

import numpy as np
import safetensors.torch
import torch

library, weights, images, outputs = sys.argv[1:]
if library == "timm":
    import timm

    model = timm.create_model("resnet50", features_only=True, out_indices=(1, 2, 3, 4))
else:
    import torchvision

    whole = torchvision.models.resnet50()
    layers = {f"layer{stage}": f"c{stage + 1}" for stage in (1, 2, 3, 4)}
    model = torchvision.models._utils.IntermediateLayerGetter(whole, layers)
missing, unknown = model.load_state_dict(safetensors.torch.load_file(weights), strict=False)
assert not unknown, unknown
assert all(name.endswith("num_batches_tracked") or name.startswith("fc.") for name in missing)
with torch.no_grad():
    found = model.eval()(torch.from_numpy(np.load(images).transpose(0, 3, 1, 2).copy()))
found = dict(zip(("c2", "c3", "c4", "c5"), found)) if isinstance(found, list) else found
np.savez(outputs, **{name: value.numpy().transpose(0, 2, 3, 1) for name, value in found.items()})
"""


@pytest.mark.parametrize("library", ["torchvision", "timm"])
def test_torch_libraries_load_the_file_into_their_own_resnet(library, tmp_path):
    pytest.importorskip("safetensors")
    python = os.environ.get("REVISIT_TORCH_PYTHON", sys.executable)
    if subprocess.run([python, "-c", f"import {library}"], capture_output=True).returncode:
        pytest.skip(f"needs {library}: set REVISIT_TORCH_PYTHON to a Python that has it")
    backbone = randomized(50, 64)
    WRITERS["safetensors"](backbone, str(tmp_path / "b.safetensors"), SIZE)
    np.save(tmp_path / "images.npy", IMAGES)
    files = [tmp_path / name for name in ("b.safetensors", "images.npy", "outputs.npz")]
    subprocess.run([python, "-c", TORCH, library, *files], check=True)
    expected = backbone(IMAGES, training=False)
    for level, values in np.load(files[-1]).items():
        scale = np.abs(expected[level]).max()
        np.testing.assert_allclose(values, expected[level], rtol=1e-4, atol=1e-4 * scale)
