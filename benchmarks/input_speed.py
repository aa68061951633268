"""Images/s of the training input, against bare decoding and against two usual pipelines.

    python -m benchmarks.input_speed [--images=DIR]

* bare decoding: a `map` of decode_and_crop_jpeg over bytes in memory, of the windows that the crops
  show, and nothing else: no file, no label, no resize, no batch (goal 0.9);
* the same pixels: a `map` of decode, resize and crop over bytes in memory, no more;
* tfds: `as_dataset` of the same records, then shuffle, resize, random crop and flip, batch;
* Keras: `image_dataset_from_directory` and its augmentation layers (goal 1.5 for both).

Sizes: 64 pixels cropped to 56, as stored; and photographs of 500x375, resized to 340 and cropped to
299 as the paper has it. The photographs are enlarged drawings; DIR holds real ones instead (JPEG).
"""

import io
import pathlib
import statistics
import tempfile
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import tensorflow as tf
import tensorflow_datasets as tfds
import tf_keras as keras
from absl import app, flags
from PIL import Image

from benchmarks import table
from configs import default
from data_prep.builder import BuildOptions, build
from data_prep.pipeline import PlanOptions
from data_prep.sources import microworld
from data_prep.sources.source import Row, SourceOptions
from revisit.data import input as data_input
from revisit.data.records import read_dataset
from revisit.tasks import make_task

_IMAGES = flags.DEFINE_string("images", "", "Folder of JPEG photographs to measure with.")

NUM_IMAGES = 512
WARMUPS = 4  # batches
ROUNDS = 3
PHOTOGRAPH_SIZE = (500, 375)  # width, height
PARALLEL = tf.data.AUTOTUNE


class Setting(NamedTuple):
    """What is measured: sides in pixels."""

    name: str
    resize: int
    crop: int
    batch_size: int
    batches: int  # in each measurement


SMALL = Setting("64 px", 64, 56, 64, 60)
LARGE = Setting("photographs", 340, 299, 32, 10)


def _drawings() -> list[bytes]:
    source = microworld.make_source(SourceOptions(world="pretrain", num_images=NUM_IMAGES))
    return [source.read(row).encoded for row in source.rows() if isinstance(row, Row)]


def _enlarged(drawing: bytes) -> bytes:
    file = io.BytesIO()
    Image.open(io.BytesIO(drawing)).resize(PHOTOGRAPH_SIZE).save(file, "JPEG", quality=92)
    return file.getvalue()


def photographs(directory: str = "") -> list[bytes]:
    """All JPEG files of a directory; without one, enlarged drawings."""
    if not directory:
        return [_enlarged(each) for each in _drawings()]
    paths = sorted(pathlib.Path(directory).rglob("*.[jJ][pP]*[gG]"))
    return [path.read_bytes() for path in paths]


def write(encoded: Sequence[bytes], root: pathlib.Path) -> None:
    """Puts images into a folder a class, as Keras reads them, and into data/, a set of ours."""
    lines = ["path,labels"]
    for index, each in enumerate(encoded):
        label = f"class{index % 2}"
        path = root / "images" / label / f"{index}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(each)
        lines.append(f"{path.relative_to(root)},{label}")
    (root / "labels.csv").write_text("\n".join(lines) + "\n")
    source = SourceOptions(manifest=str(root / "labels.csv"))
    build(BuildOptions("manifest", source, str(root / "data"), PlanOptions(), 0.0, 1), {})


def _ours(root: pathlib.Path, setting: Setting) -> tf.data.Dataset:
    config = default.get_config()
    config.data.update({"resize": setting.resize, "crop": setting.crop})
    dataset = read_dataset(root / "data")
    prepare = make_task(config, dataset).prepare
    stream = data_input.Stream(seed=0)
    return data_input.train_batches(dataset.shards["train"], prepare, setting.batch_size, stream)


def _bytes(encoded: Sequence[bytes]) -> tf.data.Dataset:
    return tf.data.Dataset.from_tensors(tf.constant(encoded)).repeat().unbatch()


def _bare(encoded: Sequence[bytes], setting: Setting) -> tf.data.Dataset:
    def decode(each: tf.Tensor) -> tf.Tensor:
        sides = tf.image.extract_jpeg_shape(each)[:2]
        inside = sides * setting.crop // setting.resize
        corner = tf.cast(tf.random.uniform([2]) * tf.cast(sides - inside + 1, tf.float32), tf.int32)
        window = tf.concat([corner, inside], axis=0)
        return tf.shape(tf.image.decode_and_crop_jpeg(each, window, channels=3))

    return _bytes(encoded).map(decode, PARALLEL).batch(setting.batch_size)


def _usual(image: tf.Tensor, setting: Setting) -> tf.Tensor:
    """Resize, random crop, random flip: [H, W, 3] uint8 -> [crop, crop, 3] float32."""
    size = [setting.resize, setting.resize]
    image = tf.image.resize(image, size, antialias=True)
    image = tf.image.random_crop(image, [setting.crop, setting.crop, 3])
    return tf.image.random_flip_left_right(image) / 127.5 - 1.0


def _same_pixels(encoded: Sequence[bytes], setting: Setting) -> tf.data.Dataset:
    def decode(each: tf.Tensor) -> tf.Tensor:
        return _usual(tf.image.decode_jpeg(each, channels=3), setting)

    return _bytes(encoded).map(decode, PARALLEL).batch(setting.batch_size)


def _tfds(root: pathlib.Path, setting: Setting) -> tf.data.Dataset:
    def example(record: dict[str, Any]) -> tuple[tf.Tensor, tf.Tensor]:
        return _usual(record["image"], setting), record["labels"]["leaf"][0]

    builder = tfds.builder_from_directory(str(root / "data"))
    records = builder.as_dataset(split="train", shuffle_files=True).shuffle(1000).repeat()
    return records.map(example, PARALLEL).batch(setting.batch_size).prefetch(PARALLEL)


def _keras(root: pathlib.Path, setting: Setting) -> tf.data.Dataset:
    layers = keras.Sequential(
        [
            keras.layers.RandomCrop(setting.crop, setting.crop),
            keras.layers.RandomFlip("horizontal"),
            keras.layers.Rescaling(1 / 127.5, -1.0),
        ]
    )
    batches = keras.utils.image_dataset_from_directory(
        root / "images",
        image_size=(setting.resize, setting.resize),
        batch_size=setting.batch_size,
    ).repeat()
    return batches.map(
        lambda image, label: (layers(image, training=True), label), PARALLEL
    ).prefetch(PARALLEL)


def _seconds(dataset: tf.data.Dataset, setting: Setting) -> float:
    """Time of setting.batches, once all stages are filled; nothing else works ahead meanwhile."""
    batches = iter(dataset)
    for _ in range(WARMUPS):
        next(batches)
    began = time.perf_counter()
    for _ in range(setting.batches):
        next(batches)
    return time.perf_counter() - began


def _compare(encoded: Sequence[bytes], setting: Setting) -> None:
    with tempfile.TemporaryDirectory() as directory:
        root = pathlib.Path(directory)
        write(encoded, root)
        references = {
            "bare decoding": (_bare(encoded, setting), ">= 0.9"),
            "decoding to the same pixels": (_same_pixels(encoded, setting), ""),
            "tfds' usual pipeline": (_tfds(root, setting), ">= 1.5"),
            "Keras' usual pipeline": (_keras(root, setting), ">= 1.5"),
        }
        datasets = [_ours(root, setting), *(dataset for dataset, _ in references.values())]
        rounds = [[_seconds(each, setting) for each in datasets] for _ in range(ROUNDS)]
    ours, *others = (statistics.median(each) for each in zip(*rounds, strict=True))
    count = setting.batches * setting.batch_size
    for (name, (_, goal)), seconds in zip(references.items(), others, strict=True):
        cells = f"{count / ours:,.0f}", f"{count / seconds:,.0f}"
        table.row(f"{setting.name}, against {name}", *cells, seconds / ours, goal)


def main(argv: list[str]) -> None:
    """Prints a table of ratios for each size."""
    del argv
    table.header("Input, images/s")
    _compare(_drawings(), SMALL)
    _compare(photographs(_IMAGES.value), LARGE)


if __name__ == "__main__":
    app.run(main)
