"""Backbones as files of other libraries: written for them, and read from them to start from.

| format      | what it holds                                   | needs         |
|-------------|-------------------------------------------------|---------------|
| safetensors | weights by the names of torchvision and timm    | safetensors   |
| keras       | the network, for Keras 3                        |               |
| keras_hub   | the network, as keras-hub's own                 | keras-hub     |
| onnx        | the network                                     | tf2onnx, onnx |
| tflite      | the network, for one image of one size          |               |

The packages come with `pip install '.[convert]'`. The networks take what ours takes,
"image" [B, H, W, 3] float32 in [-1, 1], and give "c2" to "c5". Those of the other libraries
themselves, torchvision, timm ([B, 3, H, W]) and keras-hub, take pixels as config.model.pixels says:
mean and deviation stand in the safetensors file's metadata, the key of PIXELS in keras-hub's name.

Read are safetensors, keras, keras_hub, and keras.applications' ResNets as .keras or .h5. What the
weights don't show, where the strides are and what pixels the network takes, is the file's own word
if it has one, else its library's.
"""

import importlib
import json
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import h5py
import numpy as np
import tensorflow as tf
import tf_keras as keras

from revisit.errors import UserError
from revisit.models.resnet import PIXELS, Options
from revisit.models.weights import from_torchvision, to_torchvision


class Conventions(NamedTuple):
    """What a network's weights don't show: `config.model`'s fields of the same names."""

    version: str
    pixels: str


def conventions_of(model: Mapping[str, Any] = MappingProxyType({})) -> Conventions:
    """Of a `config.model`; a field that it lacks has its default."""
    return Conventions(
        *(model.get(field, Options._field_defaults[field]) for field in Conventions._fields)
    )


class Network(NamedTuple):
    """A backbone to be written.

    Attributes:
      backbone: what make_resnet made.
      conventions: of its options.
      image_size: side of the images that it was trained with, pixels.
    """

    backbone: keras.Model
    conventions: Conventions
    image_size: int


Weights = Mapping[str, list[np.ndarray]]  # by a layer's name, in the order of its weights

# Our layer's class -> what its twin in Keras 3 is made with, of our layer's config.
_TWINS = {
    "Activation": ("activation",),
    "Add": (),
    "BatchNormalization": ("momentum", "epsilon"),
    "Conv2D": ("filters", "kernel_size", "strides", "padding", "dilation_rate", "use_bias"),
    "MaxPooling2D": ("pool_size", "strides", "padding"),
    "ReLU": (),
    "Rescaling": ("scale", "offset"),
    "ZeroPadding2D": ("padding",),
}


def write_safetensors(network: Network, path: str) -> None:
    """Weights by torchvision's names; timm's are the same."""
    _require_strides_in_3x3(network)
    tensors = to_torchvision(network.backbone)
    pixels = PIXELS[network.conventions.pixels]
    metadata = {
        "pixels": network.conventions.pixels,
        "mean": json.dumps(pixels.mean),
        "std": json.dumps(pixels.deviation),
    }
    contiguous = {name: np.ascontiguousarray(value) for name, value in tensors.items()}
    _package("safetensors.numpy").save_file(contiguous, path, metadata)


def _save_keras(network: Any, path: str) -> None:
    if not path.endswith(".keras"):
        raise UserError(f"--out={path}: the name of a file of Keras ends in .keras")
    network.save(path)


def write_keras(network: Network, path: str) -> None:
    """Keras 3's own file, which it loads without our code."""
    _save_keras(make_keras3(network), path)


def write_onnx(network: Network, path: str) -> None:
    """Batch and image size are free."""
    spec = tf.TensorSpec([None, None, None, 3], tf.float32, name="image")
    _package("tf2onnx.convert").from_function(
        _inference(network), input_signature=[spec], opset=17, output_path=path
    )


def write_tflite(network: Network, path: str) -> None:
    """One image at a time, of the size that it was trained with."""
    size = network.image_size
    spec = tf.TensorSpec([1, size, size, 3], tf.float32, name="image")
    function = _inference(network).get_concrete_function(spec)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function], network.backbone)
    with open(path, "wb") as file:
        file.write(converter.convert())


def _inference(network: Network) -> Any:
    def run(image: tf.Tensor) -> dict[str, tf.Tensor]:
        return network.backbone(image, training=False)

    return tf.function(run)


def write_keras_hub(network: Network, path: str) -> None:
    """A ResNetBackbone of keras-hub, which always has the stem conv7 and the width 64."""
    _require_strides_in_3x3(network)
    layers = network.backbone.layers
    stages = Counter(layer.name.split("/")[0] for layer in layers if "/add" in layer.name)
    is_bottleneck = any(layer.name.endswith("conv3") for layer in layers)
    theirs = _package("keras_hub").models.ResNetBackbone(
        input_conv_filters=[64],
        input_conv_kernel_sizes=[7],
        stackwise_num_filters=[64 * 2**stage for stage in range(len(stages))],
        stackwise_num_blocks=list(stages.values()),
        stackwise_num_strides=[1] + [2] * (len(stages) - 1),
        block_type="bottleneck_block" if is_bottleneck else "basic_block",
        use_pre_activation=False,
        name=_network_name(network.conventions),
    )
    given = {keras_hub_name(layer.name): layer.get_weights() for layer in layers}
    _copy([(layer, given.get(layer.name, [])) for layer in theirs.layers], "the backbone")
    _save_keras(theirs, path)


def _require_strides_in_3x3(network: Network) -> None:
    if network.conventions.version != "v1.5":
        raise UserError(
            f"this backbone has config.model.version={network.conventions.version!r}, and the "
            "library's ResNets are v1.5: write it as keras, onnx or tflite"
        )


WRITERS: dict[str, Callable[[Network, str], None]] = {
    "safetensors": write_safetensors,
    "keras": write_keras,
    "keras_hub": write_keras_hub,
    "onnx": write_onnx,
    "tflite": write_tflite,
}


def _network_name(conventions: Conventions) -> str:
    return f"resnet_{conventions.version}_{conventions.pixels}"


def _named_conventions(network_name: str) -> Conventions | None:
    found = re.fullmatch(r"resnet_(v[^_]+)_(\w+)", network_name)
    return Conventions(*found.groups()) if found else None


_KERAS_KINDS = {"conv": "conv", "norm": "bn"}  # of layers, in keras-hub and keras.applications


def keras3_name(layer: str) -> str:
    """The name of a layer of ours in Keras 3, which allows no "/" in it."""
    return layer.replace("/", "_")


def keras_hub_name(layer: str) -> str:
    """Its name in keras-hub: "stage2/block1/conv3" -> "stack0_block0_3_conv"."""
    found = re.fullmatch(r"stage(\d)/block(\d+)/(?:shortcut_)?(conv|norm)(\d?)", layer)
    if found is None:
        return {"stem/conv": "conv1_conv", "stem/norm": "conv1_bn"}.get(layer, layer)
    stage, block, kind, number = found.groups()
    return f"stack{int(stage) - 2}_block{int(block) - 1}_{number or 0}_{_KERAS_KINDS[kind]}"


def applications_name(layer: str) -> str:
    """Its name in keras.applications: "stage2/block1/conv3" -> "conv2_block1_3_conv"."""

    def renumber(found: re.Match[str]) -> str:
        return f"conv{int(found[1]) + 2}_block{int(found[2]) + 1}"

    return re.sub(r"stack(\d+)_block(\d+)", renumber, keras_hub_name(layer))


def make_keras3(network: Network) -> Any:
    """The same network and weights, made of Keras 3's layers; names as in `keras3_name`."""
    keras3 = _package("keras")
    made: dict[str, Any] = {}  # by our layers' names

    def output(tensor: Any) -> Any:
        return made[tensor.node.layer.name]

    for layer in network.backbone.layers:
        name, kind, config = keras3_name(layer.name), type(layer).__name__, layer.get_config()
        if kind == "InputLayer":
            made[layer.name] = keras3.Input(layer.output.shape[1:], name=name)
            continue
        options = {option: config[option] for option in _TWINS[kind]}
        twin = getattr(keras3.layers, kind)(**options, name=name)
        made[layer.name] = twin(tf.nest.map_structure(output, layer.input))
        twin.set_weights(layer.get_weights())
    image, levels = tf.nest.map_structure(output, (network.backbone.input, network.backbone.output))
    return keras3.Model(image, levels, name=_network_name(network.conventions))


def _same(weights: Weights) -> Weights:
    return weights


APPLICATIONS_EPSILON = 1.001e-5  # of batch norms in keras.applications


def _from_applications(weights: Weights) -> Weights:
    """Without biases of convolutions, for red, green and blue in this order, with our epsilon.

    A batch norm takes the mean away: what a bias adds before it is a lower mean.
    """
    shift = APPLICATIONS_EPSILON - Options().batch_norm_epsilon
    adapted = {}
    for name, values in weights.items():
        convolution = name.removesuffix("bn") + "conv"
        if name.endswith("_conv"):
            adapted[name] = values[:1]
        elif name.endswith("_bn") and convolution in weights:
            gamma, beta, mean, variance = values
            bias = sum(weights[convolution][1:])  # ResNet50V2's have none, and fail in _copy
            adapted[name] = [gamma, beta, mean - bias, variance + shift]
    adapted["conv1_conv"] = [adapted["conv1_conv"][0][:, :, ::-1]]  # [7, 7, BGR, 64]
    return adapted


class Layout(NamedTuple):
    """How one library builds a ResNet of Keras' layers.

    Attributes:
      rename: name of our layer -> of the library's.
      adapt: the library's weights -> those that fit into our layers.
      conventions: of a network whose own name does not say them.
    """

    rename: Callable[[str], str]
    adapt: Callable[[Weights], Weights]
    conventions: Conventions


# By a layer that no other layout has.
LAYOUTS = {
    "stem_conv": Layout(keras3_name, _same, Conventions("v1.5", "symmetric")),
    "stack0_block0_1_conv": Layout(keras_hub_name, _same, Conventions("v1.5", "imagenet")),
    "conv2_block1_1_conv": Layout(
        applications_name, _from_applications, Conventions("v1", "caffe")
    ),
}


def _set_weights(
    backbone: keras.Model, weights: Weights, network_name: str, source: str
) -> Conventions:
    layouts = [layout for layer, layout in LAYOUTS.items() if layer in weights]
    if not layouts:
        raise UserError(
            f"{source} holds no ResNet of revisit.convert, keras-hub or keras.applications (v1)"
        )
    (layout,) = layouts
    adapted = layout.adapt(weights)
    pairs = [(layer, adapted.get(layout.rename(layer.name), [])) for layer in backbone.layers]
    _copy(pairs, source)
    return _named_conventions(network_name) or layout.conventions


def read_safetensors(path: str, backbone: keras.Model) -> Conventions:
    """torchvision's or timm's ResNet."""
    safetensors = _package("safetensors")
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            names = file.keys()
            state = {name: file.get_tensor(name) for name in names}
            metadata = file.metadata() or {}
    except safetensors.SafetensorError as error:
        raise _unreadable(path, error) from error
    from_torchvision(state, backbone)
    return Conventions("v1.5", metadata.get("pixels", "imagenet"))


def read_keras(path: str, backbone: keras.Model) -> Conventions:
    """A network of Keras 3 with one of the LAYOUTS."""
    try:
        network = _package("keras").saving.load_model(path, compile=False)
    except (OSError, TypeError, ValueError) as error:
        raise _unreadable(path, error) from error
    weights = {layer.name: layer.get_weights() for layer in network.layers}
    return _set_weights(backbone, weights, network.name, path)


def read_h5(path: str, backbone: keras.Model) -> Conventions:
    """Keras 2's file of a model or of its weights, as keras.applications downloads them."""
    try:
        with h5py.File(path) as file:
            group = file.get("model_weights", file)
            weights = {
                name: [group[name][weight][()] for weight in group[name].attrs["weight_names"]]
                for name in group.attrs["layer_names"]
            }
    except (OSError, KeyError) as error:
        raise _unreadable(path, error) from error
    return _set_weights(backbone, weights, "", path)


def read_applications(init: str, backbone: keras.Model) -> Conventions:
    """Weights of ImageNet by the name of their network, "keras.applications.ResNet50".

    Keras downloads them, once.
    """
    name = init.removeprefix(APPLICATIONS)
    if name not in APPLICATIONS_NETWORKS:
        raise UserError(f"--init={init}: there are {', '.join(APPLICATIONS_NETWORKS)}")
    try:
        network = getattr(keras.applications, name)(include_top=False)
    except Exception as error:  # so Keras calls whatever kept it from downloading
        raise UserError(
            f"--init={init} could not be downloaded: {error}; where there is no network, give a "
            "file, .h5 or .keras"
        ) from error
    weights = {layer.name: layer.get_weights() for layer in network.layers}
    return _set_weights(backbone, weights, "", init)


def _unreadable(path: str, error: Exception) -> UserError:
    reason = " ".join(str(error).split())[:200]
    return UserError(f"{path} cannot be read as weights: {reason}")


def _copy(pairs: Iterable[tuple[Any, list[np.ndarray]]], source: str) -> None:
    """Sets the weights of all layers, or raises UserError and sets none."""
    pairs = list(pairs)
    for layer, weights in pairs:
        if [value.shape for value in weights] != [tuple(ours.shape) for ours in layer.weights]:
            raise UserError(
                f"{source} has no weights of the right shape for {layer.name!r}: "
                "both networks must have the same depth, width and stem"
            )
    for layer, weights in pairs:
        layer.set_weights(weights)


Reader = Callable[[str, keras.Model], Conventions]

# By a file's suffix.
READERS: dict[str, Reader] = {
    ".safetensors": read_safetensors,
    ".keras": read_keras,
    ".h5": read_h5,
}
APPLICATIONS = "keras.applications."
APPLICATIONS_NETWORKS = ("ResNet50", "ResNet101", "ResNet152")


def find_reader(init: str) -> Reader | None:
    """What reads the weights of another library that --init names; None: it names none.

    Raises:
      UserError: there is no such file.
    """
    if init.startswith(APPLICATIONS):
        return read_applications
    reader = READERS.get(os.path.splitext(init)[1])
    if reader and not os.path.exists(init):
        raise UserError(f"--init={init}: no such file")
    return reader


def _package(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise UserError(
            f"this format needs the package {name.split('.')[0]}: pip install '.[convert]'"
        ) from error
