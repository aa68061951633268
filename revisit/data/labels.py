"""The labels of a batch as a run sees them: some classes of all, and noise.

Both are functions of the record alone. Noise acts on the labels as they were given, and what
follows from them (ancestors, their confidences) is made again from the noisy ones: where a wrong
label comes, its ancestors come with it. The truth and evaluation are left as they are.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from ml_collections import ConfigDict

from revisit.data.records import Dataset
from revisit.data.taxonomy import Taxonomy
from revisit.data.views import nearest_kept
from revisit.errors import UserError

# leaf, positive, negative, truth: [B, n] int64 ids, padded with -1; confidence: [B, n] float32
Labels = Mapping[str, tf.Tensor]
LabelView = Callable[[tf.Tensor, Labels, bool], Labels]

_NUM_BUCKETS = 2**53  # of the hashes that are turned into float64


def _table(rows: Iterable[Sequence[int]]) -> tf.Tensor:
    """[rows, longest] int64, padded with -1."""
    rows = list(rows)
    table = np.full((len(rows), max(1, *map(len, rows), 1)), -1, np.int64)
    for row, values in zip(table, rows, strict=True):
        row[: len(values)] = values
    return tf.constant(table)


def _look_up(table: tf.Tensor, ids: tf.Tensor) -> tf.Tensor:
    """Rows of a table, [B, n, width]; -1 for the ids that are -1."""
    return tf.where(ids[..., None] < 0, tf.constant(-1, tf.int64), tf.gather(table, _safe(ids)))


def _safe(ids: tf.Tensor) -> tf.Tensor:
    return tf.maximum(ids, 0)


def unique(ids: tf.Tensor, confidences: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Each id of a row once, ascending, with its highest confidence.

    Args:
      ids: [B, n] int64, -1 where there is none.
      confidences: [B, n] float32.

    Returns:
      Both, [B, longest], padded with -1 and 0.
    """
    last = tf.int64.max

    def reorder(order: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return tf.gather(ids, order, batch_dims=1), tf.gather(confidences, order, batch_dims=1)

    ids = tf.where(ids < 0, last, ids)
    ids, confidences = reorder(tf.argsort(-confidences, stable=True))
    ids, confidences = reorder(tf.argsort(ids, stable=True))
    repeats = tf.pad(ids[:, 1:] == ids[:, :-1], [[0, 0], [1, 0]])
    ids = tf.where(repeats, last, ids)
    ids, confidences = reorder(tf.argsort(ids, stable=True))
    exists = ids < last
    longest = tf.reduce_max(tf.reduce_sum(tf.cast(exists, tf.int32), axis=1))
    ids, confidences = tf.where(exists, ids, -1), tf.where(exists, confidences, 0)
    return ids[:, :longest], confidences[:, :longest]


def _unique_ids(ids: tf.Tensor) -> tf.Tensor:
    return unique(ids, tf.zeros(tf.shape(ids)))[0]


def _confidences_of(ids: tf.Tensor, labels: Labels) -> tf.Tensor:
    """[B, n] confidences of positives."""
    is_same = ids[:, :, None] == labels["positive"][:, None, :]
    return tf.reduce_max(tf.where(is_same, labels["confidence"][:, None, :], 0.0), axis=-1)


def _keep_classes(dataset: Dataset) -> LabelView:
    """From the ids on disk to those of the classes that are kept; a given label that is not kept
    is replaced by what is kept nearest above it."""
    all_classes, kept = dataset.all_classes, dataset.kept_classes
    assert all_classes is not None
    new_ids = {id_: place for place, id_ in enumerate(kept)}
    same = _table([(new_ids.get(id_, -1),) for id_ in range(all_classes.num_classes)])
    nearest = _table(
        [new_ids[each] for each in nearest_kept(all_classes, id_, set(kept))]
        for id_ in range(all_classes.num_classes)
    )

    def keep(record_ids: tf.Tensor, labels: Labels, training: bool) -> Labels:
        del record_ids, training
        mapped = {
            name: _look_up(same, ids)[..., 0]
            for name, ids in labels.items()
            if name not in ("leaf", "confidence")
        }
        kept_labels = {name: _unique_ids(ids) for name, ids in mapped.items()}
        positive, confidence = unique(mapped["positive"], labels["confidence"])
        leaf = _look_up(nearest, labels["leaf"])
        leaf = _unique_ids(tf.reshape(leaf, [tf.shape(leaf)[0], -1]))
        return {**kept_labels, "leaf": leaf, "positive": positive, "confidence": confidence}

    return keep


class _Replacements(NamedTuple):
    """For each class, those that may stand in its place: a part of `flat`."""

    flat: tf.Tensor
    starts: tf.Tensor
    counts: tf.Tensor

    def choose(self, ids: tf.Tensor, uniform: tf.Tensor) -> tf.Tensor:
        """One of each class's, by numbers in [0, 1); the class itself where it has none."""
        counts = tf.gather(self.counts, _safe(ids))
        place = tf.cast(uniform * tf.cast(counts, uniform.dtype), tf.int64)
        found = tf.gather(self.flat, tf.gather(self.starts, _safe(ids)) + place)
        return tf.where(counts > 0, found, ids)


def _siblings(taxonomy: Taxonomy) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    """Another child of one of its parents; a class without any stays."""
    rows = [
        sorted({each for parent in parents for each in taxonomy.children[parent]} - {id_})
        for id_, parents in enumerate(taxonomy.parents)
    ]
    counts = np.array([len(row) for row in rows], np.int64)
    flat = np.array([*(each for row in rows for each in row), -1], np.int64)
    starts = np.cumsum(counts) - counts
    return _Replacements(tf.constant(flat), tf.constant(starts), tf.constant(counts)).choose


def _any_leaf(taxonomy: Taxonomy) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    """Any other class without children."""
    leaves = taxonomy.leaves()
    places = np.full(taxonomy.num_classes, len(leaves) - 1, np.int64)
    places[list(leaves)] = np.arange(len(leaves))
    table = tf.constant(leaves, tf.int64)

    def choose(ids: tf.Tensor, uniform: tf.Tensor) -> tf.Tensor:
        # The places of all leaves but its own, counted on from it.
        step = 1 + tf.cast(uniform * (len(leaves) - 1), tf.int64)
        place = (tf.gather(places, _safe(ids)) + step) % len(leaves)
        return tf.where(ids < 0, ids, tf.gather(table, place))

    return choose


NOISE_KINDS = {"sibling": _siblings, "uniform": _any_leaf}


def _draw(record_ids: tf.Tensor, ids: tf.Tensor, seed: int, purpose: int) -> tf.Tensor:
    """[B, n] float64 in [0, 1): the same for the same record, label, seed and purpose."""
    record_ids = tf.broadcast_to(record_ids[:, None], tf.shape(ids))
    keys = tf.strings.join([record_ids, tf.strings.as_string(ids)], "/")
    hashed = tf.strings.to_hash_bucket_strong(keys, _NUM_BUCKETS, [seed, purpose])
    return tf.cast(hashed, tf.float64) / _NUM_BUCKETS


def _drop_some(ids: tf.Tensor, missing: tf.Tensor) -> tf.Tensor:
    """Without those that are missing, but never without all: then the first stays."""
    exists = ids >= 0
    all_missing = tf.reduce_all(missing | ~exists, axis=1, keepdims=True)
    first = tf.range(tf.shape(ids)[1]) == 0
    return tf.where(missing & ~(all_missing & first), tf.constant(-1, tf.int64), ids)


def _make_noise(taxonomy: Taxonomy, config: ConfigDict, seed: int) -> LabelView:
    replace = NOISE_KINDS[config.noise_kind](taxonomy)
    closures = _table((id_, *taxonomy.ancestors(id_)) for id_ in range(taxonomy.num_classes))

    def add_noise(record_ids: tf.Tensor, labels: Labels, training: bool) -> Labels:
        if not training:
            return labels
        given = labels["leaf"]
        is_wrong, choice, is_missing = (_draw(record_ids, given, seed, each) for each in range(3))
        leaf = tf.where(is_wrong < config.noise_wrong, replace(given, choice), given)
        leaf = _drop_some(leaf, is_missing < config.noise_missing)
        closed = _look_up(closures, leaf)  # [B, n, ancestors]
        confidences = tf.broadcast_to(_confidences_of(given, labels)[..., None], tf.shape(closed))
        flat = [tf.shape(closed)[0], -1]
        positive, confidence = unique(tf.reshape(closed, flat), tf.reshape(confidences, flat))
        contradicted = tf.reduce_any(
            labels["negative"][:, :, None] == positive[:, None, :], axis=-1
        )
        negative = tf.where(contradicted, tf.constant(-1, tf.int64), labels["negative"])
        noisy = {"leaf": _unique_ids(leaf), "positive": positive, "confidence": confidence}
        return {**labels, **noisy, "negative": _unique_ids(negative)}

    return add_noise


def _check(config: ConfigDict) -> None:
    if config.noise_kind not in NOISE_KINDS:
        kinds = ", ".join(map(repr, NOISE_KINDS))
        raise UserError(f"config.data.noise_kind={config.noise_kind!r} is none of {kinds}")
    for name in ("noise_wrong", "noise_missing"):
        if not 0 <= config[name] <= 1:
            raise UserError(f"config.data.{name}={config[name]} is not in [0, 1]")


def _has_noise(config: ConfigDict) -> bool:
    return config.noise_wrong > 0 or config.noise_missing > 0


def longest_positives(dataset: Dataset, config: ConfigDict) -> int:
    """What no image's list of positives is longer than.

    Args:
      dataset: as the run sees it (`views.view`).
      config: config.data.
    """
    longest = max(1, int(dataset.metadata.get("max_positives", 1)))
    if not _has_noise(config):
        return longest
    taxonomy = dataset.taxonomy
    deepest = 1 + max(len(taxonomy.ancestors(id_)) for id_ in range(taxonomy.num_classes))
    return min(taxonomy.num_classes, longest * deepest)


def make_label_view(dataset: Dataset, config: ConfigDict, seed: int) -> LabelView:
    """What turns the labels of a batch of records into those that a run sees.

    Args:
      dataset: as the run sees it (`views.view`).
      config: config.data.
      seed: of the noise.

    Returns:
      (record ids [B], labels, whether training) -> labels.

    Raises:
      UserError: a rate that is none, or no such kind of noise.
    """
    _check(config)
    steps = [
        *([_keep_classes(dataset)] if dataset.all_classes is not None else []),
        *([_make_noise(dataset.taxonomy, config, seed)] if _has_noise(config) else []),
    ]

    def apply(record_ids: tf.Tensor, labels: Labels, training: bool) -> Labels:
        for step in steps:
            labels = step(record_ids, labels, training)
        return labels

    return apply
