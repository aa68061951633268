"""Files of other libraries that hold backbones: what is common to writing and to reading them.

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

revisit.models.writers has a writer for each; revisit.models.readers says what can be read.
"""

import importlib
import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from revisit.errors import UserError
from revisit.models.resnet import Options


class Conventions(NamedTuple):
    """What a network's weights don't show: `config.model`'s fields of the same names."""

    version: str
    pixels: str


def conventions_of(model: Mapping[str, Any] = MappingProxyType({})) -> Conventions:
    """Of a `config.model`; a field that it lacks has its default."""
    return Conventions(
        *(model.get(field, Options._field_defaults[field]) for field in Conventions._fields)
    )


def network_name(conventions: Conventions) -> str:
    """What a network that is written is called, so that its file says its conventions."""
    return f"resnet_{conventions.version}_{conventions.pixels}"


def named_conventions(network_name: str) -> Conventions | None:
    """The inverse of `network_name`; None of a name that is no such."""
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


def copy_weights(pairs: Iterable[tuple[Any, list[np.ndarray]]], source: str) -> None:
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


def require_package(name: str) -> Any:
    """Imports a module of a package that may be missing; a UserError says how to install it."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise UserError(
            f"this format needs the package {name.split('.')[0]}: pip install '.[convert]'"
        ) from error
