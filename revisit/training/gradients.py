"""Gradients in less memory: of a batch in parts, and with activations that are computed again."""

import contextlib
import itertools
import re
from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias

import tensorflow as tf
import tf_keras as keras

# A batch -> a scalar loss, and its gradients
Gradients: TypeAlias = Callable[[dict], tuple[tf.Tensor, list[tf.Tensor]]]

BLOCK_END = r"stage\d+/block\d+/relu"  # layer after which a residual block's output is whole


def in_parts(gradients: Gradients, num_parts: int, variables: Iterable[tf.Variable]) -> Gradients:
    """The sum of the losses and gradients of a batch's parts, one after the other.

    Batch norm sees a part at a time: its statistics are those of parts.

    Args:
      gradients: of a part.
      num_parts: by which the size of the batch can be divided.
      variables: of which the gradients are.
    """
    zeros = [tf.zeros([]), *(tf.zeros(variable.shape) for variable in variables)]

    def summed(batch: dict) -> tuple[tf.Tensor, list[tf.Tensor]]:
        parts = {name: tf.stack(tf.split(value, num_parts)) for name, value in batch.items()}

        def add(index: tf.Tensor, sums: list[tf.Tensor]) -> tuple[tf.Tensor, list[tf.Tensor]]:
            loss, grads = gradients({name: value[index] for name, value in parts.items()})
            return index + 1, [a + b for a, b in zip(sums, [loss, *grads], strict=True)]

        _, sums = tf.while_loop(
            lambda index, sums: index < num_parts, add, (0, zeros), parallel_iterations=1
        )
        return sums[0], sums[1:]

    return summed


@contextlib.contextmanager
def _statistics_kept(block: keras.Model) -> Iterator[None]:
    """Inside, batch norms normalize as they do, and their moving statistics stay."""
    norms = [each for each in block.layers if isinstance(each, keras.layers.BatchNormalization)]
    kept = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 1.0
    try:
        yield
    finally:
        for norm, momentum in zip(norms, kept, strict=True):
            norm.momentum = momentum


def _recomputed(block: keras.Model) -> Callable[[tf.Tensor], tf.Tensor]:
    """The block in training, of which only the input is kept for the way back."""
    calls = itertools.count()

    def run(x: tf.Tensor) -> tf.Tensor:
        # Looked at before: called again by recompute_grad, for the way back.
        seen = next(calls) > 0
        with _statistics_kept(block) if seen else contextlib.nullcontext():
            return block(x, training=True)

    return tf.recompute_grad(run)


def make_recomputed_pyramid(
    backbone: keras.Model, levels: Iterable[str]
) -> Callable[[tf.Tensor], dict[str, tf.Tensor]]:
    """What a backbone gives in training, in the memory of one residual block (Chen et al. 2016).

    Each block is computed twice, in the forward and in the backward pass.

    Args:
      backbone: of `make_resnet`.
      levels: of the pyramid, that are wanted; what lies beyond them is not computed.

    Returns:
      Image [B, H, W, 3] -> level -> features, as the backbone itself gives them.
    """
    wanted = {id(backbone.get_layer(level).input): level for level in levels}
    ends = [each.output for each in backbone.layers if re.fullmatch(BLOCK_END, each.name)]
    blocks = [keras.Model(*pair) for pair in itertools.pairwise([backbone.input, *ends])]

    def pyramid(image: tf.Tensor) -> dict[str, tf.Tensor]:
        found: dict[str, tf.Tensor] = {}
        x = image
        for block, end in zip(blocks, ends, strict=True):
            if len(found) == len(wanted):
                break
            x = _recomputed(block)(x)
            if id(end) in wanted:
                found[wanted[id(end)]] = tf.cast(x, tf.float32)
        return found

    return pyramid
