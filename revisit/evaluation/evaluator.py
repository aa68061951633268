"""Scores every example of a split once, whatever the batch size and the number of replicas."""

from collections.abc import Callable, Iterable, Mapping

import numpy as np
import tensorflow as tf


def evaluate(
    strategy: tf.distribute.Strategy,
    measure: Callable[[Mapping[str, tf.Tensor]], dict[str, tf.Tensor]],
    batches: Iterable,
    update: Callable[[Mapping[str, np.ndarray]], None],
) -> None:
    """Runs the model over batches and hands rows to a metric.

    Args:
      strategy: under which the model was made.
      measure: batch -> rows, one an example, run on every replica.
      batches: of `eval_batches`, distributed by the strategy.
      update: takes rows as NumPy arrays, those of padding with "weight" 0.
    """

    @tf.function
    def step(batch: Mapping[str, tf.Tensor]) -> Mapping[str, tf.Tensor]:
        return strategy.run(measure, args=(batch,))

    for batch in batches:
        rows = step(batch)
        update({name: strategy.gather(row, axis=0).numpy() for name, row in rows.items()})
