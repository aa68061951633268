"""Features of a frozen backbone, computed once and kept on disk for every probe of it.

They are those of the central crops that evaluation sees, pooled, in a file for each shard of the
data set. Its name is a fingerprint of all that they follow from: weights, network, pixels, shard.
So whatever probe, learning rate, seed or subset of the records comes next finds them, and nothing
else does; a run that is killed goes on at the next shard.
"""

import hashlib
import json
import os
import zipfile
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf
import tf_keras as keras
from absl import logging
from ml_collections import ConfigDict

from revisit.data.images import to_model_range
from revisit.data.input import Table, list_taken, targets_table, train_shards
from revisit.data.records import Contents, Dataset, Shard, parse_record
from revisit.tasks import Task
from revisit.training import checkpoint
from revisit.training.model import forward

FOLDER = "features"
_UNREADABLE = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile)


class Split(NamedTuple):
    """What a probe learns from, or is scored on: a row for each record, in the order on disk.

    Attributes:
      features: [N, F] float32.
      targets: the other fields of the task's batches.
      level: of the pyramid, where the head looks for what it pools.
    """

    features: np.ndarray
    targets: Table
    level: str

    @property
    def table(self) -> Table:
        """Columns of batches: the pyramid's level is as one pixel, the mean of which is itself."""
        return {**self.targets, self.level: self.features[:, np.newaxis, np.newaxis]}


class Splits(NamedTuple):
    """Both splits of a run, and how many images had to be looked at for them."""

    train: Split
    evaluation: Split
    num_computed: int


class Extractor(NamedTuple):
    """What computes features.

    Attributes:
      config: of the run.
      task: whose evaluation crops are taken.
      backbone: frozen.
      head: with an output "features".
      distribution: in whose scope both were made.
    """

    config: ConfigDict
    task: Task
    backbone: keras.Model
    head: keras.Model
    distribution: tf.distribute.Strategy


def _fingerprint(extractor: Extractor, shard: Shard) -> str:
    """16 hex digits: of the weights, the network, the size of the pixels, and the shard's file."""
    data, file = extractor.config.data, os.stat(shard.path)
    facts = {
        "weights": checkpoint.checksum(checkpoint.named(extractor.backbone.variables)),
        "model": extractor.config.model.to_dict(),
        "pixels": (data.resize, data.crop),
        "shard": (os.path.basename(shard.path), file.st_size, file.st_mtime_ns),
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]


def _read(path: str) -> np.ndarray | None:
    """What a file holds, compared with its checksum; None if it is not there or damaged."""
    if not os.path.exists(path):
        return None
    try:
        with np.load(path) as file:
            return file["features"]
    except _UNREADABLE as error:
        logging.warning("features %s are damaged and computed anew: %s", path, error)
        return None


def _write(path: str, features: np.ndarray) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    temporary = f"{path}.{os.getpid()}.tmp"
    with open(temporary, "wb") as file:
        np.savez(file, features=features)
    os.replace(temporary, path)


def _make_compute(extractor: Extractor) -> Callable[[Shard], np.ndarray]:
    """Shard -> features of all records in its file, [n, F] float32."""
    side = extractor.task.image_size

    @tf.function(input_signature=[tf.TensorSpec([None, *side, 3], tf.uint8)])
    def pool(pixels: tf.Tensor) -> tf.Tensor:
        batch = {"image": to_model_range(pixels)}
        return forward(extractor.backbone, extractor.head, batch, False, False)["features"]

    def of_this_process(batch: tf.Tensor) -> np.ndarray:
        # As a replica, which reads its own statistics: workers that find some files and not others
        # would else wait for each other.
        pooled = extractor.distribution.run(pool, args=(batch,))
        return extractor.distribution.experimental_local_results(pooled)[0].numpy()

    def image(serialized: tf.Tensor) -> tf.Tensor:
        encoded = parse_record(serialized, Contents())["image"]
        return extractor.task.eval_example(encoded)["image"]

    def compute(shard: Shard) -> np.ndarray:
        pixels = tf.data.TFRecordDataset(shard.path).map(image, tf.data.AUTOTUNE)
        batches = pixels.batch(extractor.config.train.eval_batch_size).prefetch(1)
        return np.concatenate([of_this_process(batch) for batch in batches])

    return compute


def _read_features(
    extractor: Extractor, shards: Sequence[Shard], directory: str
) -> tuple[np.ndarray, int]:
    """Features of the records that are taken, [N, F]; how many images were looked at for it."""
    compute, parts, num_computed = _make_compute(extractor), [], 0
    for shard in shards:
        path = os.path.join(directory, f"{_fingerprint(extractor, shard)}.npz")
        features = _read(path)
        if features is None:
            features = compute(shard)
            _write(path, features)
            num_computed += len(features)
        taken = list_taken(shard)
        parts.append(features[: len(taken)][taken])
    return np.concatenate(parts), num_computed


def read_splits(
    extractor: Extractor, dataset: Dataset, shards: Sequence[Shard], directory: str
) -> Splits:
    """Features and targets of a run's splits; all of it must fit into memory.

    Args:
      extractor: computes what is not on disk yet.
      dataset: as the run sees it.
      shards: that it trains on.
      directory: where the files of features lie.
    """

    def split(shards: Sequence[Shard], training: bool) -> tuple[Split, int]:
        features, num_computed = _read_features(extractor, shards, directory)
        targets = targets_table(shards, extractor.task.prepare, training)
        return Split(features, targets, level=extractor.head.input_names[0]), num_computed

    scored = train_shards(dataset, extractor.config.data.eval_split, 1.0)
    (train, new), (evaluation, also_new) = split(shards, True), split(scored, False)
    return Splits(train, evaluation, new + also_new)
