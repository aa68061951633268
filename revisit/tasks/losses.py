"""Losses of noisy labels: sparse ids in, one loss for each example out.

The caller reduces, by the global batch. A row of labels is a list of class ids padded with -1. No
function here makes a `[batch, num_classes]` tensor of labels: at 18,291 classes that would be 18 MB
a batch of 256 to fill, send and read again.
"""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

ABSENT = ("negative", "unknown")


class _Targets(NamedTuple):
    """What the ids of a batch say, each class of a row at most once.

    ids: [B, N] int32, 0 where padded.
    known: [B, N] float32, 1 for the entry that speaks for its class, else 0.
    targets: [B, N] float32 in [0, 1], 0 where not known.
    """

    ids: tf.Tensor
    known: tf.Tensor
    targets: tf.Tensor


def _speaks_for_its_class(ids: tf.Tensor, rank: tf.Tensor) -> tf.Tensor:
    """True for the entry of highest rank, the first of equals, among a row's entries of one id.

    ids: [B, N] int32, -1 is padding; rank: [B, N] float32. Returns [B, N] bool, False for padding.
    """
    place = tf.range(tf.shape(ids)[1])
    same = ids[:, :, None] == ids[:, None, :]  # [B, N, N]: lists are short, so no sort is needed
    higher = rank[:, None, :] > rank[:, :, None]
    earlier = (rank[:, None, :] == rank[:, :, None]) & (place[None, :] < place[:, None])
    return (ids >= 0) & ~tf.reduce_any(same & (higher | earlier), axis=2)


def _resolve(
    labels: tf.Tensor, confidences: tf.Tensor | None, negatives: tf.Tensor | None
) -> _Targets:
    ids = tf.cast(labels, tf.int32)
    targets = tf.ones(tf.shape(ids)) if confidences is None else tf.cast(confidences, tf.float32)
    rank = targets
    if negatives is not None:
        ids = tf.concat([ids, tf.cast(negatives, tf.int32)], axis=1)
        nothing = tf.zeros(tf.shape(negatives))
        rank = tf.concat([rank, nothing - 1.0], axis=1)  # below every confidence: the positive wins
        targets = tf.concat([targets, nothing], axis=1)
    known = tf.cast(_speaks_for_its_class(ids, rank), tf.float32)
    return _Targets(tf.maximum(ids, 0), known, known * targets)


def _scatter_places(ids: tf.Tensor) -> tf.Tensor:
    """[B, N] class ids -> [B, N, 2] int32 places (row, class) in a [B, C] tensor."""
    rows = tf.broadcast_to(tf.range(tf.shape(ids)[0])[:, None], tf.shape(ids))
    return tf.stack([rows, ids], axis=2)


@tf.custom_gradient
def _all_classes_known(
    logits: tf.Tensor, ids: tf.Tensor, targets: tf.Tensor
) -> tuple[tf.Tensor, object]:
    """[B] losses where a class that is not among the ids is a negative."""
    positives = tf.gather(logits, ids, batch_dims=1)  # [B, N]
    losses = tf.reduce_sum(tf.nn.softplus(logits), axis=1)
    losses -= tf.reduce_sum(targets * positives, axis=1)

    def backward(upstream: tf.Tensor) -> tuple[tf.Tensor | None, ...]:
        # sigmoid - target, with the few targets subtracted in place: the gradient that TensorFlow
        # would derive makes a second [B, C] tensor for the gather, and adds it.
        weight = upstream[:, None]
        dense = tf.sigmoid(logits) * weight
        gradient = tf.tensor_scatter_nd_sub(dense, _scatter_places(ids), targets * weight)
        return gradient, None, None

    return losses, backward


@tf.custom_gradient
def _given_classes_known(
    logits: tf.Tensor, ids: tf.Tensor, known: tf.Tensor, targets: tf.Tensor
) -> tuple[tf.Tensor, object]:
    """[B] losses over the given ids alone."""
    given = tf.gather(logits, ids, batch_dims=1)  # [B, N]
    losses = tf.reduce_sum(known * tf.nn.softplus(given) - targets * given, axis=1)

    def backward(upstream: tf.Tensor) -> tuple[tf.Tensor | None, ...]:
        updates = (known * tf.sigmoid(given) - targets) * upstream[:, None]
        return tf.scatter_nd(_scatter_places(ids), updates, tf.shape(logits)), None, None, None

    return losses, backward


def sparse_sigmoid_cross_entropy(
    logits: tf.Tensor,
    labels: tf.Tensor,
    confidences: tf.Tensor | None = None,
    negatives: tf.Tensor | None = None,
    absent: str = "negative",
) -> tf.Tensor:
    """Sum over classes of the logistic loss, from sparse labels.

    For logits x and targets t it is sum_c softplus(x_c) - sum_{c positive} t_c x_c, which equals
    `sum(tf.nn.sigmoid_cross_entropy_with_logits(t, x))` with t a dense row. Its gradient by x is
    sigmoid(x) - t.

    Args:
      logits: [B, C] floats; computed in float32 whatever they are.
      labels: [B, L] integers, ids of the positive classes, -1 is padding. An id that stands twice
        in a row counts once, with its highest confidence. Ids must be below C: records are checked
        when they are made.
      confidences: [B, L] floats in [0, 1], the targets of the positives; None: all 1.
      negatives: [B, M] integers, ids of classes verified to be absent (target 0), -1 is padding.
        Where an id is both positive and negative, the positive wins.
      absent: what a class is that is in neither list: "negative" (target 0; then `negatives` change
        nothing) or "unknown" (left out of the loss; a row without any label has loss 0).

    Returns:
      [B] float32.
    """
    if absent not in ABSENT:
        raise ValueError(f"absent must be one of {ABSENT}. Received: absent={absent!r}")
    logits = tf.cast(logits, tf.float32)
    if absent == "negative":
        given = _resolve(labels, confidences, None)
        return _all_classes_known(logits, given.ids, given.targets)
    given = _resolve(labels, confidences, negatives)
    return _given_classes_known(logits, given.ids, given.known, given.targets)


def softmax_cross_entropy(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """Cross-entropy of the one true class.

    Args:
      logits: [B, C] floats; computed in float32 whatever they are.
      labels: [B] integers in [0, C); -1 is a row without a label, whose loss and gradient are 0.

    Returns:
      [B] float32.
    """
    labels = tf.cast(labels, tf.int32)
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(
        labels=tf.maximum(labels, 0), logits=tf.cast(logits, tf.float32)
    )
    return tf.where(labels >= 0, losses, 0.0)


def prior_bias(positive_counts: np.ndarray, num_examples: int) -> np.ndarray:
    """Logits of the classes' priors, for a head to start from: the loss of guessing by frequency.

    With zero biases every one of C classes starts at p = 1/2, and the first steps are spent on
    learning that nearly everything is absent (as RetinaNet's initialisation, Lin et al. 2017, but
    by class). Frequencies are smoothed by one example of each kind (Laplace), so that a class
    without positives has a finite bias.

    Args:
      positive_counts: [C] integers, the number of examples with each class.
      num_examples: the number of examples that were counted.

    Returns:
      [C] float32.
    """
    counts = np.asarray(positive_counts, np.float64)
    if counts.size and (counts.min() < 0 or counts.max() > num_examples):
        raise ValueError(
            "positive_counts must be in [0, num_examples]. "
            f"Received: {counts.min():.0f} to {counts.max():.0f}, num_examples={num_examples}"
        )
    return np.log((counts + 1.0) / (num_examples - counts + 1.0)).astype(np.float32)
