"""What --mode=linear_probe does with frozen features: a row of PROBES for each config.probe.name.

Ridge regression has a closed form, so a probe of features that are on disk takes seconds, and so do
the many small ones that tell what a few images a class are worth, with the interval that the choice
of these images makes.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import scipy
import tensorflow as tf
from ml_collections import ConfigDict

from revisit.errors import UserError
from revisit.tasks import Task
from revisit.training.features import Split, Splits

CONFIDENCE = 0.95  # of the interval over draws
NOT_SHOWN = {"loss", "num_examples"}  # of few-shot probes: ridge gives no probabilities
_CHUNK = 4096  # rows that are widened to float64, or scored, at a time


class Probe(NamedTuple):
    """Attributes:
    on_features: of central crops, computed once; else each step computes those of fresh crops.
    closed_form: solved at once; else by the steps of the loop.
    """

    on_features: bool
    closed_form: bool


PROBES = {
    "sgd": Probe(on_features=False, closed_form=False),
    "sgd_on_features": Probe(on_features=True, closed_form=False),
    "ridge": Probe(on_features=True, closed_form=True),
}


def make_probe(config: ConfigDict) -> Probe:
    """The row of `config.probe`.

    Raises:
      UserError: no such probe, or the task does not fit to it.
    """
    if config.probe.name not in PROBES:
        raise UserError(f"config.probe.name={config.probe.name!r} is not one of {sorted(PROBES)}")
    probe = PROBES[config.probe.name]
    if probe.on_features and config.task.name != "classify":
        raise UserError(
            f"config.probe.name={config.probe.name!r} is for config.task.name='classify', whose "
            f"head sees pooled features alone: use 'sgd' for {config.task.name!r}"
        )
    if probe.closed_form and config.probe.shots and config.probe.draws < 2:
        raise UserError(
            f"config.probe.draws={config.probe.draws}: an interval needs at least 2, or "
            "config.probe.shots=()"
        )
    if probe.closed_form and config.task.absent == "unknown":
        raise UserError(
            f"config.probe.name={config.probe.name!r} takes what is not labelled for absent: "
            "use 'sgd_on_features' with config.task.absent='unknown'"
        )
    return probe


class Linear(NamedTuple):
    """Logits are features @ kernel + bias.

    Attributes:
      kernel: [F, C] float64.
      bias: [C] float64.
    """

    kernel: np.ndarray
    bias: np.ndarray


def _one_hot(labels: np.ndarray, num_classes: int) -> scipy.sparse.csr_array:
    """[N, L] ids, padded with -1 -> [N, num_classes] of 0 and 1."""
    rows, places = np.nonzero(labels >= 0)
    ones = np.ones(len(rows))
    shape = (len(labels), num_classes)
    return scipy.sparse.csr_array((ones, (rows, labels[rows, places])), shape=shape)


def solve_ridge(
    features: np.ndarray, labels: np.ndarray, num_classes: int, penalty: float
) -> Linear:
    """Least squares to targets of 1 (has the label) and -1, each class by itself.

    minimizes  sum over images (w x + b - y)^2 + penalty x v x w^2,  v the mean of the features'
    variances, so that one penalty fits networks whose features differ in scale. b has no penalty.

    Args:
      features: [N, F].
      labels: [N, L] ids, padded with -1.
      num_classes: C.
      penalty: at least 0.
    """
    present = _one_hot(labels, num_classes)
    mean = features.mean(axis=0, dtype=np.float64)
    shares = present.mean(axis=0)  # of images with a label, [C]
    products = np.zeros((len(mean), len(mean)))
    sums = np.zeros((len(mean), num_classes))
    for start in range(0, len(features), _CHUNK):
        centered = features[start : start + _CHUNK] - mean
        products += centered.T @ centered
        sums += 2 * (present[start : start + _CHUNK].T @ centered).T
    shrinkage = penalty * np.trace(products) / features.size
    np.fill_diagonal(products, products.diagonal() + shrinkage)
    kernel = scipy.linalg.solve(products, sums, assume_a="pos")
    return Linear(kernel, 2 * shares - 1 - mean @ kernel)


def choose_rows(labels: np.ndarray, shots: int, seed: Sequence[int]) -> np.ndarray:
    """Rows of which `shots` were drawn for each class, among those that have it; all if fewer.

    Args:
      labels: [N, L] ids, padded with -1.
      shots: images a class.
      seed: of the draw.

    Returns:
      Ascending; an image with several labels may be drawn for each of them and comes once.
    """
    order = np.random.default_rng(seed).permutation(len(labels))
    rows, places = np.nonzero(labels[order] >= 0)
    classes = labels[order][rows, places]
    by_class = np.argsort(classes, kind="stable")
    firsts = np.searchsorted(classes[by_class], classes[by_class])
    chosen = np.arange(len(classes)) - firsts < shots  # the first of each class, in random order
    return np.unique(order[rows[by_class][chosen]])


def _score(task: Task, split: Split, linear: Linear) -> dict[str, float]:
    metric, logits = task.make_metric(), split.features @ linear.kernel + linear.bias
    for start in range(0, len(logits), _CHUNK):
        rows = slice(start, start + _CHUNK)
        batch = {name: tf.constant(column[rows]) for name, column in split.targets.items()}
        batch["weight"] = tf.ones(len(logits[rows]))
        outputs = {"logits": tf.constant(logits[rows], tf.float32)}
        metric.update({name: row.numpy() for name, row in task.measure(outputs, batch).items()})
    return metric.result()


def mean_interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Mean of a few draws, and the ends of Student's interval for it (CONFIDENCE)."""
    mean, error = np.mean(values), scipy.stats.sem(values)
    half = error * scipy.stats.t.ppf((1 + CONFIDENCE) / 2, len(values) - 1)
    return float(mean), float(mean - half), float(mean + half)


class RidgeProbe:
    """Ridge regression on the features of a run."""

    def __init__(self, config: ConfigDict, task: Task, splits: Splits, num_classes: int) -> None:
        """Args:
        config: of the run. task: whose figures count. splits: features and targets.
        num_classes: of the data set.
        """
        self._config, self._task, self._splits = config, task, splits
        key = "truth" if config.task.labels == "truth" else "labels"
        self._labels, self._num_classes = splits.train.targets[key], num_classes

    def solve(self, rows: np.ndarray | slice = slice(None)) -> Linear:
        """Of all training images, or of some."""
        features, labels = self._splits.train.features[rows], self._labels[rows]
        return solve_ridge(features, labels, self._num_classes, self._config.probe.penalty)

    def count_short(self, shots: int) -> int:
        """Classes that have fewer images than that."""
        counts = np.bincount(self._labels[self._labels >= 0], minlength=self._num_classes)
        return int(np.sum(counts < shots))

    def few_shot(self, shots: int) -> dict[str, float]:
        """Figures of probes that learn from `shots` images a class, over several draws of them.

        Returns:
          "5_shot_top_1", the mean, "5_shot_top_1_low" and "5_shot_top_1_high", and so for each
          figure of the task.
        """
        draws: list[dict[str, float]] = []
        for draw in range(self._config.probe.draws):
            rows = choose_rows(self._labels, shots, (self._config.seed, shots, draw))
            draws.append(_score(self._task, self._splits.evaluation, self.solve(rows)))
        figures: dict[str, float] = {}
        for name in [each for each in draws[0] if each not in NOT_SHOWN]:
            ends = mean_interval([each[name] for each in draws])
            figures |= {f"{shots}_shot_{name}{k}": v for k, v in zip(("", "_low", "_high"), ends)}
        return figures
