"""Writes backbones as files of other libraries; revisit.models.formats says what each holds."""

import json
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
import tf_keras as keras

from revisit.errors import UserError
from revisit.models.formats import (
    Conventions,
    copy_weights,
    keras3_name,
    keras_hub_name,
    network_name,
    require_package,
)
from revisit.models.resnet import PIXELS
from revisit.models.weights import to_torchvision


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
    require_package("safetensors.numpy").save_file(contiguous, path, metadata)


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
    require_package("tf2onnx.convert").from_function(
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
    theirs = require_package("keras_hub").models.ResNetBackbone(
        input_conv_filters=[64],
        input_conv_kernel_sizes=[7],
        stackwise_num_filters=[64 * 2**stage for stage in range(len(stages))],
        stackwise_num_blocks=list(stages.values()),
        stackwise_num_strides=[1] + [2] * (len(stages) - 1),
        block_type="bottleneck_block" if is_bottleneck else "basic_block",
        use_pre_activation=False,
        name=network_name(network.conventions),
    )
    given = {keras_hub_name(layer.name): layer.get_weights() for layer in layers}
    copy_weights([(layer, given.get(layer.name, [])) for layer in theirs.layers], "the backbone")
    _save_keras(theirs, path)


def _require_strides_in_3x3(network: Network) -> None:
    if network.conventions.version != "v1.5":
        raise UserError(
            f"this backbone has config.model.version={network.conventions.version!r}, and the "
            "library's ResNets are v1.5: write it as keras, onnx or tflite"
        )


def make_keras3(network: Network) -> Any:
    """The same network and weights, made of Keras 3's layers; names as in `keras3_name`."""
    keras3 = require_package("keras")
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
    return keras3.Model(image, levels, name=network_name(network.conventions))


WRITERS: dict[str, Callable[[Network, str], None]] = {
    "safetensors": write_safetensors,
    "keras": write_keras,
    "keras_hub": write_keras_hub,
    "onnx": write_onnx,
    "tflite": write_tflite,
}
