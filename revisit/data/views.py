"""What training sees of a data set, chosen by config with nothing rewritten.

The records lie on disk in a fixed random order (a hash of their id), so the first part of them is a
random subset, and smaller subsets lie inside larger ones: the paper's data-size study. Its study of
the number of classes is two more choices: which classes are learned, and which images are used.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from ml_collections import ConfigDict

from revisit.data.duplicates import TRAIN, dropped_records
from revisit.data.records import Dataset, Shard, count_examples
from revisit.data.taxonomy import Taxonomy
from revisit.errors import UserError

if TYPE_CHECKING:
    import tensorflow as tf

_SCAN_SIZE = 1024  # records parsed at a time


def take_fraction(shards: Sequence[Shard], fraction: float) -> tuple[Shard, ...]:
    """The first `fraction` of the records, as shards of which the last may be cut short.

    Args:
      shards: of one split, in their order.
      fraction: in (0, 1]; the number of records is rounded, and is at least one.

    Raises:
      UserError: the fraction is not in (0, 1].
    """
    if not 0.0 < fraction <= 1.0:
        raise UserError(f"config.data.fraction={fraction} is not in (0, 1]")
    left = max(1, round(fraction * count_examples(shards)))
    taken = []
    for shard in shards:
        if left <= 0:
            break
        count = min(left, shard.num_examples)
        taken.append(shard._replace(num_examples=count))
        left -= count
    return tuple(taken)


def _most_frequent(dataset: Dataset, count: int) -> list[int]:
    counts = dataset.metadata["positive_counts"]
    totals = np.array(counts[TRAIN] if TRAIN in counts else next(iter(counts.values())))
    return sorted(np.argsort(-totals, kind="stable")[:count].tolist())


def _listed(dataset: Dataset, path: str, field: str) -> list[int]:
    ids = dataset.taxonomy.ids
    try:
        with open(path, encoding="utf-8-sig") as file:
            names = [line.strip() for line in file if line.strip()]
    except OSError as error:
        raise UserError(f"{field}={path!r} can't be read: {error.strerror}") from None
    unknown = [name for name in names if name not in ids]
    if unknown or not names:
        what = f"{unknown[0]!r} is no class of {dataset.directory}" if unknown else "it is empty"
        raise UserError(f"{field}={path!r}: {what}")
    return sorted({ids[name] for name in names})


def choose_classes(dataset: Dataset, chosen: str, field: str) -> list[int]:
    """Ids of the chosen classes, ascending.

    Args:
      dataset: whose classes.
      chosen: a number, for the most frequent in training, or a file of class names, one a line.
      field: of the config, for messages.

    Raises:
      UserError: neither, or a name that is no class.
    """
    if not chosen.isdecimal():
        return _listed(dataset, chosen, field)
    if not 0 < int(chosen) <= dataset.taxonomy.num_classes:
        raise UserError(f"{field}={chosen} is not in 1..{dataset.taxonomy.num_classes}")
    return _most_frequent(dataset, int(chosen))


def nearest_kept(taxonomy: Taxonomy, id_: int, kept: Sequence[int] | set[int]) -> tuple[int, ...]:
    """The kept classes at or above a class that have no other such class below them."""
    if id_ in kept:
        return (id_,)
    above = [each for each in taxonomy.ancestors(id_) if each in kept]
    higher = {ancestor for each in above for ancestor in taxonomy.ancestors(each)}
    return tuple(each for each in above if each not in higher)


def nearest_ids(dataset: Dataset) -> npt.NDArray[np.int32]:
    """[classes on disk]: id in a view of what stands for each class, itself or the nearest kept
    one above it (of several the first); -1 where nothing does."""
    if dataset.all_classes is None:
        return np.arange(dataset.taxonomy.num_classes, dtype=np.int32)
    kept = set(dataset.kept_classes)
    new_ids = {id_: place for place, id_ in enumerate(dataset.kept_classes)}
    nearest = [
        nearest_kept(dataset.all_classes, id_, kept)[:1]
        for id_ in range(dataset.all_classes.num_classes)
    ]
    return np.array([new_ids[found[0]] if found else -1 for found in nearest], np.int32)


def keep_classes(taxonomy: Taxonomy, kept: Sequence[int]) -> Taxonomy:
    """The taxonomy of some classes: who was an ancestor of whom still is.

    Args:
      taxonomy: of all classes.
      kept: ids, ascending; their places here are their ids there.
    """
    new_ids = {id_: place for place, id_ in enumerate(kept)}
    chosen = set(kept)
    parents = []
    for id_ in kept:
        above = [nearest_kept(taxonomy, parent, chosen) for parent in taxonomy.parents[id_]]
        nearest = {each for group in above for each in group}
        higher = {ancestor for each in nearest for ancestor in taxonomy.ancestors(each)}
        parents.append(tuple(sorted(new_ids[each] for each in nearest - higher)))
    names, titles = ([texts[id_] for id_ in kept] for texts in (taxonomy.names, taxonomy.titles))
    return Taxonomy(tuple(names), tuple(titles), tuple(parents))


def _with_classes(dataset: Dataset, kept: Sequence[int]) -> Dataset:
    counts = dataset.metadata["positive_counts"]
    kept_counts = {split: [each[id_] for id_ in kept] for split, each in counts.items()}
    return dataset._replace(
        taxonomy=keep_classes(dataset.taxonomy, kept),
        metadata={**dataset.metadata, "positive_counts": kept_counts},
        kept_classes=tuple(kept),
        all_classes=dataset.taxonomy,
    )


def _drop(shards: Sequence[Shard], dropped: npt.NDArray[np.bool_]) -> tuple[Shard, ...]:
    """The shards without some of their records.

    Args:
      shards: of one split, whole.
      dropped: [number of records in the split].
    """
    ends = np.cumsum([shard.num_examples for shard in shards])
    return tuple(
        shard._replace(num_examples=int(np.sum(~part)), dropped=tuple(np.flatnonzero(part)))
        for shard, part in zip(shards, np.split(dropped, ends[:-1]), strict=True)
    )


def _positives(shards: Sequence[Shard]) -> Iterator["tf.SparseTensor"]:
    import tensorflow as tf  # here alone: data_prep, which takes other parts of this, needs none

    spec = {"labels/positive": tf.io.VarLenFeature(tf.int64)}
    records = tf.data.TFRecordDataset([shard.path for shard in shards])
    for batch in records.batch(_SCAN_SIZE).map(lambda each: tf.io.parse_example(each, spec)):
        yield batch["labels/positive"]


def _shows_none(shards: Sequence[Shard], classes: Sequence[int]) -> npt.NDArray[np.bool_]:
    """[records]: whether an image has none of some classes; reads the split once."""
    parts = []
    for positives in _positives(shards):
        shown = np.zeros(positives.dense_shape[0], bool)
        rows = positives.indices[:, 0].numpy()
        shown[rows[np.isin(positives.values.numpy(), classes)]] = True
        parts.append(~shown)
    return np.concatenate(parts) if parts else np.zeros(0, bool)


def _without_others(dataset: Dataset, classes: Sequence[int]) -> Dataset:
    """Only images with at least one of some classes, in every split."""
    shards = {
        split: _drop(each, _shows_none(each, classes)) for split, each in dataset.shards.items()
    }
    empty = [split for split, each in shards.items() if not count_examples(each)]
    if empty:
        raise UserError(f"config.data.images_of: no image of split {empty[0]!r} has such a class")
    return dataset._replace(shards=shards)


def _without_duplicates(dataset: Dataset, which: str) -> Dataset:
    places = dropped_records(dataset, which)
    if not places:
        return dataset
    dropped = np.zeros(dataset.num_examples(TRAIN), bool)
    dropped[places] = True
    shards = {**dataset.shards, TRAIN: _drop(dataset.shards[TRAIN], dropped)}
    return dataset._replace(shards=shards)


def view(dataset: Dataset, config: ConfigDict) -> Dataset:
    """The data set as a run sees it.

    Args:
      dataset: whole, as on disk.
      config: config.data.

    Raises:
      UserError: a choice that the data set doesn't have.
    """
    dataset = _without_duplicates(dataset, config.drop_duplicates)
    if config.images_of:
        chosen = choose_classes(dataset, config.images_of, "config.data.images_of")
        dataset = _without_others(dataset, chosen)
    if config.classes:
        dataset = _with_classes(
            dataset, choose_classes(dataset, config.classes, "config.data.classes")
        )
    return dataset
