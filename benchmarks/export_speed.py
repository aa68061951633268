"""The exported graph against the same model called in Keras, on one batch.

    python -m benchmarks.export_speed

An untrained ResNet-18 at 224 pixels with 1,000 classes, loaded back from its SavedModel with plain
TensorFlow; batch 8. "From bytes" starts from 500 x 375 JPEGs and is compared with the time from
pixels plus that of decoding the same files in evaluation's input pipeline.
"""

import pathlib
import tempfile
from collections.abc import Callable

import numpy as np
import tensorflow as tf
import tf_keras as keras

from benchmarks import table
from configs import default
from revisit.data.records import Contents, Dataset
from revisit.data.taxonomy import make_taxonomy
from revisit.serving import exporter
from revisit.tasks import make_task
from revisit.training import workdir as workdirs
from revisit.training.checkpoint import Checkpoints
from revisit.training.model import LoadedModel, forward, load_model, make_models

BATCH_SIZE = 8
SIZE, CROP = 256, 224  # pixels
NUM_CLASSES = 1000
REPEATS = 15


def make_run(workdir: str) -> None:
    """Writes a run of a classifier that was never trained."""
    config = default.get_config()
    config.data.update({"dir": "none", "resize": SIZE, "crop": CROP})
    config.model.depth = 18
    taxonomy = make_taxonomy([f"class{number}" for number in range(NUM_CLASSES)], [])
    dataset = Dataset("", taxonomy, Contents(), {}, {})
    workdirs.claim(workdir, config, "pretrain", None, dataset)
    task = make_task(config, dataset)
    backbone, head = make_models(config, task)
    models = {"backbone": backbone, "head": head}
    Checkpoints(workdir, models, keras.optimizers.SGD(), {}, keep_last=1).save(1)


def make_jpegs(count: int) -> tf.Tensor:
    """[count] string: JPEGs of 500 x 375 pixels, as hard to decode as photographs."""
    rng = np.random.default_rng(0)
    coarse = rng.uniform(0, 255, (count, 12, 16, 3))
    pictures = tf.image.resize(coarse, [375, 500], "bicubic")
    pictures = tf.cast(
        tf.clip_by_value(pictures + rng.normal(0, 8, pictures.shape), 0, 255), tf.uint8
    )
    return tf.stack([tf.io.encode_jpeg(picture, quality=90) for picture in pictures])


def _decoder(loaded: LoadedModel, jpegs: tf.Tensor) -> Callable[[], object]:
    """What decodes them all, as evaluation's input pipeline does."""
    dataset = tf.data.Dataset.from_tensor_slices(jpegs)
    dataset = dataset.map(loaded.task.eval_example, tf.data.AUTOTUNE).batch(len(jpegs))
    # A new iterator each time, so that nothing has been decoded ahead.
    return lambda: next(iter(dataset))


def make_keras_model(loaded: LoadedModel) -> keras.Model:
    """Backbone and head as one model, from pixels in [-1, 1]."""
    return keras.Model(loaded.backbone.input, loaded.head({"c5": loaded.backbone.output["c5"]}))


def _compare(loaded: LoadedModel, version: pathlib.Path) -> None:
    model = tf.saved_model.load(str(version))
    jpegs = make_jpegs(BATCH_SIZE)
    pixels = tf.random.stateless_uniform([BATCH_SIZE, CROP, CROP, 3], (0, 0), -1.0, 1.0)
    batch = {"image": pixels}
    predictor = make_keras_model(loaded)
    from_pixels, from_bytes, call, predict, decode = table.median_seconds(
        [
            lambda: model.signatures["images"](images=pixels)["scores"].numpy(),
            lambda: model.signatures["serving_default"](image_bytes=jpegs)["scores"].numpy(),
            lambda: forward(loaded.backbone, loaded.head, batch, False, False)["logits"].numpy(),
            lambda: predictor.predict_on_batch(pixels)["logits"],
            _decoder(loaded, jpegs),
        ],
        REPEATS,
    )
    _row("from pixels, against a Keras call", from_pixels, call, "<= 1")
    _row("from pixels, against Keras' predict", from_pixels, predict, "<= 1")
    _row("from bytes, against pixels plus decoding", from_bytes, from_pixels + decode, "<= 1.1")
    _row("decoding's share of the time from bytes", decode, from_bytes, "")


def _row(name: str, ours: float, reference: float, goal: str) -> None:
    table.row(name, f"{ours * 1e3:.1f} ms", f"{reference * 1e3:.1f} ms", ours / reference, goal)


def main() -> None:
    """Prints the table."""
    table.header(f"exported graph, ResNet-18 at {CROP}, batch {BATCH_SIZE}")
    with tempfile.TemporaryDirectory() as directory:
        make_run(directory)
        version = exporter.export(directory, f"{directory}/models")
        _compare(load_model(directory), version)


if __name__ == "__main__":
    main()
