"""Backbones as files of other libraries: written for them, and read from them to start from.

| format      | what it holds                                       | needs         |
|-------------|-----------------------------------------------------|---------------|
| safetensors | weights by the names of torchvision and timm    | safetensors   |
| keras       | the network, for Keras 3                            |               |
| keras_hub   | the network, as keras-hub's own                     | keras-hub     |
| onnx        | the network                                         | tf2onnx, onnx |
| tflite      | the network, for one image of one size              |               |

The packages come with `pip install '.[convert]'`. The networks take what ours takes,
"image" [B, H, W, 3] float32 in [-1, 1], and give "c2" to "c5"; safetensors hold weights alone, and
torch's networks take [B, 3, H, W].
"""

import importlib
import re
from collections import Counter
from collections.abc import Callable, Iterable
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


def _save_keras(network: Any, path: str) -> None:
    if not path.endswith(".keras"):
        raise UserError(f"--out={path}: the name of a file of Keras ends in .keras")
    network.save(path)


def write_keras(backbone: keras.Model, path: str, image_size: int) -> None:
    """Keras 3's own file, which it loads without our code."""
    _save_keras(make_keras3(backbone), path)


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


def write_keras_hub(backbone: keras.Model, path: str, image_size: int) -> None:
    """A ResNetBackbone of keras-hub, which always has the stem conv7 and the width 64."""
    stages = Counter(layer.name.split("/")[0] for layer in backbone.layers if "/add" in layer.name)
    is_bottleneck = any(layer.name.endswith("conv3") for layer in backbone.layers)
    network = _package("keras_hub").models.ResNetBackbone(
        input_conv_filters=[64],
        input_conv_kernel_sizes=[7],
        stackwise_num_filters=[64 * 2**stage for stage in range(len(stages))],
        stackwise_num_blocks=list(stages.values()),
        stackwise_num_strides=[1] + [2] * (len(stages) - 1),
        block_type="bottleneck_block" if is_bottleneck else "basic_block",
        use_pre_activation=False,
    )
    given = {keras_hub_name(layer.name): layer.get_weights() for layer in backbone.layers}
    _copy([(layer, given.get(layer.name, [])) for layer in network.layers], "the backbone")
    _save_keras(network, path)


WRITERS: dict[str, Callable[[keras.Model, str, int], None]] = {
    "safetensors": write_safetensors,
    "keras": write_keras,
    "keras_hub": write_keras_hub,
    "onnx": write_onnx,
    "tflite": write_tflite,
}


def keras3_name(layer: str) -> str:
    """The name of a layer of ours in Keras 3, which allows no "/" in it."""
    return layer.replace("/", "_")


def keras_hub_name(layer: str) -> str:
    """Its name in keras-hub: "stage2/block1/conv3" -> "stack0_block0_3_conv"."""
    found = re.fullmatch(r"stage(\d)/block(\d+)/(?:shortcut_)?(conv|norm)(\d?)", layer)
    if found is None:
        return {"stem/conv": "conv1_conv", "stem/norm": "conv1_bn"}.get(layer, layer)
    stage, block, kind, number = found.groups()
    kind = {"conv": "conv", "norm": "bn"}[kind]
    return f"stack{int(stage) - 2}_block{int(block) - 1}_{number or 0}_{kind}"


def make_keras3(backbone: keras.Model) -> Any:
    """The same network and weights, made of Keras 3's layers; names as in `keras3_name`."""
    keras3 = _package("keras")
    made: dict[str, Any] = {}  # by our layers' names

    def output(tensor: Any) -> Any:
        return made[tensor.node.layer.name]

    for layer in backbone.layers:
        name, kind, config = keras3_name(layer.name), type(layer).__name__, layer.get_config()
        if kind == "InputLayer":
            made[layer.name] = keras3.Input(layer.output.shape[1:], name=name)
            continue
        options = {option: config[option] for option in _TWINS[kind]}
        twin = getattr(keras3.layers, kind)(**options, name=name)
        made[layer.name] = twin(tf.nest.map_structure(output, layer.input))
        twin.set_weights(layer.get_weights())
    outputs = tf.nest.map_structure(output, backbone.output)
    return keras3.Model(output(backbone.input), outputs, name="backbone")


def read_safetensors(path: str, backbone: keras.Model) -> None:
    """torchvision's or timm's ResNet."""
    from_torchvision(_package("safetensors.numpy").load_file(path), backbone)


def read_keras(path: str, backbone: keras.Model) -> None:
    """What `write_keras` or `write_keras_hub` wrote, or any ResNetBackbone of keras-hub."""
    layers = _package("keras").saving.load_model(path).layers
    given = {layer.name: layer.get_weights() for layer in layers}
    name = keras_hub_name if "conv1_conv" in given else keras3_name
    _copy([(layer, given.get(name(layer.name), [])) for layer in backbone.layers], path)


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
