"""The training loop against what it could be: images/s of our step.

    python -m benchmarks.train_step

* fed by the input pipeline, against the same step on one batch that stays in memory (goal 0.95):
  with images that were decoded before the first batch (which the time leaves out), and with images
  that are read and decoded for every batch, as where they do not fit into memory;
* fed by the input pipeline, against `model.fit` of tf_keras on the same model, batches, loss and
  augmentation (goal 1.0);
* ResNet-50 at 224 pixels, fed with photographs (enlarged drawings) that are read and decoded for
  every batch, against the same step on one batch that stays in memory (goal 0.95);
* a net whose steps are short, several of them in a call (`steps_per_call`), against one (goal 1.0).
"""

import functools
import pathlib
import tempfile
from collections.abc import Iterator
from itertools import repeat
from typing import Any, NamedTuple

import tensorflow as tf
import tf_keras as keras

from benchmarks import table
from benchmarks.input_speed import photographs, write
from configs import default, demo
from data_prep.builder import BuildOptions, build
from data_prep.pipeline import PlanOptions
from data_prep.sources.source import SourceOptions
from revisit.data import input as data_input
from revisit.training import optimizers
from revisit.training.batches import train_iterator
from revisit.training.model import forward
from revisit.training.modes import resolve
from revisit.training.plan import Plan, make_plan
from revisit.training.step import State, make_state, make_train_step, several_steps
from revisit.training.strategies import Step, make_strategy

NUM_IMAGES = 2000
STEPS = 30  # in each measurement; they alternate
STEPS_IN_CALL = 10


class Model(NamedTuple):
    """A network and its input: fields of the config, sides in pixels; steps in a measurement."""

    fields: dict[str, Any]
    resize: int
    crop: int
    batch_size: int
    steps: int


LARGE = Model({"depth": 50}, resize=256, crop=224, batch_size=8, steps=2)
SHORT = Model({"depth": 8, "width": 8, "stem": "patch4"}, 32, 28, batch_size=8, steps=100)


def build_microworld(directory: str, num_images: int) -> None:
    """Drawings to train on."""
    source = SourceOptions(seed=0, num_images=num_images, world="pretrain")
    build(BuildOptions("microworld", source, directory, PlanOptions(), 0.0, None), {})


def demo_plan(directory: str, strategy: str) -> Plan:
    """The demo's pretraining on a data set, not deterministic."""
    config = demo.get_config()
    config.data.dir = directory
    config.train.deterministic = False  # as model.fit runs
    config.data.cache_bytes = 2**30
    return make_plan(resolve(config, "pretrain"), "pretrain", make_strategy(strategy))


def _numbers_alone(plan: Plan) -> tf.data.Dataset:
    """The same input without ids, which model.fit can't take."""
    batch_size, stream = plan.config.train.batch_size, data_input.Stream(seed=0)
    batches = data_input.train_batches(plan.shards, plan.task.prepare, batch_size, stream)
    return batches.map(lambda b: {k: v for k, v in b.items() if v.dtype != tf.string})


class Wrapped(keras.Model):
    """Our model and loss as model.fit takes them."""

    def __init__(self, plan: Plan, state: State) -> None:
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


def _run(step: Step, batches: Iterator[Any], count: int) -> None:
    for _ in range(count):
        figures = step(next(batches), tf.constant(0.0))
    figures.numpy()


def _measure_demo(directory: str) -> None:
    build_microworld(directory, NUM_IMAGES)
    plan = demo_plan(directory, "one_device")
    with plan.strategy.distribution.scope():
        state, other = (make_state(plan, directory) for _ in range(2))
        fitted = Wrapped(plan, other)
        fitted.compile(optimizer=other.optimizer)
    step = make_train_step(plan, state)
    stream = train_iterator(plan, 0)
    config = plan.config.copy_and_resolve_references()
    config.data.cache_bytes = 0
    from_disk = train_iterator(plan._replace(config=config), 0)
    endless = _numbers_alone(plan)

    def keras_fit() -> None:
        fitted.fit(endless, steps_per_epoch=STEPS, verbose=0)

    kinds = (stream, from_disk, repeat(next(stream)))
    runs = [functools.partial(_run, step, each, STEPS) for each in kinds]
    seconds = table.median_seconds([*runs, keras_fit], repeats=9)
    images = STEPS * plan.config.train.batch_size
    ours, undecoded, one_batch, fit = (images / each for each in seconds)
    table.row("decoded input, against one batch", *_shown(ours, one_batch), ">= 0.95")
    table.row("input from disk, against one batch", *_shown(undecoded, one_batch), "")
    table.row("input from disk, against model.fit", *_shown(undecoded, fit), ">= 1.0")


def _shown(rate: float, reference: float) -> tuple[str, str, float]:
    return f"{rate:,.3g}", f"{reference:,.3g}", rate / reference


def model_plan(model: Model, data: str, strategy: str) -> Plan:
    """Pretraining of a model on a data set, not deterministic; its split `train` is scored too."""
    config = default.get_config()
    config.data.update({"dir": data, "eval_split": "train"})
    config.data.update({"resize": model.resize, "crop": model.crop})
    config.model.update(model.fields)
    config.train.update({"batch_size": model.batch_size, "deterministic": False})
    return make_plan(resolve(config, "pretrain"), "pretrain", make_strategy(strategy))


def _make(model: Model, directory: str) -> tuple[Step, Iterator[Any]]:
    """The step of a model on the photographs, and its batches."""
    plan = model_plan(model, f"{directory}/data", "one_device")
    with plan.strategy.distribution.scope():
        state = make_state(plan, directory)
    return make_train_step(plan, state), train_iterator(plan, 0)


def _measure_large(directory: str) -> None:
    step, stream = _make(LARGE, directory)
    kinds = (stream, repeat(next(stream)))
    runs = [functools.partial(_run, step, batches, LARGE.steps) for batches in kinds]
    seconds = table.median_seconds(runs, repeats=9, warmups=1)
    rates = (LARGE.steps * LARGE.batch_size / each for each in seconds)
    table.row("ResNet-50, input from disk, against one batch", *_shown(*rates), ">= 0.95")


def _measure_calls(directory: str) -> None:
    step, stream = _make(SHORT, directory)
    several = several_steps(step, has_clock=True)

    def together() -> None:
        for _ in range(SHORT.steps // STEPS_IN_CALL):
            figures = several(stream, tf.constant(STEPS_IN_CALL), tf.constant(0.0))
        figures.numpy()

    one_by_one = functools.partial(_run, step, stream, SHORT.steps)
    seconds = table.median_seconds([together, one_by_one], repeats=9)
    rates = (SHORT.steps * SHORT.batch_size / each for each in seconds)
    name = f"short steps, {STEPS_IN_CALL} in a call, against one"
    table.row(name, *_shown(*rates), ">= 1.0")


def main() -> None:
    """Prints five rows of ratios."""
    table.header("Training step, images/s")
    with tempfile.TemporaryDirectory() as directory:
        _measure_demo(directory)
    with tempfile.TemporaryDirectory() as directory:
        write(photographs(), pathlib.Path(directory))
        _measure_large(directory)
        _measure_calls(directory)


if __name__ == "__main__":
    main()
