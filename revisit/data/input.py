"""From records on disk to batches: the order, where it goes on after a stop, and the padding.

Training reads an endless stream of epochs. An epoch is every record once; its order is made from
(seed, epoch) alone: shards are permuted, neighbouring shards are read together as a group of
bounded size, and the records within a group are permuted. The position in the stream is one number,
the examples given out so far, and any position is reached by reading a single group, so going on
after a stop costs the same anywhere. Each example's seed, of its crop and all else that is random,
is drawn together with the order of its group, so it too is a function of (seed, position).

Where all decoded images fit into memory they are decoded once, before the first batch, and batches
are gathered from them; order, seeds and pixels are the same to the bit. While the cache is filled
it takes twice its size.

Evaluation reads every record once, in the order on disk; the last batch is padded and `weight`
tells which of its rows are real.
"""

import functools
import math
import os
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from revisit.data import images
from revisit.data.augment import Augment
from revisit.data.records import Contents, Dataset, Shard, count_examples, parse_record
from revisit.data.views import take_fraction
from revisit.errors import UserError

# Encoded bytes that are held to permute the records of neighbouring shards; two groups are in
# memory.
GROUP_BYTES = 256 * 2**20
TABLE_BATCH_SIZE = 1024  # records at a time of which a table is made

# Columns [N, ...] by name: a row for each record that a split takes, in the order on disk.
Table = Mapping[str, np.ndarray]

# (serialized records [B] string, training, seeds [B, 2] int64) -> a batch, its "image" still uint8.
# The seeds are uniform over all integers.
Prepare = Callable[[tf.Tensor, bool, tf.Tensor], dict]
PrepareExample = Callable[[dict, bool, tf.Tensor], dict]


def each_example(prepare: PrepareExample, contents: Contents) -> Prepare:
    """A `Prepare` that works on one example at a time, for tasks whose geometry is each image's.

    Args:
      prepare: (parsed record, training, seed [2]) -> example, of shapes that don't vary.
      contents: the optional groups of the record that `prepare` reads; others are not parsed.
    """

    def prepare_batch(serialized: tf.Tensor, training: bool, seeds: tf.Tensor) -> dict:
        def example(each: tuple[tf.Tensor, tf.Tensor]) -> dict:
            return prepare(parse_record(each[0], contents), training, each[1])

        # Made for its shapes and types alone; nothing of it is computed.
        first = example((serialized[0], seeds[0]))
        signature = tf.nest.map_structure(tf.type_spec_from_value, first)
        return tf.map_fn(example, (serialized, seeds), fn_output_signature=signature)

    return prepare_batch


def pad_list(values: tf.Tensor, length: int, value: float = 0) -> tf.Tensor:
    """[n, ...] -> [length, ...], so that the shapes of examples don't vary."""
    paddings = [[0, length - tf.shape(values)[0]], *[[0, 0]] * (values.shape.rank - 1)]
    padded = tf.pad(values, paddings, constant_values=value)
    return tf.ensure_shape(padded, [length, *values.shape[1:]])


class Stream(NamedTuple):
    """Where a stream of training batches starts, and which part of it this worker takes."""

    seed: int
    shuffle: bool = True
    start: int = 0  # examples given out before, over all workers
    worker: int = 0
    num_workers: int = 1
    augment: Augment | None = None  # of whole batches, after crop and flip
    cache_bytes: int = 0  # that decoded images may fill


class Cached(NamedTuple):
    """How a task prepares training batches of images that were decoded before.

    Attributes:
      decode: a serialized record [] -> its pixels before anything random: [S, S, 3] uint8.
      prepare: (serialized records [B], their pixels [B, S, S, 3], seeds [B, 2]) -> the batch that
        `Prepare` makes of the records.
      example_bytes: of the pixels of one image.
    """

    decode: Callable[[tf.Tensor], tf.Tensor]
    prepare: Callable[[tf.Tensor, tf.Tensor, tf.Tensor], dict]
    example_bytes: int


class _Groups(NamedTuple):
    """The shards of a data set, from which an epoch's groups are made by TensorFlow alone, so that
    the process of another machine can make them too (parameter servers, TPU hosts)."""

    paths: tf.Tensor  # [S] string
    reads: tf.Tensor  # [S] records that are read of each
    counts: tf.Tensor  # [S] those that are taken
    dropped: tf.RaggedTensor  # [S, ...] places of the others among those that are read
    sizes: tf.Tensor  # [S] bytes

    @classmethod
    def of(cls, shards: Sequence[Shard]) -> "_Groups":
        """Of shards on disk; those of which nothing is taken are left out."""
        shards = [shard for shard in shards if shard.num_examples]
        reads = [
            len(list_taken(shard)) if shard.dropped else shard.num_examples for shard in shards
        ]
        dropped = [
            np.array([place for place in shard.dropped if place < read], np.int64)
            for shard, read in zip(shards, reads, strict=True)
        ]
        return cls(
            tf.constant([shard.path for shard in shards]),
            tf.constant(reads, tf.int64),
            tf.constant([shard.num_examples for shard in shards], tf.int64),
            # Not tf.ragged.constant, which takes seconds for the shards of 300M images.
            tf.RaggedTensor.from_row_lengths(np.concatenate(dropped), [len(x) for x in dropped]),
            tf.constant([os.path.getsize(shard.path) for shard in shards], tf.int64),
        )

    def files(self, shards: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """What `_read_taken` reads of some shards [n]."""
        reads = tf.gather(self.reads, shards)
        begins = tf.cumsum(reads, exclusive=True)
        dropped = (tf.gather(self.dropped, shards) + begins[:, tf.newaxis]).flat_values
        taken = tf.ones([tf.reduce_sum(reads)], tf.bool)
        none = tf.zeros_like(dropped, tf.bool)
        taken = tf.tensor_scatter_nd_update(taken, dropped[:, tf.newaxis], none)
        return tf.gather(self.paths, shards), reads, taken

    def records(self, shards: tf.Tensor) -> tf.data.Dataset:
        """The records of some shards [n], read from disk: one [sum of their counts] string."""
        return _read_taken(*self.files(shards)).batch(tf.reduce_sum(tf.gather(self.counts, shards)))

    def all_records(self) -> tf.data.Dataset:
        """All records, one by one, in the order on disk."""
        return _read_taken(*self.files(tf.range(self.counts.shape[0])))

    def places(self, shards: tf.Tensor) -> tf.data.Dataset:
        """Where those stand among all of the data set's: one [sum of their counts] int64."""
        ends = tf.gather(tf.cumsum(self.counts), shards)
        places = tf.ragged.range(ends - tf.gather(self.counts, shards), ends).flat_values
        # Not from_tensors: under op determinism it too would make all of the pipeline synchronous.
        return tf.data.Dataset.from_tensor_slices(places[tf.newaxis])

    def epoch(self, stream: Stream, epoch: tf.Tensor, start: tf.Tensor) -> tf.data.Dataset:
        """One epoch's groups in reading order: (shards [n], seed [2], records to skip [])."""
        key = tf.stack([tf.constant(stream.seed, tf.int64), epoch])
        order = tf.range(self.sizes.shape[0])
        if stream.shuffle:
            order = tf.random.experimental.stateless_shuffle(order, key)
        before = tf.cumsum(tf.gather(self.sizes, order), exclusive=True)
        shards = tf.RaggedTensor.from_value_rowids(order, tf.unique(before // GROUP_BYTES)[1])
        ends = tf.cumsum(tf.reduce_sum(tf.gather(self.counts, shards), axis=1))
        skips = tf.maximum(start - tf.concat([[0], ends[:-1]], axis=0), 0)
        first = tf.searchsorted(ends, [start], side="right", out_type=tf.int64)[0]
        numbers = tf.range(first, tf.size(ends, tf.int64))
        groups = tf.data.Dataset.from_tensor_slices((shards[first:], numbers, skips[first:]))

        def describe(shards: tf.Tensor, number: tf.Tensor, skip: tf.Tensor) -> tuple:
            return shards, tf.random.experimental.stateless_fold_in(key, number), skip

        return groups.map(describe)


def list_taken(shard: Shard) -> np.ndarray:
    """Whether each record of a file is taken, up to the last that is: [n] bool."""
    taken = np.ones(shard.num_examples + len(shard.dropped), bool)
    taken[[place for place in shard.dropped if place < len(taken)]] = False
    return taken[: np.searchsorted(np.cumsum(taken), shard.num_examples) + 1]


def _read_shard(path: tf.Tensor, count: tf.Tensor) -> tf.data.Dataset:
    return tf.data.TFRecordDataset(path, buffer_size=8 * 2**20).take(count)


def _read_taken(paths: tf.Tensor, counts: tf.Tensor, taken: tf.Tensor) -> tf.data.Dataset:
    """Records one after the other.

    Args:
      paths: [n] of files.
      counts: [n] records that are read of each.
      taken: [sum of counts] whether each is used.
    """
    records = tf.data.Dataset.from_tensor_slices((paths, counts)).flat_map(_read_shard)
    pairs = tf.data.Dataset.zip((records, tf.data.Dataset.from_tensor_slices(taken)))
    return pairs.filter(lambda _, is_taken: is_taken).map(lambda record, _: record)


def _permute_group(
    members: tf.Tensor, seed: tf.Tensor, skip: tf.Tensor, shuffle: bool
) -> tuple[tf.Tensor, tf.Tensor]:
    """A group's members in its order and their seeds, without the first `skip`: [n], [n, 2]."""
    total = tf.size(members, tf.int64)
    order = tf.range(total)
    if shuffle:
        order = tf.random.experimental.stateless_shuffle(order, seed)
    seeds = tf.random.stateless_uniform([total, 2], seed, None, None, tf.int64)
    return tf.gather(members, order[skip:]), seeds[skip:]


def _ordered(
    groups: _Groups,
    num_examples: int,
    stream: Stream,
    read: Callable[[tf.Tensor], tf.data.Dataset],
) -> tf.data.Dataset:
    """What `read` gives of the shards of a group, one by one from `stream.start` on, with seeds.

    Returns:
      Pairs: a record or its place, [], and the seed, [2] int64.
    """
    first = stream.start // num_examples

    def epoch_groups(epoch: tf.Tensor) -> tf.data.Dataset:
        start = tf.where(epoch == first, stream.start % num_examples, 0)
        return groups.epoch(stream, epoch, tf.cast(start, tf.int64))

    # Not get_single_element in a map: under op determinism it would make all of the pipeline
    # synchronous, without prefetch and on one core.
    def permuted(shards: tf.Tensor, seed: tf.Tensor, skip: tf.Tensor) -> tf.data.Dataset:
        return read(shards).map(lambda all_: _permute_group(all_, seed, skip, stream.shuffle))

    epochs = tf.data.Dataset.range(first, np.iinfo(np.int64).max).flat_map(epoch_groups)
    examples = epochs.flat_map(permuted).prefetch(1).unbatch()
    return examples.shard(stream.num_workers, stream.worker)


def _decode_all(groups: _Groups, cached: Cached) -> tf.data.Dataset:
    """A single element: all records [N] and their pixels [N, ...], in the order on disk."""
    decoded = groups.all_records().map(
        lambda record: (record, cached.decode(record)),
        num_parallel_calls=tf.data.AUTOTUNE,
        deterministic=True,
    )
    return decoded.batch(tf.reduce_sum(groups.counts))


def _finish(batch: dict) -> dict:
    return {**batch, "image": images.to_model_range(batch["image"])}


def train_shards(dataset: Dataset, split: str, fraction: float) -> tuple[Shard, ...]:
    """The part of a split that a run trains on.

    Raises:
      UserError: the data set lacks the split, or the fraction is not in (0, 1].
    """
    if split not in dataset.shards:
        raise UserError(
            f"{dataset.directory} has no split {split!r}, but {', '.join(sorted(dataset.shards))}: "
            "set config.data.train_split and eval_split, or build it with one"
        )
    return take_fraction(dataset.shards[split], fraction)


def train_batches(
    shards: Sequence[Shard],
    prepare: Prepare,
    batch_size: int,
    stream: Stream,
    cached: Cached | None = None,
) -> tf.data.Dataset:
    """Endless training batches.

    Args:
      shards: what `train_shards` gives.
      prepare: a task's, from serialized records to a batch.
      batch_size: of this worker, examples.
      stream: seed, starting position and this worker's share (every num_workers-th example).
      cached: a task's, to decode all images once where they fit into `stream.cache_bytes`; the
        batches are the same.

    Returns:
      Batches: dicts whose "image" is [batch_size, S, S, 3] float32 in [-1, 1] and whose "weight" is
      1.
    """
    groups, num_examples = _Groups.of(shards), count_examples(shards)

    def finish(examples: dict, seeds: tf.Tensor) -> dict:
        if stream.augment is not None:
            pixels = stream.augment(tf.cast(examples["image"], tf.float32), seeds[0])
            examples["image"] = tf.saturate_cast(tf.round(pixels), tf.uint8)
        return _finish({**examples, "weight": tf.ones([batch_size])})

    def batches(read: Callable, make: Callable) -> tf.data.Dataset:
        batches = _ordered(groups, num_examples, stream, read).batch(
            batch_size, drop_remainder=True
        )
        return batches.map(
            lambda rows, seeds: finish(make(rows, seeds), seeds),
            num_parallel_calls=tf.data.AUTOTUNE,
            deterministic=True,
        )

    def from_cache(cached: Cached, records: tf.Tensor, pixels: tf.Tensor) -> tf.data.Dataset:
        def make(places: tf.Tensor, seeds: tf.Tensor) -> dict:
            return cached.prepare(tf.gather(records, places), tf.gather(pixels, places), seeds)

        return batches(groups.places, make)

    if cached and num_examples * cached.example_bytes <= stream.cache_bytes:
        made = _decode_all(groups, cached).flat_map(functools.partial(from_cache, cached))
    else:
        made = batches(groups.records, lambda records, seeds: prepare(records, True, seeds))
    # Of data that may end, workers would ask each other before every step whether it has.
    endless = tf.data.experimental.assert_cardinality(tf.data.INFINITE_CARDINALITY)
    return made.apply(endless).prefetch(tf.data.AUTOTUNE)


def targets_table(shards: Sequence[Shard], prepare: Prepare, training: bool) -> Table:
    """All that `prepare` makes of the records but their images, which are not decoded.

    Args:
      shards: what `train_shards` gives.
      prepare: a task's.
      training: whether labels are those that training sees.
    """

    def targets(records: tf.Tensor) -> dict:
        batch = prepare(records, training, tf.zeros([tf.shape(records)[0], 2], tf.int64))
        del batch["image"]  # TensorFlow leaves out what nothing depends on
        return batch

    records = _Groups.of(shards).all_records().batch(TABLE_BATCH_SIZE)
    parts = list(records.map(targets, tf.data.AUTOTUNE).as_numpy_iterator())
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def train_table_batches(
    shards: Sequence[Shard], table: Table, batch_size: int, stream: Stream
) -> tf.data.Dataset:
    """Endless training batches of rows, in the order in which `train_batches` gives the records.

    Args:
      shards: of the records that the rows are of.
      table: the rows.
      batch_size, stream: as for `train_batches`.
    """
    groups, columns = _Groups.of(shards), {k: tf.constant(v) for k, v in table.items()}

    def gather(places: tf.Tensor, seeds: tf.Tensor) -> dict:
        batch = {name: tf.gather(column, places) for name, column in columns.items()}
        return {**batch, "weight": tf.ones([batch_size])}

    places = _ordered(groups, count_examples(shards), stream, groups.places)
    batches = places.batch(batch_size, drop_remainder=True)
    return batches.map(gather, tf.data.AUTOTUNE, deterministic=True).prefetch(tf.data.AUTOTUNE)


def _pad_rows(batch: dict, batch_size: int) -> dict:
    """Repeats the first row up to batch_size rows, with weight 0."""
    real = tf.shape(next(iter(batch.values())))[0]
    rows = tf.range(batch_size)
    padded = {
        name: tf.ensure_shape(
            tf.gather(value, tf.where(rows < real, rows, 0)), [batch_size, *value.shape[1:]]
        )
        for name, value in batch.items()
    }
    return {**padded, "weight": tf.cast(rows < real, tf.float32)}


def eval_batches(
    dataset: Dataset,
    split: str,
    prepare: Prepare,
    batch_size: int,
    worker: int = 0,
    num_workers: int = 1,
) -> tf.data.Dataset:
    """Every record of a split once; rows that pad the last batch have weight 0.

    With several workers each takes every num_workers-th record, and all give the same number of
    batches.
    """
    shards = train_shards(dataset, split, 1.0)
    serialized = _Groups.of(shards).all_records().shard(num_workers, worker)
    num_batches = math.ceil(dataset.num_examples(split) / (batch_size * num_workers))

    def batch(records: tf.Tensor) -> dict:
        seeds = tf.zeros([tf.shape(records)[0], 2], tf.int64)
        return _finish(_pad_rows(prepare(records, False, seeds), batch_size))

    batches = serialized.batch(batch_size)
    batches = batches.map(batch, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    return _same_number(batches, num_batches)


def eval_table_batches(
    table: Table, batch_size: int, worker: int = 0, num_workers: int = 1
) -> tf.data.Dataset:
    """Every row once, padded and dealt to workers as `eval_batches` does it."""
    num_rows = len(next(iter(table.values())))
    rows = tf.data.Dataset.from_tensor_slices(dict(table)).shard(num_workers, worker)
    batches = rows.batch(batch_size).map(lambda batch: _pad_rows(batch, batch_size))
    return _same_number(batches, math.ceil(num_rows / (batch_size * num_workers)))


def _same_number(batches: tf.data.Dataset, number: int) -> tf.data.Dataset:
    """Fills up with batches of weight 0, so that all workers have as many."""

    def without_weight(batch: dict) -> dict:
        return {**batch, "weight": tf.zeros_like(batch["weight"])}

    empty = batches.take(1).map(without_weight)
    return batches.concatenate(empty.repeat()).take(number).prefetch(tf.data.AUTOTUNE)
