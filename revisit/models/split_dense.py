"""A dense layer whose kernel is several variables, so that parameter servers can share it.

The paper cut the layer of 18,291 classes into 50 parts over 17 servers.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras as keras


def _part(index: int) -> str:
    return f"part_{index}"


class SplitDense(keras.layers.Layer):
    """logits = concatenate(x @ part for the parts of the kernel) + bias: [B, F] -> [B, units].

    The parts are blocks of columns, "kernel/part_0" [F, ~units / num_parts] and on. Together they
    start as the kernel of a keras Dense layer of the same seed would; checkpoints hold them as that
    kernel (training.checkpoint.Joined).
    """

    def __init__(
        self,
        units: int,
        num_parts: int,
        kernel_initializer: keras.initializers.Initializer,
        bias_initializer: keras.initializers.Initializer,
        **arguments: Any,
    ) -> None:
        """Args:
        units: classes. num_parts: variables that the kernel is split into. kernel_initializer,
        bias_initializer: of the whole. **arguments: name and dtype.
        """
        super().__init__(**arguments)
        self.units = units
        self.num_parts = num_parts
        self._kernel_initializer = kernel_initializer
        self._bias_initializer = bias_initializer

    def build(self, input_shape: tf.TensorShape) -> None:
        """Makes the parts, of widths that differ by one at most, and the bias."""
        whole = self._kernel_initializer((input_shape[-1], self.units), tf.float32)
        widths = [len(part) for part in np.array_split(range(self.units), self.num_parts)]
        for i, value in enumerate(tf.split(whole, widths, axis=1)):
            name = f"kernel/part_{i}" if self.num_parts > 1 else "kernel"
            setattr(self, _part(i), self._add_part(name, value))
        self.bias = self.add_weight("bias", (self.units,), initializer=self._bias_initializer)

    def _add_part(self, name: str, value: tf.Tensor) -> tf.Variable:
        return self.add_weight(name, value.shape, initializer=lambda *_, **__: value)

    @property
    def parts(self) -> list[tf.Variable]:
        """The blocks of columns, from left to right."""
        return [getattr(self, _part(i)) for i in range(self.num_parts)]

    def replace_parts(self, make: Callable[[tf.Variable], tf.Variable]) -> None:
        """Puts in the place of each part what `make` makes of it."""
        for i, part in enumerate(self.parts):
            setattr(self, _part(i), make(part))

    @property
    def kernel(self) -> tf.Tensor:
        """The whole, [F, units]."""
        return tf.concat([part.read_value() for part in self.parts], axis=1)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """[B, F] -> [B, units]."""
        return tf.concat([inputs @ part for part in self.parts], axis=1) + self.bias
