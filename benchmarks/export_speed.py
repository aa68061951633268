"""The exported graph against the same model called in Keras, on the same batch.

    python -m benchmarks.export_speed

An untrained ResNet-18 at 224 pixels with 1,000 classes, loaded back from its SavedModel with plain
TensorFlow. Keras' predict is predict_on_batch, which does without predict's own input pipeline. The
bytes are 500 x 375 JPEGs; decoding is what evaluation makes of them (decoded, resized and cropped),
in a graph of its own. A network of 8 channels then shows what bytes cost: its own time is too short
to hide it.
"""

import functools
import statistics
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
from revisit.training.model import LoadedModel, load_model, make_models

SIZE, CROP = 256, 224  # pixels
NUM_CLASSES = 1000
REPEATS = {1: 40, 8: 15, 32: 5}  # by batch size


def make_run(workdir: str, depth: int = 18, width: int = 64) -> None:
    """Writes a run of a classifier that was never trained."""
    config = default.get_config()
    config.data.update({"dir": "none", "resize": SIZE, "crop": CROP})
    config.model.update({"depth": depth, "width": width})
    taxonomy = make_taxonomy([f"class{number}" for number in range(NUM_CLASSES)], [])
    dataset = Dataset("", taxonomy, Contents(), {}, {})
    workdirs.claim(workdir, config, "pretrain", None, dataset)
    task = make_task(config, dataset)
    backbone, head = make_models(config, task)
    models = {"backbone": backbone, "head": head}
    Checkpoints(workdir, models, keras.optimizers.SGD(), {}, keep_last=1).snapshot(1)()


def make_jpegs(count: int) -> tf.Tensor:
    """[count] string: JPEGs of 500 x 375 pixels, as hard to decode as photographs."""
    rng = np.random.default_rng(0)
    coarse = rng.uniform(0, 255, (count, 12, 16, 3))
    pictures = tf.image.resize(coarse, [375, 500], "bicubic")
    pictures = tf.cast(
        tf.clip_by_value(pictures + rng.normal(0, 8, pictures.shape), 0, 255), tf.uint8
    )
    return tf.stack([tf.io.encode_jpeg(picture, quality=90) for picture in pictures])


def make_decoder(loaded: LoadedModel, jpegs: tf.Tensor) -> Callable[[], object]:
    """What decodes, resizes and crops them all, as a graph does."""

    def decode(encoded: tf.Tensor) -> tf.Tensor:
        spec = tf.TensorSpec([CROP, CROP, 3], tf.uint8)
        one = loaded.task.eval_example
        return tf.map_fn(lambda jpeg: one(jpeg)["image"], encoded, fn_output_signature=spec)

    return functools.partial(tf.function(decode), jpegs)


def make_keras_model(loaded: LoadedModel) -> keras.Model:
    """Backbone and head as one model, from pixels in [-1, 1]."""
    return keras.Model(loaded.backbone.input, loaded.head({"c5": loaded.backbone.output["c5"]}))


def _make_ways(run: str, batch_size: int) -> dict[str, Callable[[], object]]:
    """What is compared: each does its part for the same number of images."""
    loaded, exported = load_model(run), tf.saved_model.load(f"{run}/models/1")
    network, jpegs = make_keras_model(loaded), make_jpegs(batch_size)
    pixels = tf.random.stateless_uniform([batch_size, CROP, CROP, 3], (0, 0), -1.0, 1.0)

    def ask(signature: str, **inputs: tf.Tensor) -> object:
        return exported.signatures[signature](**inputs)["scores"].numpy()

    return {
        "from pixels": lambda: ask("images", images=pixels),
        "from bytes": lambda: ask("serving_default", image_bytes=jpegs),
        "a Keras call": lambda: network(pixels, training=False)["logits"].numpy(),
        "Keras' predict": lambda: network.predict_on_batch(pixels)["logits"],
        "decoding": make_decoder(loaded, jpegs),
    }


def _compare_with_keras(run: str, batch_size: int) -> None:
    ways = _make_ways(run, batch_size)
    medians = table.median_seconds(list(ways.values()), REPEATS[batch_size])
    times = dict(zip(ways, medians, strict=True))
    name, ours, decoding = f"batch {batch_size}, from", times["from pixels"], times["decoding"]
    for reference in ("a Keras call", "Keras' predict"):
        _row(f"{name} pixels, against {reference}", ours, times[reference], "<= 1")
    whole = times["Keras' predict"] + decoding
    _row(f"{name} bytes, against Keras' predict and decoding", times["from bytes"], whole, "<= 1.1")
    print(f"batch {batch_size}, decoding's share: {decoding / times['from bytes']:.0%}", flush=True)


def _compare_with_decoding(run: str, batch_size: int) -> None:
    ways = _make_ways(run, batch_size)
    compared = [ways[name] for name in ("from bytes", "from pixels", "decoding")]
    from_bytes, from_pixels, decoding = table.seconds(compared, REPEATS[1])
    more = statistics.median(each - other for each, other in zip(from_bytes, from_pixels))
    name = f"batch {batch_size}, 8 channels, bytes over pixels, against decoding"
    _row(name, more, statistics.median(decoding), "<= 1.1")


def _row(name: str, ours: float, reference: float, goal: str) -> None:
    table.row(name, f"{ours * 1e3:.1f} ms", f"{reference * 1e3:.1f} ms", ours / reference, goal)


def main() -> None:
    """Prints the table."""
    table.header(f"exported graph, ResNet-18 at {CROP}")
    with tempfile.TemporaryDirectory() as directory:
        usual, narrow = f"{directory}/usual", f"{directory}/narrow"
        make_run(usual)
        make_run(narrow, depth=10, width=8)
        for run in (usual, narrow):
            exporter.export(run, f"{run}/models")
        for batch_size in REPEATS:
            _compare_with_keras(usual, batch_size)
            _compare_with_decoding(narrow, batch_size)


if __name__ == "__main__":
    main()
