"""What a task is: the functions that the training loop, evaluation and export call, and no more."""

from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol

import numpy as np
import tensorflow as tf
import tf_keras as keras

from revisit.data.input import Prepare

# "image" [B, S, S, 3] float32 in [-1, 1], "weight" [B] float32 (1 real, 0 padding), "id" [B]
# string, and the task's targets.
Batch = Mapping[str, tf.Tensor]
Outputs = Mapping[str, tf.Tensor]
Rows = Mapping[str, np.ndarray]


class Metric(Protocol):
    """A number of figures over a split, from rows that come in any portions."""

    def update(self, rows: Rows) -> None:
        """Takes the rows of some examples; those of weight 0 count nothing."""

    def result(self) -> dict[str, float]:
        """The figures, by name."""

    def tables(self) -> dict[str, list[dict]]:
        """Tables for people, as per-class figures: file name -> rows of columns."""


class Task(NamedTuple):
    """A row of TASKS, made for one config and data set.

    Attributes:
      prepare: (serialized records [B], training, seeds [B, 2]) -> a batch, its "image"
        [B, S, S, 3] uint8; `each_example` of revisit.data.input makes it of a function of one.
      make_head: backbone -> a model from the backbone's pyramid to the outputs.
      loss: (outputs, batch) -> [B] float32, one value an example.
      measure: (outputs, batch) -> one row an example, all that the metric needs.
      make_metric: () -> an empty Metric.
      draw: (batch) -> pictures of some examples with their targets, [N, H, W, 3] uint8.
      serve: outputs -> the caller's terms: tensors by name, batch first.
      eval_image: scalar string of encoded bytes -> [S, S, 3] uint8, as evaluation sees it.
    """

    prepare: Prepare
    make_head: Callable[[keras.Model], keras.Model]
    loss: Callable[[Outputs, Batch], tf.Tensor]
    measure: Callable[[Outputs, Batch], dict[str, tf.Tensor]]
    make_metric: Callable[[], Metric]
    draw: Callable[[Batch], np.ndarray]
    serve: Callable[[Outputs], dict[str, tf.Tensor]]
    eval_image: Callable[[tf.Tensor], tf.Tensor]
