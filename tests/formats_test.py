"""A backbone computes the same as a file of another library, there and back."""

import importlib
import os
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from configs import default
from revisit.errors import UserError
from revisit.models.formats import Conventions
from revisit.models.readers import READERS
from revisit.models.resnet import ResNet
from revisit.models.writers import WRITERS, Network
from revisit.training.model import load_backbone

SIZE = 65
IMAGES = np.random.default_rng(0).uniform(-1, 1, (2, SIZE, SIZE, 3)).astype(np.float32)


PIXELS = np.round((IMAGES + 1) * 127.5)  # 0 to 255; IMAGES are these exactly
IMAGES = (PIXELS / 127.5 - 1).astype(np.float32)
DEFAULTS = Conventions("v1.5", "symmetric")


def randomize(network, seed=0):
    generator = np.random.default_rng(seed)
    for variable in network.variables:
        if "kernel" not in variable.name:  # else all batch norms and biases would be trivial
            variable.assign(generator.uniform(0.2, 1.0, variable.shape))
    return network


def randomized(depth=14, width=8, seed=0, **options):
    return randomize(ResNet(depth, width=width, **options), seed)


def write(kind, backbone, path, conventions=DEFAULTS):
    WRITERS[kind](Network(backbone, conventions, SIZE), str(path))


def load(init, backbone, **conventions):
    model = default.get_config().model
    model.update(conventions)
    return load_backbone(str(init), backbone, model)


@pytest.fixture(scope="module")
def backbone():
    return randomized()


def expect_equal(outputs, backbone, images=IMAGES):
    expected = backbone(images, training=False)
    assert set(outputs) == set(expected)
    for level, values in expected.items():
        scale = np.abs(values).max()
        np.testing.assert_allclose(outputs[level], values, rtol=1e-4, atol=1e-4 * scale)


def test_keras_3_loads_its_file_without_our_code(backbone, tmp_path):
    write("keras", backbone, tmp_path / "backbone.keras")
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
        write("keras", backbone, tmp_path / "backbone.onnx")


def test_onnxruntime_computes_the_same_for_any_batch_and_size(backbone, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("tf2onnx")
    write("onnx", backbone, tmp_path / "backbone.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "backbone.onnx")
    names = [output.name for output in session.get_outputs()]
    for images in (IMAGES, IMAGES[:1, :40]):
        outputs = dict(zip(names, session.run(None, {"image": images})))
        expect_equal(outputs, backbone, images)


def test_tensorflow_lite_computes_the_same(backbone, tmp_path):
    write("tflite", backbone, tmp_path / "backbone.tflite")
    interpreter = tf.lite.Interpreter(str(tmp_path / "backbone.tflite"))
    outputs = interpreter.get_signature_runner()(image=IMAGES[:1])
    expect_equal(outputs, backbone, IMAGES[:1])


@pytest.mark.parametrize("kind, package", [("keras", "keras"), ("safetensors", "safetensors")])
def test_weights_come_back_from_a_file_unchanged(backbone, tmp_path, kind, package):
    pytest.importorskip(package)
    path = str(tmp_path / f"backbone.{kind}")
    write(kind, backbone, path)
    target = randomized(seed=1)
    READERS[f".{kind}"](path, target)
    for ours, theirs in zip(backbone.weights, target.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_file_of_another_network_is_the_users_mistake(backbone, tmp_path):
    path = str(tmp_path / "backbone.keras")
    write("keras", backbone, path)
    with pytest.raises(
        UserError, match=r"backbone.keras has no weights of the right shape for 'stem/conv'"
    ):
        READERS[".keras"](path, ResNet(14, width=16))


def test_training_starts_from_a_file_and_says_so(backbone, tmp_path):
    path = str(tmp_path / "backbone.keras")
    write("keras", backbone, path)
    target = randomized(seed=1)
    assert load(path, target).startswith(f"{len(target.variables)} backbone variables from")
    np.testing.assert_array_equal(target.variables[0], backbone.variables[0])


@pytest.mark.parametrize("kind", ["keras", "safetensors"])
def test_a_file_says_what_its_weights_do_not_show(kind, tmp_path):
    pytest.importorskip(kind)
    path, conventions = tmp_path / f"backbone.{kind}", Conventions("v1.5", "caffe")
    write(kind, randomized(pixels="caffe"), path, conventions)
    load(path, randomized(pixels="caffe"), pixels="caffe")
    with pytest.raises(UserError, match="another network: add --config.model.pixels=caffe$"):
        load(path, randomized())


def test_a_run_says_what_its_weights_do_not_show(finished_run):
    with pytest.raises(UserError, match="another network: add --config.model.pixels=symmetric$"):
        load(finished_run, ResNet(10, width=8), pixels="imagenet")


@pytest.mark.parametrize("suffix", [".keras", ".safetensors", ".h5"])
def test_a_file_that_is_missing_or_damaged_is_one_line(suffix, backbone, tmp_path):
    if suffix == ".safetensors":
        pytest.importorskip("safetensors")
    with pytest.raises(UserError, match=f"--init=nowhere{suffix}: no such file"):
        load(f"nowhere{suffix}", backbone)
    damaged = tmp_path / f"damaged{suffix}"
    damaged.write_bytes(b"not what it says")
    with pytest.raises(UserError, match=f"damaged{suffix} cannot be read as weights: "):
        load(damaged, backbone)


def test_a_network_that_is_no_resnet_is_named(backbone, tmp_path):
    other = tf_keras.Sequential([tf_keras.layers.Dense(2, input_shape=(3,))])
    other.save_weights(tmp_path / "other.h5")
    with pytest.raises(UserError, match="other.h5 holds no ResNet of revisit.convert, keras-hub"):
        load(tmp_path / "other.h5", backbone)


def test_a_resnet_of_the_second_kind_does_not_fit(tmp_path):
    other = tf_keras.applications.ResNet50V2(include_top=False, weights=None)
    other.save_weights(tmp_path / "v2.h5")
    with pytest.raises(UserError, match="v2.h5 has no weights of the right shape for 'stem/norm'"):
        load(tmp_path / "v2.h5", ResNet(50, version="v1"))


def test_strides_in_the_first_convolution_fit_into_keras_and_no_library_of_v15(tmp_path):
    backbone, conventions = randomized(version="v1"), Conventions("v1", "symmetric")
    write("keras", backbone, tmp_path / "backbone.keras", conventions)
    load(tmp_path / "backbone.keras", randomized(version="v1", seed=1), version="v1")
    for kind in ("safetensors", "keras_hub"):
        with pytest.raises(UserError, match="config.model.version='v1', and the library's ResNets"):
            write(kind, backbone, tmp_path / "backbone", conventions)


@pytest.fixture(scope="module")
def applications():
    """keras.applications' ResNet-50, and its c5 of IMAGES after its own preprocessing."""
    network = randomize(tf_keras.applications.ResNet50(include_top=False, weights=None))
    pixels = tf_keras.applications.resnet.preprocess_input(PIXELS.copy())
    return network, network(pixels, training=False)


def save_as_weights(network, directory):
    network.save_weights(directory / "weights.h5")
    return directory / "weights.h5"


def save_as_network_of_keras_2(network, directory):
    network.save(directory / "network.h5")
    return directory / "network.h5"


def save_as_network_of_keras_3(network, directory):
    keras3 = importlib.import_module("keras")
    theirs = keras3.applications.ResNet50(weights=None)  # with its classifier
    for layer in network.layers:
        if layer.weights:
            theirs.get_layer(layer.name).set_weights(layer.get_weights())
    theirs.save(directory / "network.keras")
    return directory / "network.keras"


@pytest.mark.parametrize(
    "save", [save_as_weights, save_as_network_of_keras_2, save_as_network_of_keras_3]
)
def test_weights_of_keras_applications_compute_the_same_here(applications, save, tmp_path):
    network, expected = applications
    ours = ResNet(50, version="v1", pixels="caffe")
    load(save(network, tmp_path), ours, version="v1", pixels="caffe")
    np.testing.assert_allclose(
        ours(IMAGES, training=False)["c5"], expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max()
    )


def test_keras_applications_by_name_are_downloaded_or_one_line(applications, monkeypatch):
    monkeypatch.setattr(tf_keras.applications, "ResNet50", lambda include_top: applications[0])
    ours, init = ResNet(50, version="v1", pixels="caffe"), "keras.applications.ResNet50"
    assert load(init, ours, version="v1", pixels="caffe").startswith("265 backbone variables from")
    with pytest.raises(UserError, match="add --config.model.version=v1 --config.model.pixels=caff"):
        load(init, ResNet(50))

    def fail(include_top):
        raise Exception("URL fetch failure on https://storage")  # as get_file does

    monkeypatch.setattr(tf_keras.applications, "ResNet50", fail)
    with pytest.raises(UserError, match="could not be downloaded: URL fetch .* give a file, .h5"):
        load(init, ours)
    with pytest.raises(UserError, match="there are ResNet50, ResNet101, ResNet152"):
        load("keras.applications.VGG16", ours)


@pytest.mark.parametrize("depth", [14, 18])  # bottlenecks, basic blocks
def test_keras_hub_has_the_same_network_and_gives_it_back(depth, tmp_path):
    pytest.importorskip("keras_hub")
    keras3 = importlib.import_module("keras")
    backbone, path = randomized(depth, 64), str(tmp_path / "backbone.keras")
    write("keras_hub", backbone, path)
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


def test_weights_of_keras_hub_compute_the_same_here(tmp_path):
    keras_hub = pytest.importorskip("keras_hub")
    theirs = keras_hub.models.ResNetBackbone(
        [64], [7], [64, 128, 256, 512], [1, 1, 1, 1], [1, 2, 2, 2], "basic_block"
    )
    theirs.set_weights([np.abs(weight) + 0.01 for weight in theirs.get_weights()])
    theirs.save(tmp_path / "theirs.keras")
    # What its own presets' preprocessing does.
    mean, deviation = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
    expected = theirs.predict((PIXELS / 255 - mean) / deviation, verbose=0)
    ours = ResNet(10, pixels="imagenet")
    load(tmp_path / "theirs.keras", ours, pixels="imagenet")
    scale = np.abs(expected).max()
    found = ours(IMAGES, training=False)["c5"]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4 * scale)


def test_keras_hub_takes_no_other_stem(backbone, tmp_path):
    pytest.importorskip("keras_hub")
    with pytest.raises(UserError, match=r"the backbone has no weights of the right shape for"):
        write("keras_hub", backbone, tmp_path / "backbone.keras")


# Arguments: library, number of layers, directory. From there come ours.safetensors and pixels.npy;
# there go ours.npz (what the library computes with our weights), theirs.safetensors, theirs.npz.
TORCH = """
import json
import sys

import numpy as np
import safetensors.torch
import torch

library, depth, directory = sys.argv[1:]
torch.manual_seed(0)
if library == "timm":
    import timm

    model = timm.create_model(f"resnet{depth}", features_only=True, out_indices=(1, 2, 3, 4))
    model.default_cfg = timm.create_model(f"resnet{depth}").default_cfg
    mean, std = model.default_cfg["mean"], model.default_cfg["std"]
else:
    import torchvision

    whole = getattr(torchvision.models, f"resnet{depth}")()
    layers = {f"layer{stage}": f"c{stage + 1}" for stage in (1, 2, 3, 4)}
    model = torchvision.models._utils.IntermediateLayerGetter(whole, layers)
    weights = getattr(torchvision.models, f"ResNet{depth}_Weights").IMAGENET1K_V1
    preprocessing = weights.transforms()
    mean, std = preprocessing.mean, preprocessing.std
pixels = np.load(f"{directory}/pixels.npy").astype(np.float32)


def save_outputs(name, mean, std):
    images = ((pixels / 255 - mean) / std).transpose(0, 3, 1, 2).astype(np.float32)
    with torch.no_grad():
        found = model.eval()(torch.from_numpy(images))
    found = dict(zip(("c2", "c3", "c4", "c5"), found)) if isinstance(found, list) else found
    arrays = {level: value.numpy().transpose(0, 2, 3, 1) for level, value in found.items()}
    np.savez(f"{directory}/{name}.npz", **arrays)


for module in model.modules():
    if isinstance(module, torch.nn.BatchNorm2d):
        for value in (module.weight, module.bias, module.running_mean, module.running_var):
            torch.nn.init.uniform_(value, 0.2, 1.0)
safetensors.torch.save_file(model.state_dict(), f"{directory}/theirs.safetensors")
save_outputs("theirs", mean, std)

with safetensors.safe_open(f"{directory}/ours.safetensors", framework="pt") as file:
    state = {name: file.get_tensor(name) for name in file.keys()}
    metadata = file.metadata()
missing, unknown = model.load_state_dict(state, strict=False)
assert not unknown, unknown
assert all(name.endswith("num_batches_tracked") or name.startswith("fc.") for name in missing)
save_outputs("ours", json.loads(metadata["mean"]), json.loads(metadata["std"]))
"""


@pytest.mark.parametrize("library, depth", [("torchvision", 50), ("timm", 18)])
def test_torch_libraries_load_our_file_and_we_load_theirs(library, depth, tmp_path):
    pytest.importorskip("safetensors")
    python = os.environ.get("REVISIT_TORCH_PYTHON", sys.executable)
    if subprocess.run([python, "-c", f"import {library}"], capture_output=True).returncode:
        pytest.skip(f"needs {library}: set REVISIT_TORCH_PYTHON to a Python that has it")
    ours = randomized(depth, 64)
    write("safetensors", ours, tmp_path / "ours.safetensors")
    np.save(tmp_path / "pixels.npy", PIXELS)
    subprocess.run([python, "-c", TORCH, library, str(depth), tmp_path], check=True)
    expect_equal(dict(np.load(tmp_path / "ours.npz")), ours)
    started = ResNet(depth, pixels="imagenet")
    load(tmp_path / "theirs.safetensors", started, pixels="imagenet")
    expect_equal(dict(np.load(tmp_path / "theirs.npz")), started)
