"""The training loop against what it could be: images/s of our step.

    python -m benchmarks.train_step

* fed by the input pipeline, against the same step on one batch that stays in memory (goal 0.95):
  with images that were decoded before the first batch (which the time leaves out), and with images
  that are read and decoded for every batch, as where they do not fit into memory;
* fed by the input pipeline, against `model.fit` of tf_keras on the same model, batches, loss and
  augmentation (goal 1.0).
"""

import functools
import tempfile
from collections.abc import Iterator
from itertools import repeat
from typing import Any

import tensorflow as tf
import tf_keras as keras

from benchmarks import table
from configs import demo
from data_prep.builder import BuildOptions, build
from data_prep.pipeline import PlanOptions
from data_prep.sources.source import SourceOptions
from revisit.data import input as data_input
from revisit.training import loop, optimizers
from revisit.training.model import forward
from revisit.training.modes import resolve
from revisit.training.strategies import make_strategy

NUM_IMAGES = 2000
STEPS = 30  # in each measurement; they alternate


def build_microworld(directory: str, num_images: int) -> None:
    """Drawings to train on."""
    source = SourceOptions(seed=0, num_images=num_images, world="pretrain")
    build(BuildOptions("microworld", source, directory, PlanOptions(), 0.0, None), {})


def make_plan(directory: str, strategy: str) -> loop.Plan:
    """The demo's pretraining on a data set, not deterministic."""
    config = demo.get_config()
    config.data.dir = directory
    config.train.deterministic = False  # as model.fit runs
    config.data.cache_bytes = 2**30
    return loop.make_plan(resolve(config, "pretrain"), "pretrain", make_strategy(strategy))


def _numbers_alone(plan: loop.Plan) -> tf.data.Dataset:
    """The same input without ids, which model.fit can't take."""
    batch_size, stream = plan.config.train.batch_size, data_input.Stream(seed=0)
    batches = data_input.train_batches(plan.shards, plan.task.prepare, batch_size, stream)
    return batches.map(lambda b: {k: v for k, v in b.items() if v.dtype != tf.string})


class Wrapped(keras.Model):
    """Our model and loss as model.fit takes them."""

    def __init__(self, plan: loop.Plan, state: loop.State) -> None:
        super().__init__()
        self._plan = plan
        self._backbone, self._head = state.backbone, state.head

    def call(self, batch: dict, training: bool = False) -> tf.Tensor:
        """The logits; adds the loss, with the decay of weights."""
        outputs = forward(self._backbone, self._head, batch, training, training)
        self.add_loss(tf.reduce_mean(self._plan.task.loss(outputs, batch)))
        rate = self._plan.config.optimizer.weight_decay
        self.add_loss(optimizers.weight_decay_loss(self.trainable_variables, rate))
        return outputs["logits"]


def main() -> None:
    """Prints three rows of ratios."""
    with tempfile.TemporaryDirectory() as directory:
        build_microworld(directory, NUM_IMAGES)
        plan = make_plan(directory, "one_device")
        with plan.strategy.distribution.scope():
            state, other = (loop.make_state(plan, directory) for _ in range(2))
            fitted = Wrapped(plan, other)
            fitted.compile(optimizer=other.optimizer)
        step = loop.make_train_step(plan, state)
        stream = loop.train_iterator(plan, 0)
        config = plan.config.copy_and_resolve_references()
        config.data.cache_bytes = 0
        from_disk = loop.train_iterator(plan._replace(config=config), 0)
        batch = next(stream)
        endless = _numbers_alone(plan)

        def run(batches: Iterator[Any]) -> None:
            for _ in range(STEPS):
                loss = step(next(batches), tf.constant(0.0))
            loss.numpy()

        def keras_fit() -> None:
            fitted.fit(endless, steps_per_epoch=STEPS, verbose=0)

        runs = [functools.partial(run, each) for each in (stream, from_disk, repeat(batch))]
        seconds = table.median_seconds([*runs, keras_fit], repeats=9)
    images = STEPS * plan.config.train.batch_size
    ours, undecoded, one_batch, fit = (images / each for each in seconds)
    table.header("Training step, images/s")
    table.row("decoded input, against one batch", *_shown(ours, one_batch), ">= 0.95")
    table.row("input from disk, against one batch", *_shown(undecoded, one_batch), "")
    table.row("input from disk, against model.fit", *_shown(undecoded, fit), ">= 1.0")


def _shown(rate: float, reference: float) -> tuple[str, str, float]:
    return f"{rate:,.0f}", f"{reference:,.0f}", rate / reference


if __name__ == "__main__":
    main()
