"""How an exported model stores its weights."""

from collections.abc import Callable

import tensorflow as tf
from tf_keras.src.mixed_precision import autocast_variable

from revisit.models.split_dense import SplitDense
from revisit.training.model import LoadedModel


def _keep(loaded: LoadedModel) -> None:
    """As they were trained."""


def _store_kernels_as_bfloat16(loaded: LoadedModel) -> None:
    """Half the size on disk and in memory; kernels have 8 instead of 24 significant bits.

    They are read in the type that each layer computes in. All else (biases, batch norm) stays as it
    is: it is small, and statistics suffer most from rounding.
    """
    for model in (loaded.backbone, loaded.head):
        for layer in model.submodules:
            if isinstance(layer, SplitDense):
                layer.replace_parts(_as_bfloat16)
            elif isinstance(getattr(layer, "kernel", None), tf.Variable):
                layer.kernel = _as_bfloat16(layer.kernel)


def _as_bfloat16(kernel: tf.Variable) -> tf.Variable:
    stored = tf.Variable(tf.cast(kernel, tf.bfloat16), name=kernel.name.split(":")[0])
    # Keras' own variable of mixed precision, the other way round: few bits are stored.
    return autocast_variable.create_autocast_variable(stored)


WEIGHTS_DTYPES: dict[str, Callable[[LoadedModel], None]] = {
    "float32": _keep,
    "bfloat16": _store_kernels_as_bfloat16,
}
