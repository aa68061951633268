"""Going on from a checkpoint: time to the first batch early and late in an epoch of 300M images.

    python -m benchmarks.resume_speed

The set is metadata alone: 300,000 shards of 1,000 records, each the same small file. So what is
measured is to find the place, and to read one group of two shards there. Goal: the same within
noise, at most 1.2.
"""

import os
import tempfile

import numpy as np
import tensorflow as tf

from benchmarks import table
from revisit.data import input as data_input
from revisit.data.records import Shard

NUM_SHARDS = 300_000
SHARD_EXAMPLES = 1_000


def _make_shards(directory: str) -> tuple[Shard, ...]:
    path = os.path.join(directory, "shard")
    with tf.io.TFRecordWriter(path) as writer:
        for index in range(SHARD_EXAMPLES):
            writer.write(np.int64(index).tobytes())
    return (Shard(path, SHARD_EXAMPLES),) * NUM_SHARDS


def _first_batch(shards: tuple[Shard, ...], share: float) -> None:
    def prepare(serialized: tf.Tensor, training: bool, seeds: tf.Tensor) -> dict:
        return {"image": tf.zeros([32, 1, 1, 3], tf.uint8), "record": serialized}

    start = int(share * NUM_SHARDS * SHARD_EXAMPLES)
    next(iter(data_input.train_batches(shards, prepare, 32, data_input.Stream(0, start=start))))


def main() -> None:
    """Prints the ratio of the two times."""
    with tempfile.TemporaryDirectory() as directory:
        shards = _make_shards(directory)
        data_input.GROUP_BYTES = 2 * os.path.getsize(shards[0].path)  # as of shards of 100 MB
        early, late = table.median_seconds(
            [lambda: _first_batch(shards, 0.01), lambda: _first_batch(shards, 0.99)],
            repeats=3,
            warmups=1,
        )
    table.header("Seconds to the first batch, 300M images")
    table.row("at 99% against 1%", f"{late:.2f} s", f"{early:.2f} s", late / early, "<= 1.2")


if __name__ == "__main__":
    main()
