"""Backbone weights to and from torch state dicts with torchvision's names, which timm shares.

    state = {name: tensor.numpy() for name, tensor in torch_model.state_dict().items()}
    from_torchvision(state, backbone)

Torch lies on neither side of this module: weights pass as NumPy arrays.
"""

import re
from collections.abc import Iterator, Mapping

import numpy as np
import tensorflow as tf
import tf_keras as keras

from revisit.errors import UserError

# Our weight of a layer -> torch's. A kernel is [H, W, in, out] here and [out, in, H, W] there.
_WEIGHTS = {
    "kernel": "weight",
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}
_LAYERS = {
    "conv": "conv1",
    "norm": "bn1",
    "shortcut_conv": "downsample.0",
    "shortcut_norm": "downsample.1",
}
# Not of the backbone, or of no use outside of torch: the classifier and the count of batches.
_IGNORED = re.compile(r"fc\..*|.*\.num_batches_tracked")


def from_torchvision(state: Mapping[str, np.ndarray], backbone: keras.Model) -> None:
    """Sets all weights of a backbone, batch-norm statistics included, from a torch state dict.

    Args:
      state: arrays by torchvision's names ("layer1.0.conv1.weight"); the classifier's are ignored.
      backbone: what make_resnet made, with the same depth and width and the stem "conv7".

    Raises:
      UserError: a weight is missing, has no place in the backbone, or has another shape there.
    """
    variables = dict(_named_weights(backbone))
    given = {name for name in state if not _IGNORED.fullmatch(name)}
    _require_none(variables.keys() - given, "the state dict lacks")
    _require_none(given - variables.keys(), "the backbone has no place for")
    for name, variable in variables.items():
        value = _from_torch_layout(np.asarray(state[name]))
        if value.shape != tuple(variable.shape):
            raise UserError(
                f"weight {name!r} has shape {np.shape(state[name])}, which the backbone's "
                f"{variable.name!r} of shape {tuple(variable.shape)} cannot take: "
                "make the backbone with the depth, width and stem of the weights"
            )
        variable.assign(value)


def to_torchvision(backbone: keras.Model) -> dict[str, np.ndarray]:
    """All weights of a backbone by torchvision's names and in torch's layout, float32.

    For `load_state_dict(..., strict=False)`: the classifier and num_batches_tracked are absent.
    """
    return {name: _to_torch_layout(variable.numpy()) for name, variable in _named_weights(backbone)}


def torchvision_name(weight: str) -> str:
    """Torch's name of a weight: "stage2/block1/norm3/gamma:0" -> "layer1.0.bn3.weight"."""
    *place, layer, kind = weight.removesuffix(":0").split("/")
    layer = _LAYERS.get(layer, layer.replace("norm", "bn"))
    if place == ["stem"]:
        return f"{layer}.{_WEIGHTS[kind]}"
    stage, block = (int(re.sub(r"\D", "", part)) for part in place)
    return f"layer{stage - 1}.{block - 1}.{layer}.{_WEIGHTS[kind]}"


def _named_weights(backbone: keras.Model) -> Iterator[tuple[str, tf.Variable]]:
    for layer in backbone.layers:
        for variable in layer.weights:
            yield torchvision_name(f"{layer.name}/{variable.name.rsplit('/', 1)[-1]}"), variable


def _require_none(names: set[str], complaint: str) -> None:
    if names:
        raise UserError(
            f"{complaint} {len(names)} weights, the first of them {min(names)!r}: "
            "make the backbone with the depth, width and stem of the weights"
        )


def _from_torch_layout(value: np.ndarray) -> np.ndarray:
    return value.transpose(2, 3, 1, 0) if value.ndim == 4 else value


def _to_torch_layout(value: np.ndarray) -> np.ndarray:
    return value.transpose(3, 2, 0, 1) if value.ndim == 4 else value
