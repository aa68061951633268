"""Backbones as files of other libraries: written for them, and read from them to start from.

| format      | what it holds                                       | needs         |
|-------------|-----------------------------------------------------|---------------|
| safetensors | weights by the names of torchvision and timm    | safetensors   |
| keras       | the network, for Keras 3                            |               |
| onnx        | the network                                         | tf2onnx, onnx |
| tflite      | the network, for one image of one size              |               |

The packages come with `pip install '.[convert]'`. The networks take what ours takes,
"image" [B, H, W, 3] float32 in [-1, 1], and give "c2" to "c5"; safetensors hold weights alone, and
torch's networks take [B, 3, H, W].
"""

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras as keras

from revisit.errors import UserError
from revisit.models.weights import from_torchvision, to_torchvision

# Our layer's class -> what its twin in Keras 3 is made with, of our layer's config.
_TWINS = {
    "Activation": ("activation",),
    "Add": (),
    "BatchNormalization": ("momentum", "epsilon"),
    "Conv2D": ("filters", "kernel_size", "strides", "padding", "dilation_rate", "use_bias"),
    "MaxPooling2D": ("pool_size", "strides", "padding"),
    "ReLU": (),
    "ZeroPadding2D": ("padding",),
}


def write_safetensors(backbone: keras.Model, path: str, image_size: int) -> None:
    """Weights by torchvision's names; timm's are the same."""
    tensors = {name: np.ascontiguousarray(v) for name, v in to_torchvision(backbone).items()}
    _package("safetensors.numpy").save_file(tensors, path)


def write_keras(backbone: keras.Model, path: str, image_size: int) -> None:
    """Keras 3's own file, which it loads without our code."""
    make_keras3(backbone).save(path)


def write_onnx(backbone: keras.Model, path: str, image_size: int) -> None:
    """Batch and image size are free."""
    signature = [tf.TensorSpec([None, None, None, 3], tf.float32, name="image")]

    def run(image: tf.Tensor) -> dict[str, tf.Tensor]:
        return backbone(image, training=False)

    _package("tf2onnx.convert").from_function(
        tf.function(run), input_signature=signature, opset=17, output_path=path
    )


def write_tflite(backbone: keras.Model, path: str, image_size: int) -> None:
    """One image at a time, of the size that it was trained with."""
    spec = tf.TensorSpec([1, image_size, image_size, 3], tf.float32, name="image")

    def run(image: tf.Tensor) -> dict[str, tf.Tensor]:
        return backbone(image, training=False)

    function = tf.function(run).get_concrete_function(spec)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function], backbone)
    with open(path, "wb") as file:
        file.write(converter.convert())


WRITERS: dict[str, Callable[[keras.Model, str, int], None]] = {
    "safetensors": write_safetensors,
    "keras": write_keras,
    "onnx": write_onnx,
    "tflite": write_tflite,
}


def make_keras3(backbone: keras.Model) -> Any:
    """The same network and weights, made of Keras 3's layers; "/" in names becomes "_"."""
    keras3 = _package("keras")
    made = {}
    for layer in backbone.layers:
        name, kind, config = layer.name.replace("/", "_"), type(layer).__name__, layer.get_config()
        if kind == "InputLayer":
            made[layer.output.name] = keras3.Input(layer.output.shape[1:], name=name)
            continue
        options = {option: config[option] for option in _TWINS[kind]}
        twin = getattr(keras3.layers, kind)(**options, name=name)
        inputs = tf.nest.map_structure(lambda tensor: made[tensor.name], layer.input)
        made[layer.output.name] = twin(inputs)
        twin.set_weights(layer.get_weights())
    outputs = {level: made[tensor.name] for level, tensor in backbone.output.items()}
    return keras3.Model(made[backbone.input.name], outputs, name="backbone")


def read_safetensors(path: str, backbone: keras.Model) -> None:
    """torchvision's or timm's ResNet."""
    from_torchvision(_package("safetensors.numpy").load_file(path), backbone)


def read_keras(path: str, backbone: keras.Model) -> None:
    """What `write_keras` wrote, trained on since or not."""
    layers = _package("keras").saving.load_model(path).layers
    given = {layer.name: layer.get_weights() for layer in layers}
    twins = {layer: given.get(layer.name.replace("/", "_"), []) for layer in backbone.layers}
    for layer, weights in twins.items():
        if [value.shape for value in weights] != [tuple(ours.shape) for ours in layer.weights]:
            raise UserError(
                f"{path} has no weights for {layer.name!r} of that shape: "
                "give the config.model that it was made with"
            )
    for layer, weights in twins.items():
        layer.set_weights(weights)


# By a file's suffix.
READERS: dict[str, Callable[[str, keras.Model], None]] = {
    ".safetensors": read_safetensors,
    ".keras": read_keras,
}


def _package(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise UserError(
            f"this format needs the package {name.split('.')[0]}: pip install '.[convert]'"
        ) from error
