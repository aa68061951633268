"""Sparse labels against dense multi-hot labels: the per-label logistic loss of 18,291 classes.

    python -m benchmarks.sparse_loss

One step is what a training step does with labels, from the host's arrays on: feed them, loss,
gradient by the logits; that someone has to make the dense arrays is not counted. The row "with the
head" also holds the 2,048 x 18,291 layer, whose matrix products outweigh the loss. Batch 256, up to
8 labels an image.
"""

import pathlib
import re
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from benchmarks import table
from revisit.tasks import losses

BATCH_SIZE = 256
NUM_CLASSES = 18291
NUM_FEATURES = 2048
MAX_LABELS = 8
MEMORY_STEPS = 10


def _sparse_labels() -> np.ndarray:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, NUM_CLASSES, (BATCH_SIZE, MAX_LABELS)).astype(np.int32)
    labels[rng.random(labels.shape) < 0.5] = -1
    return labels


def _dense_labels(sparse: np.ndarray) -> np.ndarray:
    """The same as multi-hot labels: [B, C] float32."""
    dense = np.zeros((BATCH_SIZE, NUM_CLASSES), np.float32)
    rows, places = np.nonzero(sparse >= 0)
    dense[rows, sparse[rows, places]] = 1.0
    return dense


def _dense_loss(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum(tf.nn.sigmoid_cross_entropy_with_logits(labels, logits), axis=1)


def _loss_step(loss: Callable, jit: bool) -> Callable[[np.ndarray], None]:
    logits = tf.random.stateless_normal([BATCH_SIZE, NUM_CLASSES], (0, 0))

    @tf.function(jit_compile=jit)
    def step(labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(logits)
            total = tf.reduce_sum(loss(logits, labels))
        return total, tape.gradient(total, logits)

    def run(labels: np.ndarray) -> None:
        step(tf.constant(labels))[0].numpy()

    return run


def _head_step(loss: Callable) -> Callable[[np.ndarray], None]:
    features = tf.random.stateless_normal([BATCH_SIZE, NUM_FEATURES], (0, 1))
    kernel = tf.Variable(tf.random.stateless_normal([NUM_FEATURES, NUM_CLASSES], (0, 2)) * 0.01)

    @tf.function
    def step(labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as tape:
            total = tf.reduce_sum(loss(features @ kernel, labels))
        return total, tape.gradient(total, kernel)

    def run(labels: np.ndarray) -> None:
        step(tf.constant(labels))[0].numpy()

    return run


def _compare_times(name: str, steps: list[Callable[[np.ndarray], None]], repeats: int) -> None:
    sparse = _sparse_labels()
    multi_hot = _dense_labels(sparse)
    feeds = [lambda: steps[0](sparse), lambda: steps[1](multi_hot)]
    ours, dense = table.median_seconds(feeds, repeats)
    table.row(name, f"{ours * 1e3:.1f} ms", f"{dense * 1e3:.1f} ms", ours / dense, "<= 1")


def _peak_megabytes() -> float:
    """The peak of this process's memory since it was last forgotten (Linux)."""
    status = pathlib.Path("/proc/self/status").read_text()
    return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) / 1024


def _forget_peak() -> None:
    pathlib.Path("/proc/self/clear_refs").write_text("5")


def _peak_growth(kind: str) -> float:
    """Megabytes by which some steps raise the memory of this process: run in one of its own."""
    make_labels, loss = {
        "sparse": (_sparse_labels, losses.sparse_sigmoid_cross_entropy),
        "dense": (lambda: _dense_labels(_sparse_labels()), _dense_loss),
    }[kind]
    step = _loss_step(loss, jit=False)
    _forget_peak()
    before = _peak_megabytes()
    for _ in range(MEMORY_STEPS):
        step(make_labels())
    return _peak_megabytes() - before


def _compare_memory() -> None:
    command = [sys.executable, "-m", "benchmarks.sparse_loss"]
    ours, dense = (
        float(subprocess.run([*command, kind], check=True, capture_output=True, text=True).stdout)
        for kind in ("sparse", "dense")
    )
    name = "host memory that the loss steps add, peak"
    table.row(name, f"{ours:.0f} MB", f"{dense:.0f} MB", ours / dense, "<= 1")


def main() -> None:
    """Prints the table."""
    table.header(f"sparse ids vs dense labels, {NUM_CLASSES:,} classes, batch {BATCH_SIZE}")
    pair = (losses.sparse_sigmoid_cross_entropy, _dense_loss)
    _compare_times("loss step, time", [_loss_step(loss, jit=False) for loss in pair], 21)
    _compare_times("loss step, compiled, time", [_loss_step(loss, jit=True) for loss in pair], 21)
    _compare_times("loss step with the head, time", [_head_step(loss) for loss in pair], 7)
    _compare_memory()
    sparse = _sparse_labels()
    ours, dense = sparse.nbytes, _dense_labels(sparse).nbytes
    name = "labels from host to device, a batch"
    table.row(name, f"{ours / 1e6:.4f} MB", f"{dense / 1e6:.1f} MB", dense / ours, ">= 100")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(_peak_growth(sys.argv[1]))
    else:
        main()
