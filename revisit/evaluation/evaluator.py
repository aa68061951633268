"""Scores every example of a split once, whatever the batch size and the number of replicas."""

from collections.abc import Callable, Iterable, Mapping

import numpy as np
import tensorflow as tf


def _as_numbers(row: tf.Tensor) -> tuple[tf.Tensor, ...]:
    """Strings [B] -> bytes [B, longest on any replica] int32 and lengths [B]; numbers as they are.

    Strings can't be sent from one machine to another, nor can bytes.
    """
    if row.dtype != tf.string:
        return (row,)
    lengths = tf.strings.length(row)
    everywhere = tf.distribute.get_replica_context().all_gather(lengths, axis=0)
    codes = tf.io.decode_raw(row, tf.uint8, fixed_length=tf.reduce_max(everywhere))
    return tf.cast(codes, tf.int32), lengths


def _as_rows(parts: tuple[tf.Tensor, ...]) -> np.ndarray:
    """The inverse, as an array of numbers or of `bytes`."""
    arrays = [part.numpy() for part in parts]
    if len(arrays) == 1:
        return arrays[0]
    codes, lengths = arrays
    rows = [line[:length].tobytes() for line, length in zip(codes.astype(np.uint8), lengths)]
    return np.array(rows, object)


def evaluate(
    strategy: tf.distribute.Strategy,
    measure: Callable[[Mapping[str, tf.Tensor]], dict[str, tf.Tensor]],
    batches: Iterable,
    update: Callable[[dict[str, np.ndarray]], None],
) -> None:
    """Runs the model over batches and hands rows to a metric.

    Args:
      strategy: under which the model was made.
      measure: batch -> rows, one an example, run on every replica.
      batches: of `eval_batches`, distributed by the strategy.
      update: takes rows as NumPy arrays, strings as `bytes`; padding has "weight" 0.
    """

    def replica_step(batch: Mapping[str, tf.Tensor]) -> dict[str, tuple[tf.Tensor, ...]]:
        return {name: _as_numbers(row) for name, row in measure(batch).items()}

    @tf.function
    def step(batch: Mapping[str, tf.Tensor]) -> Mapping[str, tuple[tf.Tensor, ...]]:
        rows = strategy.run(replica_step, args=(batch,))
        return {
            name: tuple(strategy.gather(part, axis=0) for part in parts)
            for name, parts in rows.items()
        }

    for batch in batches:
        update({name: _as_rows(parts) for name, parts in step(batch).items()})
