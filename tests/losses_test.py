"""The losses against TensorFlow's own on dense labels, and by hand."""

import numpy as np
import pytest
import tensorflow as tf

from revisit.tasks import losses

NUM_CLASSES = 23


def _random_batch(seed, batch_size=17, length=9, num_negatives=5):
    """Padded in any place, with repeated ids, ids in both lists, and an empty row."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(-1, NUM_CLASSES, (batch_size, length))
    labels[rng.random(labels.shape) < 0.4] = -1
    labels[0] = -1
    negatives = rng.integers(-1, NUM_CLASSES, (batch_size, num_negatives))
    negatives[0] = -1
    return {
        "logits": (rng.normal(size=(batch_size, NUM_CLASSES)) * 8).astype(np.float32),
        "labels": labels.astype(np.int32),
        "confidences": rng.random(labels.shape).astype(np.float32),
        "negatives": negatives.astype(np.int32),
    }


def _dense(batch, absent):
    """(targets, known), both [B, C], filled in the slow and obvious way."""
    targets = np.zeros(batch["logits"].shape, np.float32)
    known = np.full(targets.shape, absent == "negative")
    for row, ids in enumerate(batch["negatives"]):
        known[row, ids[ids >= 0]] = True
    for row, ids in enumerate(batch["labels"]):
        for id_, confidence in zip(ids, batch["confidences"][row], strict=True):
            if id_ >= 0:
                targets[row, id_] = max(targets[row, id_], confidence)
                known[row, id_] = True
    return targets, known.astype(np.float32)


def _value_and_gradient(loss, logits, scale):
    with tf.GradientTape() as tape:
        tape.watch(logits)
        values = loss(logits)
        total = tf.reduce_sum(values * scale)  # a different weight for each example
    return values, tape.gradient(total, logits)


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize("absent", ["negative", "unknown"])
@pytest.mark.parametrize("seed", range(4))
def test_values_and_gradients_are_those_of_dense_labels(seed, absent, jit):
    batch = _random_batch(seed)
    targets, known = _dense(batch, absent)
    scale = tf.linspace(0.5, 2.0, len(targets))

    def dense(logits):
        return tf.reduce_sum(
            known * tf.nn.sigmoid_cross_entropy_with_logits(targets, logits), axis=1
        )

    @tf.function(jit_compile=jit)
    def sparse(logits, labels, confidences, negatives):
        return _value_and_gradient(
            lambda x: losses.sparse_sigmoid_cross_entropy(
                x, labels, confidences, negatives, absent=absent
            ),
            logits,
            scale,
        )

    values, gradient = sparse(**{name: tf.constant(value) for name, value in batch.items()})
    expected, expected_gradient = _value_and_gradient(dense, tf.constant(batch["logits"]), scale)
    np.testing.assert_allclose(values, expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(gradient, expected_gradient, rtol=1e-5, atol=1e-6)


def test_a_worked_example():
    logits = tf.constant([[0.0, 2.0, -1.0]])
    loss = losses.sparse_sigmoid_cross_entropy(logits, tf.constant([[1, 1, -1]]))
    # log 2 + log(1 + e^2) - 2 + log(1 + e^-1)
    np.testing.assert_allclose(loss, [0.693147 + 2.126928 - 2.0 + 0.313262], rtol=1e-5)


def test_of_a_repeated_id_the_highest_confidence_counts():
    logits = tf.constant([[1.0, -2.0]])
    repeated = losses.sparse_sigmoid_cross_entropy(
        logits, tf.constant([[0, 0, 0]]), tf.constant([[0.2, 0.7, 0.7]])
    )
    once = losses.sparse_sigmoid_cross_entropy(logits, tf.constant([[0]]), tf.constant([[0.7]]))
    np.testing.assert_allclose(repeated, once)


def test_a_positive_wins_over_a_negative_of_the_same_class():
    logits = tf.constant([[3.0, 5.0]])
    both = losses.sparse_sigmoid_cross_entropy(
        logits, tf.constant([[0]]), negatives=tf.constant([[0, -1]]), absent="unknown"
    )
    np.testing.assert_allclose(both, [0.048587], rtol=1e-4)  # log(1 + e^-3)


def test_a_row_without_labels_is_all_negative_or_nothing():
    logits = tf.constant([[0.0, 0.0]])
    nothing = tf.constant([[-1]])
    negative = losses.sparse_sigmoid_cross_entropy(logits, nothing)
    unknown = losses.sparse_sigmoid_cross_entropy(logits, nothing, absent="unknown")
    np.testing.assert_allclose(negative, [2 * 0.693147], rtol=1e-5)
    np.testing.assert_array_equal(unknown, [0.0])


@pytest.mark.parametrize("absent", ["negative", "unknown"])
def test_extreme_logits_stay_finite(absent):
    logits = tf.constant([[1e4, -1e4, 0.0]])
    values, gradient = _value_and_gradient(
        lambda x: losses.sparse_sigmoid_cross_entropy(
            x, tf.constant([[1, 2]]), negatives=tf.constant([[0]]), absent=absent
        ),
        logits,
        1.0,
    )
    np.testing.assert_allclose(values, [2e4 + 0.693147])
    np.testing.assert_allclose(gradient, [[1.0, -1.0, -0.5]])


def test_bfloat16_logits_are_summed_in_float32():
    logits = tf.zeros([1, 18291], tf.bfloat16)
    values, gradient = _value_and_gradient(
        lambda x: losses.sparse_sigmoid_cross_entropy(x, tf.constant([[3]])), logits, 1.0
    )
    assert values.dtype == tf.float32
    np.testing.assert_allclose(values, [18291 * 0.6931472], rtol=1e-5)
    assert gradient.dtype == tf.bfloat16


def test_shapes_may_be_unknown_when_traced():
    spec = tf.TensorSpec([None, None])
    function = tf.function(losses.sparse_sigmoid_cross_entropy).get_concrete_function(
        spec, tf.TensorSpec([None, None], tf.int64)
    )
    values = function(tf.zeros([2, 3]), tf.constant([[0], [1]], tf.int64))
    np.testing.assert_allclose(values, [3 * 0.693147] * 2, rtol=1e-5)


def test_an_unknown_meaning_of_absence_is_refused():
    with pytest.raises(ValueError, match="absent must be one of .* Received: absent='maybe'"):
        losses.sparse_sigmoid_cross_entropy(tf.zeros([1, 2]), tf.constant([[0]]), absent="maybe")


def test_softmax_leaves_rows_without_a_label_out():
    logits = tf.constant([[1.0, 2.0, 3.0], [1.0, 2.0, 3.0]])
    values, gradient = _value_and_gradient(
        lambda x: losses.softmax_cross_entropy(x, tf.constant([2, -1])), logits, 1.0
    )
    np.testing.assert_allclose(values, [0.407606, 0.0], rtol=1e-5)
    np.testing.assert_allclose(gradient[0], [0.090031, 0.244728, -0.334759], rtol=1e-5)
    np.testing.assert_array_equal(gradient[1], [0.0, 0.0, 0.0])


def test_prior_bias_is_the_smoothed_log_odds():
    bias = losses.prior_bias(np.array([0, 49, 98]), 98)
    np.testing.assert_allclose(bias, [-4.59512, 0.0, 4.59512], rtol=1e-5)
    assert bias.dtype == np.float32


def test_a_head_at_the_priors_has_the_entropy_as_its_loss():
    counts = np.array([1, 50, 200, 900])
    logits = tf.constant(losses.prior_bias(counts, 1000)[None])
    rate = counts / 1000
    entropy = -np.sum(rate * np.log(rate) + (1 - rate) * np.log(1 - rate))
    # The mean loss of 1,000 images with these labels: sum softplus(b) - sum rate x b.
    everything_absent = losses.sparse_sigmoid_cross_entropy(logits, tf.constant([[-1]]))
    mean = float(everything_absent[0]) - float(np.sum(rate * logits[0].numpy()))
    assert mean == pytest.approx(entropy, abs=1e-3)


def test_impossible_counts_are_refused():
    with pytest.raises(ValueError, match=r"Received: 3 to 12, num_examples=10"):
        losses.prior_bias(np.array([3, 12]), 10)
