"""What a task is: the functions that the training loop, evaluation and export call, and no more."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np
import tensorflow as tf
import tf_keras as keras

from revisit.data.input import Cached, Prepare

# "image" [B, H, W, 3] float32 in [-1, 1], "weight" [B] float32 (1 real, 0 padding), "id" [B]
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

    def results(self) -> dict[str, str | bytes]:
        """Predictions in the benchmark's own format, for its official tools: path -> content."""


def is_range(values: Sequence[float]) -> bool:
    """Whether a config's field holds the least and the largest value of something above 0."""
    return len(values) == 2 and 0 < values[0] <= values[1]


def look_once(run: Callable[[Batch], Outputs], batch: Batch) -> Outputs:
    """The `predict` of a task that looks at an image as it is."""
    return run(batch)


class Task(NamedTuple):
    """A row of TASKS, made for one config and data set.

    Attributes:
      prepare: (serialized records [B], training, seeds [B, 2]) -> a batch, its "image"
        [B, H, W, 3] uint8; `each_example` of revisit.data.input makes it of a function of one.
      make_head: backbone -> a model to the outputs; its `input_names` are levels of the backbone's
        pyramid and, of a head that looks at more than pixels, fields of the batch.
      loss: (outputs, batch) -> [B] float32, one value an example.
      measure: (outputs, batch) -> one row an example, all that the metric needs.
      make_metric: () -> an empty Metric.
      draw: (batch, outputs or None) -> pictures of some examples with their targets and, beside
        them, what is predicted, [N, H, W, 3] uint8.
      serve: (outputs, batch) -> the caller's terms: tensors by name, batch first.
      eval_example: scalar string of encoded bytes -> the fields of a batch that evaluation and
        serving share, of one example: "image" [H, W, 3] uint8, and where it came from.
      image_size: height and width of "image", pixels.
      predict: (run, batch) -> outputs of evaluation and serving; `run` is the model, and a task may
        run it on several views of the batch's images.
      cached: how to prepare images that were decoded before; None where that isn't the same.
      box_example: (encoded bytes, boxes [P, 4] in pixels) -> as `eval_example`, of each box; None
        for a task that looks at whole images. A box without area is none.
    """

    prepare: Prepare
    make_head: Callable[[keras.Model], keras.Model]
    loss: Callable[[Outputs, Batch], tf.Tensor]
    measure: Callable[[Outputs, Batch], dict[str, tf.Tensor]]
    make_metric: Callable[[], Metric]
    draw: Callable[[Batch, Outputs | None], np.ndarray]
    serve: Callable[[Outputs, Batch], dict[str, tf.Tensor]]
    eval_example: Callable[[tf.Tensor], dict[str, tf.Tensor]]
    image_size: tuple[int, int]
    predict: Callable[[Callable[[Batch], Outputs], Batch], Outputs] = look_once
    cached: Cached | None = None
    box_example: Callable[[tf.Tensor, tf.Tensor], dict[str, tf.Tensor]] | None = None
