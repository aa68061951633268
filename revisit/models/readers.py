"""Reads weights of other libraries into backbones: what --init may name beside our own.

Safetensors of torchvision and timm, .keras of revisit.convert and keras-hub, and the ResNets of
keras.applications as .keras, .h5 or by name. What the weights don't show, where the strides are and
what pixels the network takes, is the file's own word if it has one, else its library's.
"""

import os
from collections.abc import Callable, Mapping
from typing import NamedTuple

import h5py
import numpy as np
import tf_keras as keras

from revisit.errors import UserError
from revisit.models.formats import (
    Conventions,
    applications_name,
    copy_weights,
    keras3_name,
    keras_hub_name,
    named_conventions,
    require_package,
)
from revisit.models.resnet import Options
from revisit.models.weights import from_torchvision

Weights = Mapping[str, list[np.ndarray]]  # by a layer's name, in the order of its weights


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
            bias = sum(weights[convolution][1:])  # ResNet50V2's have none, and fail in copy_weights
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
    copy_weights(pairs, source)
    return named_conventions(network_name) or layout.conventions


def read_safetensors(path: str, backbone: keras.Model) -> Conventions:
    """torchvision's or timm's ResNet."""
    safetensors = require_package("safetensors")
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
        network = require_package("keras").saving.load_model(path, compile=False)
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
