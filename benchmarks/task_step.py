"""What a task costs beside its backbone: the training step and inference, at the paper's sizes.

    python -m benchmarks.task_step [TASK ...]

A row of ROWS a task, ResNet-50, on few images a step, as a CPU can hold. The share outside the
backbone is 1 - (time of the backbone alone, forward and backward, on the step's own shapes) / (time
of the step): heads, targets, losses and the optimizer (goal: below 0.25). A detector's conv5 works
on crops of proposals and is a part of the backbone. Inference is end to end:
from encoded images to the task's answer, decoding and non-maximum suppression included.
"""

import sys
import tempfile
from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf
import tf_keras as keras
from ml_collections import ConfigDict

from benchmarks import table
from configs.paper import coco_detect, coco_pose, jft_pretrain, voc_segment
from data_prep.builder import BuildOptions, build
from data_prep.pipeline import PlanOptions
from data_prep.sources.source import SourceOptions
from revisit.data.images import to_model_range
from revisit.training import optimizers
from revisit.training.batches import worker_batches
from revisit.training.model import predict
from revisit.training.modes import resolve
from revisit.training.plan import Plan, make_plan
from revisit.training.step import State, make_state, make_train_step
from revisit.training.strategies import make_strategy

NUM_IMAGES = 20
REPEATS = 3  # a step takes many seconds on a CPU
GOAL = "<= 0.25"


class Row(NamedTuple):
    """A task at the paper's sizes.

    Attributes:
      config: of the paper's recipe.
      batch_size: images a step.
      num_crops: of an image, that the last stage works on; 0: on the whole image.
    """

    config: Callable[[], ConfigDict]
    batch_size: int
    num_crops: int = 0


ROWS = {
    "classify": Row(jft_pretrain.get_config, batch_size=8),
    "detect": Row(coco_detect.get_config, 1, coco_detect.get_config().task.detect.box_samples),
    "segment": Row(voc_segment.get_config, batch_size=1),
    "pose": Row(coco_pose.get_config, batch_size=4),
}


def _plan(row: Row, directory: str) -> Plan:
    source = SourceOptions(seed=0, num_images=NUM_IMAGES, world="pretrain")
    build(BuildOptions("microworld", source, directory, PlanOptions(), 0.0, None), {})
    config = row.config()
    config.data.update({"dir": directory, "eval_split": "train"})
    config.model.depth = 50
    config.train.batch_size = row.batch_size
    return make_plan(resolve(config, "pretrain"), "pretrain", make_strategy("one_device"))


def _make_backbone_work(
    backbone: keras.Model, row: Row, model: ConfigDict, side: int
) -> Callable[[tf.Tensor], tf.Tensor]:
    """Images -> the last stage's features, as the backbone makes them in a step.

    Args:
      backbone: image -> pyramid.
      row: of ROWS.
      model: `config.model`.
      side: of a crop, features.
    """
    *_, before, last = sorted(backbone.output)
    training = not model.freeze_batch_norm
    if not row.num_crops:
        return lambda image: backbone(image, training=training)[last]
    trunk = keras.Model(backbone.input, backbone.output[before])
    stage = keras.Model(backbone.get_layer(before).input, backbone.output[last])
    crops = tf.random.stateless_uniform([row.num_crops, side, side, trunk.output.shape[-1]], (0, 0))

    def work(image: tf.Tensor) -> tf.Tensor:
        # The sum lets the gradient go back through the stage into the trunk, as in a step.
        return stage(crops + tf.reduce_mean(trunk(image, training=training)), training=training)

    return work


def _backbone_step(state: State, work: Callable, image: tf.Tensor) -> Callable[[], None]:
    @tf.function
    def step() -> tf.Tensor:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(work(image))
        gradients = tape.gradient(loss, state.backbone.trainable_variables)
        return tf.add_n([tf.reduce_sum(gradient) for gradient in gradients])

    return lambda: step().numpy()


def _inference(plan: Plan, state: State) -> Callable[[], None]:
    """One encoded image -> the task's answer."""
    encoded = tf.io.encode_jpeg(
        tf.cast(tf.random.stateless_uniform([480, 640, 3], (0, 0), 0, 256, tf.int32), tf.uint8)
    )

    @tf.function
    def answer() -> dict[str, tf.Tensor]:
        example = plan.task.eval_example(encoded)
        batch = {name: value[tf.newaxis] for name, value in example.items()}
        batch["image"] = to_model_range(batch["image"])
        outputs = predict(plan.task, state.backbone, state.head, batch)
        return plan.task.serve(outputs, batch)

    return lambda: answer()["scores"].numpy()


def _measure(name: str, row: Row, directory: str) -> None:
    plan = _plan(row, directory)
    with plan.strategy.distribution.scope():
        state = make_state(plan, directory)
        optimizers.create_slots(state.optimizer, state.variables)
    step, batch = make_train_step(plan, state), next(iter(worker_batches(plan, 0)))
    side = plan.config.task.detect.box_crop
    work = _make_backbone_work(state.backbone, row, plan.config.model, side)
    whole, backbone, inference = table.median_seconds(
        [
            lambda: step(batch, tf.constant(0.0)).numpy(),
            _backbone_step(state, work, batch["image"]),
            _inference(plan, state),
        ],
        repeats=REPEATS,
        warmups=1,
    )
    images = plan.config.train.batch_size
    table.row(
        f"{name}: step, against its backbone alone",
        f"{images / whole:.3g}/s",
        f"{images / backbone:.3g}/s",
        1 - backbone / whole,
        GOAL,
    )
    table.row(f"{name}: inference, an image at a time", f"{1 / inference:.3g}/s", "", 1.0)


def main() -> None:
    """Prints two rows a task; the ratio of the first is the share outside the backbone."""
    table.header("Tasks at the paper's sizes, images/s")
    for name in sys.argv[1:] or ROWS:
        row = ROWS[name]
        with tempfile.TemporaryDirectory() as directory:
            _measure(name, row, directory)


if __name__ == "__main__":
    main()
