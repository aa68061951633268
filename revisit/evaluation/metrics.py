"""What an evaluation's numbers mean: average precision and accuracy over any number of images.

Every metric is fed with `update(scores, labels, weight)`, a batch at a time, and asked for
`result()` at any time; `merge(other)` adds what another host has seen. They hold NumPy arrays
alone, so they pickle. Their memory depends on the number of classes, not on the number of images.

Shapes: scores [B, C] floats, higher means more likely; labels [B, L] integers, ids of the classes
that are present, padded with -1, an id counts once however often it stands in a row; weight [B],
rows of weight 0 (padding) count nothing and all others count once.

Average precision is sum over thresholds of (recall step) x precision, over distinct scores from
high to low, without interpolation: scikit-learn's `average_precision_score`. Equal scores are one
threshold, so their order never matters.
"""

from collections.abc import Callable
from typing import Protocol

import numpy as np

ABSENT = ("negative", "unknown")

# Logits beyond +-20 (probabilities within 2e-9 of 0 or 1) share the outermost bins.
LOGIT_LIMIT = 20.0
NUM_LEVELS = 65536
_MEMORY = 300_000_000  # bytes, of the counts by class
_CLASSES_AT_ONCE = 256  # when results are computed: bounds the temporary arrays


class Metric(Protocol):
    """What the evaluator asks of a metric."""

    def update(
        self,
        scores: np.ndarray,
        labels: np.ndarray,
        weight: np.ndarray | None = None,
        negatives: np.ndarray | None = None,
    ) -> None:
        """Adds a batch."""

    def result(self) -> dict[str, float]:
        """Name -> value over all that was added; NaN where nothing was."""


def _real_rows(scores: np.ndarray, weight: np.ndarray | None, *ids: np.ndarray | None) -> tuple:
    """Checks a batch and drops its padding: (scores f32 [b, C], ids int64 [b, L] or None, ...)."""
    scores = np.asarray(scores, np.float32)
    keep = np.ones(len(scores), bool) if weight is None else np.asarray(weight) > 0
    real = scores[keep]
    if np.isnan(real).any():
        raise ValueError(
            f"scores hold NaN in {np.isnan(real).any(axis=1).sum()} of {len(real)} rows"
        )
    rows = [None if given is None else np.asarray(given, np.int64)[keep] for given in ids]
    num_classes = scores.shape[1]
    for given in rows:
        if given is not None and given.size and given.max() >= num_classes:
            raise ValueError(f"class ids must be below {num_classes}. Received: {given.max()}")
    return real, *rows


def _places(ids: np.ndarray, num_classes: int) -> np.ndarray:
    """[B, L] padded ids -> [N] distinct flat places in a [B, C] array, in order."""
    rows = np.broadcast_to(np.arange(len(ids))[:, None], ids.shape)
    return np.unique((rows * num_classes + ids)[ids >= 0])


def top_k(scores: np.ndarray, k: int) -> np.ndarray:
    """[B, C] scores -> [B, min(k, C)] ids of the highest, ascending; of ties the lower."""
    k = min(k, scores.shape[1])
    threshold = np.partition(scores, -k, axis=1)[:, -k, None]
    chosen = scores >= threshold
    for row in np.flatnonzero(np.count_nonzero(chosen, axis=1) > k):
        ties = np.flatnonzero(scores[row] == threshold[row])
        chosen[row, ties[k - np.count_nonzero(chosen[row]) :]] = False
    return np.nonzero(chosen)[1].reshape(len(scores), k)


def _average_precision(positives: np.ndarray, scored: np.ndarray, total: np.ndarray) -> np.ndarray:
    """[..., bins] counts, scores ascending, and [...] totals -> [...] float64, NaN for total 0."""
    true = np.cumsum(positives[..., ::-1], axis=-1, dtype=np.float64)
    retrieved = np.cumsum(scored[..., ::-1], axis=-1, dtype=np.float64)
    precision = true / np.maximum(retrieved, 1)
    area = np.sum(positives[..., ::-1] * precision, axis=-1)
    return np.divide(area, total, out=np.full(np.shape(area), np.nan), where=np.asarray(total) > 0)


def _best_f1(positives: np.ndarray, scored: np.ndarray, total: np.ndarray) -> np.ndarray:
    """[C, bins] counts, scores ascending, and [C] totals -> [2, C]: best bin to begin at, F1."""
    true = np.cumsum(positives[:, ::-1], axis=1, dtype=np.float64)
    retrieved = np.cumsum(scored[:, ::-1], axis=1, dtype=np.float64)
    f1 = 2 * true / np.maximum(retrieved + total[:, np.newaxis], 1)
    best = np.argmax(f1, axis=1)  # of equals the highest threshold
    return np.stack([positives.shape[1] - 1 - best, f1[np.arange(len(f1)), best]])


def _default_num_bins(num_classes: int) -> int:
    """The largest power of two within _MEMORY, from 1,024 to 16,384."""
    affordable = _MEMORY // (num_classes * 2 * np.dtype(np.uint32).itemsize)
    return 2 ** int(np.clip(np.log2(max(affordable, 1)), 10, 14))


class ScoreHistograms:
    """Counts of scores, of all that are ranked and of the positives: by class, and of all classes.

    Scores fall into equal bins of logit over [-20, 20]; bins of probability would be too coarse
    where nearly all scores of a rare class lie. All classes together have 65,536 bins (0.0006
    logits wide); each class has `num_bins`: 16,384 up to 2,288 classes, 2,048 (0.02 logits wide) at
    18,291. The two uint32 tables by class take at most 300 MB, 1,024 bins being the least (which
    passes 300 MB from 36,622 classes on).

    Attributes:
      positives, scored: [C, num_bins] uint32.
      all_positives, all_scored: [65536] int64.
      num_positives: [C] int64, also those that were not ranked.
    """

    def __init__(
        self, num_classes: int, from_logits: bool = True, num_bins: int | None = None
    ) -> None:
        self.num_classes = num_classes
        self.num_bins = num_bins or _default_num_bins(num_classes)
        self.from_logits = from_logits
        self.positives = np.zeros((num_classes, self.num_bins), np.uint32)
        self.scored = np.zeros((num_classes, self.num_bins), np.uint32)
        self.all_positives = np.zeros(NUM_LEVELS, np.int64)
        self.all_scored = np.zeros(NUM_LEVELS, np.int64)
        self.num_positives = np.zeros(num_classes, np.int64)

    def quantize(self, scores: np.ndarray, num_bins: int) -> np.ndarray:
        """Logits, or probabilities if not from_logits, -> int64 bins that rise with the score.

        num_bins: a divisor of 65,536.
        """
        if not self.from_logits:
            with np.errstate(divide="ignore"):  # 0 and 1 become infinite: the outermost bins
                scores = np.log(scores) - np.log1p(-scores)
        levels = (scores + np.float32(LOGIT_LIMIT)) * np.float32(NUM_LEVELS / (2 * LOGIT_LIMIT))
        np.clip(levels, 0, NUM_LEVELS - 1, out=levels)
        return levels.astype(np.int64) // (NUM_LEVELS // num_bins)

    def add(
        self, scores: np.ndarray, positive: np.ndarray, scored: np.ndarray | None = None
    ) -> None:
        """Adds a batch.

        Args:
          scores: [B, C].
          positive: [N] distinct flat places of the positives in [B, C].
          scored: [N] distinct flat places of what is ranked at all, of which the others are
            negatives; None: all.
        """
        self.num_positives += np.bincount(positive % self.num_classes, minlength=self.num_classes)
        levels = self.quantize(scores, NUM_LEVELS)
        cells = levels // (NUM_LEVELS // self.num_bins)
        cells += np.arange(self.num_classes) * self.num_bins
        levels, cells = levels.reshape(-1), cells.reshape(-1)
        ranked = slice(None) if scored is None else scored
        if scored is not None:
            positive = np.intersect1d(positive, scored, assume_unique=True)
        np.add.at(self.positives.reshape(-1), cells[positive], np.uint32(1))
        np.add.at(self.scored.reshape(-1), cells[ranked], np.uint32(1))
        self.all_positives += np.bincount(levels[positive], minlength=NUM_LEVELS)
        self.all_scored += np.bincount(levels[ranked], minlength=NUM_LEVELS)

    def merge(self, other: "ScoreHistograms") -> None:
        """Adds what another has counted."""
        self.positives += other.positives
        self.scored += other.scored
        self.all_positives += other.all_positives
        self.all_scored += other.all_scored
        self.num_positives += other.num_positives

    def per_class(self) -> np.ndarray:
        """[C] float64, by class; NaN for a class without positives."""
        return self._each_class(_average_precision)

    def best_f1(self) -> tuple[np.ndarray, np.ndarray]:
        """The threshold by which each class's F1 is highest: logits [C], and the F1 there [C].

        The logit is a bin's lower end: scores equal to it are taken. NaN without positives.
        """
        bins, f1 = self._each_class(_best_f1)
        logits = bins * (2 * LOGIT_LIMIT / self.num_bins) - LOGIT_LIMIT
        known = self.num_positives > 0
        return np.where(known, logits, np.nan), np.where(known, f1, np.nan)

    def _each_class(self, compute: Callable[..., np.ndarray]) -> np.ndarray:
        tables = self.positives, self.scored, self.num_positives
        parts = [
            compute(*(table[start : start + _CLASSES_AT_ONCE] for table in tables))
            for start in range(0, self.num_classes, _CLASSES_AT_ONCE)
        ]
        return np.concatenate(parts, axis=-1)

    def overall(self) -> float:
        """Average precision of all (image, class) pairs in one ranking."""
        total = self.num_positives.sum()
        return float(_average_precision(self.all_positives, self.all_scored, total))


def _weighted_mean(values: np.ndarray, weights: np.ndarray) -> float:
    """Mean over the values that are not NaN; NaN if there is none."""
    known = ~np.isnan(values) & (weights > 0)
    return float(np.average(values[known], weights=weights[known])) if known.any() else np.nan


class MeanAveragePrecision:
    """Mean average precision: "map_macro" over classes with a positive, "map_micro" over all pairs.

    Exact for scores rounded to the bins of ScoreHistograms; within about 1e-3 of the value of the
    raw scores. Memory: 300 MB at 18,291 classes.

    Args:
      num_classes: C.
      absent: what a class is that is neither in a row's labels nor in its negatives: "negative", or
        "unknown" (then only positives and verified negatives are ranked). An id in both lists is a
        positive.
      from_logits: whether scores are logits or probabilities. Prefer logits: float32 probabilities
        are all 1 from logit 17 on.
      num_bins: resolution by class, over logits from -20 to 20, a divisor of 65,536; None: as many
        as fit, see ScoreHistograms.
    """

    def __init__(
        self,
        num_classes: int,
        absent: str = "negative",
        from_logits: bool = True,
        num_bins: int | None = None,
    ) -> None:
        if absent not in ABSENT:
            raise ValueError(f"absent must be one of {ABSENT}. Received: absent={absent!r}")
        self.absent = absent
        self.histograms = ScoreHistograms(num_classes, from_logits, num_bins)

    def update(
        self,
        scores: np.ndarray,
        labels: np.ndarray,
        weight: np.ndarray | None = None,
        negatives: np.ndarray | None = None,
    ) -> None:
        """Adds a batch (shapes: see the module); negatives are [B, M] padded ids."""
        scores, labels, negatives = _real_rows(scores, weight, labels, negatives)
        num_classes = scores.shape[1]
        ranked = None
        if self.absent == "unknown":
            given = labels if negatives is None else np.concatenate([labels, negatives], axis=1)
            ranked = _places(given, num_classes)
        self.histograms.add(scores, _places(labels, num_classes), ranked)

    def merge(self, other: "MeanAveragePrecision") -> None:
        """Adds what another host has seen."""
        self.histograms.merge(other.histograms)

    def per_class(self) -> np.ndarray:
        """[C] float64, by class; NaN for a class without positives."""
        return self.histograms.per_class()

    def best_f1(self) -> tuple[np.ndarray, np.ndarray]:
        """Logits [C] to say yes from, F1 [C] there; see ScoreHistograms."""
        return self.histograms.best_f1()

    def num_positives(self) -> np.ndarray:
        """[C] int64, images with each class."""
        return self.histograms.num_positives

    def result(self) -> dict[str, float]:
        """map_macro and map_micro, in [0, 1]."""
        values = self.per_class()
        return {
            "map_macro": _weighted_mean(values, np.ones_like(values)),
            "map_micro": self.histograms.overall(),
        }


class _ClassReading:
    """Mean over classes, sum_c w_c AP_c / sum_c w_c; AP_c ranks the images that predict c.

    The precision of each of c's positives is summed and divided by all positives of c: one that is
    not among its image's k predictions is never retrieved. Classes without a positive are left out.
    """

    def __init__(self, class_weights: np.ndarray, from_logits: bool) -> None:
        self.class_weights = class_weights
        self.histograms = ScoreHistograms(len(class_weights), from_logits)

    def add(self, scores: np.ndarray, positive: np.ndarray, top: np.ndarray) -> None:
        self.histograms.add(scores, positive, _places(top, scores.shape[1]))

    def merge(self, other: "_ClassReading") -> None:
        self.histograms.merge(other.histograms)

    def result(self) -> float:
        return _weighted_mean(self.histograms.per_class(), self.class_weights)


class _ImageReading:
    """Mean over images of sum_k w_{c_k} P(k) 1[c_k in Y] / sum_{c in Y} w_c; c_k is prediction k.

    Without weights this is (1 / |Y|) sum_k P(k) 1[c_k in Y]. Of equal scores the lower id goes
    first. Images without labels are left out.
    """

    def __init__(self, class_weights: np.ndarray, from_logits: bool) -> None:
        self.class_weights = class_weights
        self.total = 0.0
        self.num_images = 0

    def add(self, scores: np.ndarray, positive: np.ndarray, top: np.ndarray) -> None:
        num_images, num_classes = scores.shape
        present = np.zeros(scores.shape, bool)
        present.reshape(-1)[positive] = True
        # Ids ascend, so a stable sort leaves equal scores in the order of ids.
        order = np.argsort(-np.take_along_axis(scores, top, 1), axis=1, kind="stable")
        ids = np.take_along_axis(top, order, 1)  # [B, k], best first
        hits = np.take_along_axis(present, ids, 1)
        precision = np.cumsum(hits, axis=1) / np.arange(1, ids.shape[1] + 1)
        gained = np.sum(self.class_weights[ids] * precision * hits, axis=1)
        possible = np.bincount(
            positive // num_classes,
            weights=self.class_weights[positive % num_classes],
            minlength=num_images,
        )
        self.total += float(np.sum(gained[possible > 0] / possible[possible > 0]))
        self.num_images += int(np.count_nonzero(possible > 0))

    def merge(self, other: "_ImageReading") -> None:
        self.total += other.total
        self.num_images += other.num_images

    def result(self) -> float:
        return self.total / self.num_images if self.num_images else np.nan


READINGS: dict[str, Callable] = {"class": _ClassReading, "image": _ImageReading}


class MeanAveragePrecisionAtK:
    """Mean average precision over the top k predictions of each image, as "map_at_<k>".

    The paper and its neighbours say "mAP@100" without a formula, so both readings of it are here:

    - "class": for each class, the images are ranked that have it among their k predictions; mean
      over classes, weighted (they weight by how common a class is in photographs; the weights are
      not public). Memory: at most 300 MB at 18,291 classes; see ScoreHistograms for the rounding of
      scores.
    - "image": for each image, its k predictions are ranked; mean over images. Exact; no memory to
      speak of.

    Args:
      num_classes: C.
      k: predictions that count, by image; of equal scores the lower ids go first.
      class_weights: [C] non-negative floats; None: all 1.
      reading: a key of READINGS.
      from_logits: whether scores are logits or probabilities (only "class" needs to know).
    """

    def __init__(
        self,
        num_classes: int,
        k: int = 100,
        class_weights: np.ndarray | None = None,
        reading: str = "class",
        from_logits: bool = True,
    ) -> None:
        if reading not in READINGS:
            raise ValueError(
                f"reading must be one of {tuple(READINGS)}. Received: reading={reading!r}"
            )
        weights = (
            np.ones(num_classes) if class_weights is None else np.asarray(class_weights, np.float64)
        )
        if weights.shape != (num_classes,):
            raise ValueError(
                f"class_weights must be [{num_classes}]. Received: shape {weights.shape}"
            )
        self.k = k
        self.reading = READINGS[reading](weights, from_logits)

    def update(
        self,
        scores: np.ndarray,
        labels: np.ndarray,
        weight: np.ndarray | None = None,
        negatives: np.ndarray | None = None,
    ) -> None:
        """Adds a batch (shapes: see the module); absent classes are negatives, given or not."""
        scores, labels = _real_rows(scores, weight, labels)
        self.reading.add(scores, _places(labels, scores.shape[1]), top_k(scores, self.k))

    def merge(self, other: "MeanAveragePrecisionAtK") -> None:
        """Adds what another host has seen."""
        self.reading.merge(other.reading)

    def result(self) -> dict[str, float]:
        """{"map_at_100": value in [0, 1]} for k = 100."""
        return {f"map_at_{self.k}": self.reading.result()}


class TopKAccuracy:
    """Share of the labelled images whose k best predictions hold one of their labels: "top_<k>".

    Of equal scores the lower id goes first, as in argmax. Rows without a label are left out.

    Args:
      ks: the numbers of predictions that are looked at.
    """

    def __init__(self, ks: tuple[int, ...] = (1, 5)) -> None:
        self.ks = ks
        self.hits = np.zeros(len(ks), np.int64)
        self.num_images = 0

    def update(
        self,
        scores: np.ndarray,
        labels: np.ndarray,
        weight: np.ndarray | None = None,
        negatives: np.ndarray | None = None,
    ) -> None:
        """Adds a batch (shapes: see the module); labels may also be [B]. Negatives have no use."""
        labels = np.asarray(labels)
        scores, labels = _real_rows(scores, weight, labels.reshape(len(labels), -1))
        best = np.full(len(scores), scores.shape[1])  # place of the best-ranked label, 0 is the top
        for ids in labels.T:
            own = np.take_along_axis(scores, np.maximum(ids, 0)[:, None], 1)
            before = (scores > own) | (
                (scores == own) & (np.arange(scores.shape[1]) < ids[:, None])
            )
            best = np.where(ids >= 0, np.minimum(best, np.count_nonzero(before, axis=1)), best)
        labelled = (labels >= 0).any(axis=1)
        self.hits += [np.count_nonzero(labelled & (best < k)) for k in self.ks]
        self.num_images += int(np.count_nonzero(labelled))

    def merge(self, other: "TopKAccuracy") -> None:
        """Adds what another host has seen."""
        self.hits += other.hits
        self.num_images += other.num_images

    def result(self) -> dict[str, float]:
        """{"top_1": ..., "top_5": ...} in [0, 1]."""
        return {
            f"top_{k}": float(hits / self.num_images) if self.num_images else np.nan
            for k, hits in zip(self.ks, self.hits, strict=True)
        }
