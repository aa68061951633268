"""revisit.data.input and views: every example once an epoch, and the stream from any position."""

import pathlib
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from revisit.data import images
from revisit.data import input as data_input
from revisit.data.augment import AUGMENTATIONS, check_augment, make_augment
from revisit.data.input import Stream
from revisit.data.records import Contents, Dataset, Shard, parse_record, read_dataset
from revisit.data.views import take_fraction
from revisit.errors import UserError

BATCH = 8


def _prepare(serialized: tf.Tensor, training: bool, seeds: tf.Tensor) -> dict:
    records = parse_record(serialized, Contents())
    if training:
        pixels = images.train_images(records["image"], 32, 28, True, seeds)
    else:
        pixels = images.eval_images(records["image"], 32, 28)
    return {"image": pixels, "id": records["id"]}


@pytest.fixture(scope="module")
def dataset(tiny_data: dict[str, pathlib.Path]) -> Dataset:
    return read_dataset(tiny_data["multi"])


def _prepare_one(record: dict, training: bool, seed: tf.Tensor) -> dict:
    seeds = seed[tf.newaxis]
    return {
        "image": images.train_images(record["image"][tf.newaxis], 32, 28, True, seeds)[0],
        "id": record["id"],
        "num_labels": tf.size(record["labels"]["positive"]),
    }


def _read(dataset: Dataset, num_batches: int, stream: Stream, fraction: float = 1.0) -> Any:
    shards = data_input.train_shards(dataset, "train", fraction)
    batches = data_input.train_batches(shards, _prepare, BATCH, stream)
    taken = list(batches.take(num_batches))
    ids = np.concatenate([batch["id"].numpy() for batch in taken])
    return ids, np.concatenate([batch["image"].numpy() for batch in taken])


def test_every_example_comes_once_an_epoch_in_a_new_order(dataset: Dataset) -> None:
    ids, _ = _read(dataset, 24, Stream(seed=0))
    first, second = ids[:96], ids[96:]
    assert len(set(first)) == len(set(second)) == 96
    assert not np.array_equal(first, second)


def test_the_stream_goes_on_at_any_position_with_the_same_pixels(dataset: Dataset) -> None:
    ids, pixels = _read(dataset, 30, Stream(seed=5))
    for batch in (1, 7, 11, 12, 13, 29):
        stream = Stream(seed=5, start=batch * BATCH)
        later_ids, later_pixels = _read(dataset, 30 - batch, stream)
        assert np.array_equal(later_ids, ids[batch * BATCH :])
        assert np.array_equal(later_pixels, pixels[batch * BATCH :])


def test_an_example_at_a_time_gives_the_same_as_a_batch(dataset: Dataset) -> None:
    shards, stream = dataset.shards["train"], Stream(seed=3)
    one_by_one = data_input.each_example(_prepare_one, Contents())
    batch = next(iter(data_input.train_batches(shards, one_by_one, BATCH, stream)))
    ids, pixels = _read(dataset, 1, stream)
    assert np.array_equal(batch["id"], ids)
    assert np.array_equal(batch["image"], pixels)
    assert len(set(batch["num_labels"].numpy())) > 1  # lists keep their own length


def _decode(serialized: tf.Tensor) -> tf.Tensor:
    return images.decode_square(parse_record(serialized, Contents())["image"], 32)


def _prepare_cached(serialized: tf.Tensor, squares: tf.Tensor, seeds: tf.Tensor) -> dict:
    records = parse_record(serialized, Contents())
    return {"image": images.crop_squares(squares, 28, True, seeds), "id": records["id"]}


def _read_cached(
    dataset: Dataset, num_batches: int, stream: Stream, fraction: float, example_bytes: int
) -> tuple[np.ndarray, np.ndarray]:
    def prepare_nothing(serialized: tf.Tensor, training: bool, seeds: tf.Tensor) -> dict:
        return {"image": tf.zeros([BATCH, 28, 28, 3], tf.uint8), "id": tf.fill([BATCH], "disk")}

    shards = data_input.train_shards(dataset, "train", fraction)
    cached = data_input.Cached(_decode, _prepare_cached, example_bytes)
    batches = data_input.train_batches(shards, prepare_nothing, BATCH, stream, cached)
    taken = list(batches.take(num_batches))
    ids, pixels = (np.concatenate([batch[key] for batch in taken]) for key in ("id", "image"))
    return ids, pixels


@pytest.mark.parametrize("group_bytes", [1, data_input.GROUP_BYTES])
@pytest.mark.parametrize(
    "stream",
    [
        Stream(seed=5),
        Stream(seed=5, start=7 * BATCH),
        Stream(seed=5, start=17 * BATCH, worker=1, num_workers=3),
        Stream(seed=5, shuffle=False),
    ],
)
def test_the_cache_changes_no_bit_of_any_batch(
    dataset: Dataset, stream: Stream, group_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data_input, "GROUP_BYTES", group_bytes)
    for fraction in (1.0, 0.3):
        ids, pixels = _read(dataset, 20, stream, fraction)
        stream_of_cache = stream._replace(cache_bytes=96 * 32 * 32 * 3)
        others = _read_cached(dataset, 20, stream_of_cache, fraction, 32 * 32 * 3)
        assert np.array_equal(others[0], ids)
        assert np.array_equal(others[1], pixels)


def test_op_determinism_leaves_the_pipeline_parallel(
    dataset: Dataset, capfd: pytest.CaptureFixture
) -> None:
    """Else TensorFlow complains of an attribute of the parallel map that it made a plain one."""
    tf.config.experimental.enable_op_determinism()
    tf.random.set_global_generator(tf.random.Generator.from_seed(0))  # for keras-cv's layers
    stream = Stream(seed=5, cache_bytes=2**20)
    _read(dataset, 1, stream)
    _read_cached(dataset, 1, stream, 1.0, 32 * 32 * 3)
    table = {"number": np.arange(96)}
    shards = data_input.train_shards(dataset, "train", 1.0)
    next(iter(data_input.train_table_batches(shards, table, BATCH, stream)))
    assert "ParallelMapDataset" not in capfd.readouterr().err


def test_rows_of_a_table_come_in_the_order_of_the_records(dataset: Dataset) -> None:
    shards = data_input.train_shards(dataset, "train", 1.0)
    table = data_input.targets_table(shards, _prepare, training=True)
    assert table.keys() == {"id"}
    stream = Stream(seed=5, start=7 * BATCH, worker=1, num_workers=2)
    batches = data_input.train_table_batches(shards, table, BATCH, stream).take(20)
    ids, _ = _read(dataset, 20, stream)
    np.testing.assert_array_equal(np.concatenate([batch["id"] for batch in batches]), ids)


def test_images_that_do_not_all_fit_are_read_from_disk(dataset: Dataset) -> None:
    stream = Stream(seed=0, cache_bytes=95 * 32 * 32 * 3)  # of 96 images
    ids, _ = _read_cached(dataset, 1, stream, 1.0, 32 * 32 * 3)
    assert set(ids) == {b"disk"}


def test_seeds_give_different_orders_and_crops(dataset: Dataset) -> None:
    one, other = (_read(dataset, 12, Stream(seed=seed)) for seed in (0, 1))
    assert not np.array_equal(one[0], other[0])


def test_small_groups_are_permuted_as_well(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data_input, "GROUP_BYTES", 1)  # a group a shard
    ids, _ = _read(dataset, 24, Stream(seed=0))
    assert len(set(ids[:96])) == 96
    later, _ = _read(dataset, 17, Stream(seed=0, start=7 * BATCH))
    assert np.array_equal(later, ids[7 * BATCH :])


def test_workers_share_the_stream_without_loss(dataset: Dataset) -> None:
    whole, _ = _read(dataset, 24, Stream(seed=2))
    for num_workers in (2, 5):  # of 3 files
        for worker in range(num_workers):
            stream = Stream(seed=2, worker=worker, num_workers=num_workers)
            part, _ = _read(dataset, 24 // num_workers, stream)
            assert np.array_equal(part, whole[worker::num_workers][: len(part)])


def test_strategies_are_told_that_the_stream_has_no_end(dataset: Dataset) -> None:
    shards = data_input.train_shards(dataset, "train", 1.0)
    batches = data_input.train_batches(shards, _prepare, BATCH, Stream(seed=0))
    assert batches.cardinality() == tf.data.INFINITE_CARDINALITY


def test_smaller_fractions_lie_inside_larger_ones(dataset: Dataset) -> None:
    seen = [set(_read(dataset, 12, Stream(seed=0), f)[0]) for f in (0.25, 0.5, 1.0)]
    assert [len(each) for each in seen] == [24, 48, 96]
    assert seen[0] < seen[1] < seen[2]


def test_take_fraction_cuts_the_last_shard() -> None:
    shards = (Shard("a", 10), Shard("b", 10), Shard("c", 10))
    assert take_fraction(shards, 0.5) == (Shard("a", 10), Shard("b", 5))
    assert take_fraction(shards, 1e-9) == (Shard("a", 1),)
    assert take_fraction(shards, 1.0) == shards
    for wrong in (0.0, 1.5, -1.0):
        with pytest.raises(UserError, match=r"config.data.fraction=.* is not in \(0, 1\]"):
            take_fraction(shards, wrong)


@pytest.mark.parametrize("batch_size", [1, 7, 16, 64])
@pytest.mark.parametrize("num_workers", [1, 3])
def test_evaluation_gives_every_example_once(
    dataset: Dataset, batch_size: int, num_workers: int
) -> None:
    seen, counts = [], set()
    for worker in range(num_workers):
        batches = list(
            data_input.eval_batches(
                dataset, "validation", _prepare, batch_size, worker, num_workers
            )
        )
        counts.add(len(batches))
        for batch in batches:
            assert batch["image"].shape == (batch_size, 28, 28, 3)
            seen.extend(batch["id"].numpy()[batch["weight"].numpy() > 0])
    assert len(seen) == len(set(seen)) == 40
    assert len(counts) == 1  # or a worker would wait for ever for the others


def test_an_unknown_split_is_named(dataset: Dataset) -> None:
    with pytest.raises(UserError, match=r"no split 'trian', but train, validation"):
        data_input.train_shards(dataset, "trian", 1.0)


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_augmentation_changes_pixels_and_goes_on_the_same(dataset: Dataset, name: str) -> None:
    _, plain = _read(dataset, 4, Stream(seed=0))
    _, changed = _read(dataset, 4, Stream(seed=0, augment=make_augment(name)))
    _, later = _read(dataset, 2, Stream(seed=0, start=2 * BATCH, augment=make_augment(name)))
    assert np.abs(changed - plain).mean() > 0.02
    assert changed.min() >= -1.0
    assert changed.max() <= 1.0
    assert np.array_equal(later, changed[2 * BATCH :])


def test_augmentations_are_named() -> None:
    assert make_augment("none") is None
    with pytest.raises(UserError, match="config.data.augment='blur' is not one of none, color"):
        check_augment("blur")
