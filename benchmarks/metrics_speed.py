"""Mean average precision of 18,291 classes: images a second on one core, and memory.

    python -m benchmarks.metrics_speed

The reference is Keras' `AUC(curve="PR", multi_label=True)`, the metric that comes with the
framework (200 thresholds, on all cores that TensorFlow takes). Batch 64, up to 8 labels an image.
"""

import resource
from collections.abc import Callable

import numpy as np
import tensorflow as tf
import tf_keras as keras

from benchmarks import table
from revisit.evaluation import metrics

BATCH_SIZE = 64
NUM_CLASSES = 18291
MAX_LABELS = 8
REPEATS = 9
GOAL = 500  # images a second


def _batch() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    scores = (rng.normal(size=(BATCH_SIZE, NUM_CLASSES)) * 2 - 8).astype(np.float32)
    return scores, rng.integers(-1, NUM_CLASSES, (BATCH_SIZE, MAX_LABELS))


def _keras_update(scores: np.ndarray, labels: np.ndarray) -> Callable[[], None]:
    auc = keras.metrics.AUC(curve="PR", multi_label=True, num_labels=NUM_CLASSES, from_logits=True)

    @tf.function
    def update(labels: tf.Tensor, scores: tf.Tensor) -> None:
        auc.update_state(labels, scores)

    def run() -> None:
        present = np.zeros(scores.shape, np.float32)
        rows, places = np.nonzero(labels >= 0)
        present[rows, labels[rows, places]] = 1.0
        update(tf.constant(present), tf.constant(scores))

    return run


def _update(metric: metrics.Metric, scores: np.ndarray, labels: np.ndarray) -> Callable[[], None]:
    return lambda: metric.update(scores, labels)


def main() -> None:
    """Prints the table."""
    scores, labels = _batch()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    mean = metrics.MeanAveragePrecision(NUM_CLASSES)
    ours: dict[str, metrics.Metric] = {
        "mean average precision": mean,
        "mAP@100 by class": metrics.MeanAveragePrecisionAtK(NUM_CLASSES),
        "mAP@100 by image": metrics.MeanAveragePrecisionAtK(NUM_CLASSES, reading="image"),
    }
    times = table.median_seconds([_update(each, scores, labels) for each in ours.values()], REPEATS)
    (result_seconds,) = table.median_seconds([mean.result], 1, 0)
    memory = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    (keras_time,) = table.median_seconds([_keras_update(scores, labels)], REPEATS)
    table.header(f"metrics, {NUM_CLASSES:,} classes, batch {BATCH_SIZE}, images/s")
    for name, seconds in zip(ours, times, strict=True):
        speed = BATCH_SIZE / seconds
        table.row(f"{name}, 1 core", f"{speed:.0f}", f"{GOAL} wanted", speed / GOAL, ">= 1")
        reference = f"{BATCH_SIZE / keras_time:.0f} Keras' AUC"
        table.row(f"{name}, 1 core", f"{speed:.0f}", reference, keras_time / seconds)
    print(f"a result takes {result_seconds:.1f} s; the three metrics added {memory:.0f} MB")


if __name__ == "__main__":
    main()
