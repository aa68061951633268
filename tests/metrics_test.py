"""The metrics against scikit-learn and by hand."""

import pickle

import numpy as np
import pytest
from sklearn.metrics import (
    average_precision_score,
    f1_score,
    precision_recall_curve,
    top_k_accuracy_score,
)

from revisit.evaluation import metrics

NUM_CLASSES = 60


def _pad(present):
    """[N, C] bool -> [N, L] ids padded with -1."""
    length = max(1, present.sum(axis=1).max())
    padded = np.full((len(present), length), -1)
    for row, flags in zip(padded, present, strict=True):
        ids = np.flatnonzero(flags)
        row[: len(ids)] = ids
    return padded


@pytest.fixture(scope="module")
def predictions():
    """(logits, present), both [N, C]: classes from 1 in 3,000 to 1 in 3; the first never occurs."""
    rng = np.random.default_rng(0)
    prior = np.linspace(-8.0, -0.7, NUM_CLASSES)
    evidence = rng.normal(size=(3000, NUM_CLASSES)) * 2
    present = rng.random(evidence.shape) < 1 / (1 + np.exp(-(prior + evidence)))
    present[:, 0] = False
    logits = prior + evidence + rng.normal(size=evidence.shape)
    return logits.astype(np.float32), present


def _stream(metric, scores, labels, batch_size=64, **rows):
    for start in range(0, len(scores), batch_size):
        part = slice(start, start + batch_size)
        given = {name: value[part] for name, value in rows.items()}
        metric.update(scores[part], labels[part], **given)
    return metric


def _macro(present, scores):
    occurs = present.any(axis=0)
    return average_precision_score(present[:, occurs], scores[:, occurs], average="macro")


def test_average_precision_is_scikit_learns(predictions):
    logits, present = predictions
    result = _stream(metrics.MeanAveragePrecision(NUM_CLASSES), logits, _pad(present)).result()
    assert result["map_macro"] == pytest.approx(_macro(present, logits), abs=2e-4)
    micro = average_precision_score(present, logits, average="micro")
    assert result["map_micro"] == pytest.approx(micro, abs=2e-4)


@pytest.mark.parametrize("num_bins", [64, 2048])
def test_average_precision_is_exact_for_the_rounded_scores(predictions, num_bins):
    logits, present = predictions
    metric = metrics.MeanAveragePrecision(NUM_CLASSES, num_bins=num_bins)
    result = _stream(metric, logits, _pad(present)).result()
    by_class = metric.histograms.quantize(logits, num_bins)
    assert result["map_macro"] == pytest.approx(_macro(present, by_class), abs=1e-9)
    overall = metric.histograms.quantize(logits, metrics.NUM_LEVELS)
    micro = average_precision_score(present, overall, average="micro")
    assert result["map_micro"] == pytest.approx(micro, abs=1e-9)


def test_the_bins_of_18291_classes_are_fine_enough(predictions):
    logits, present = predictions
    num_bins = metrics.ScoreHistograms(18291).num_bins
    assert num_bins == 2048
    metric = metrics.MeanAveragePrecision(NUM_CLASSES, num_bins=num_bins)
    result = _stream(metric, logits, _pad(present)).result()
    assert result["map_macro"] == pytest.approx(_macro(present, logits), abs=1e-3)


def test_the_counts_of_18291_classes_take_300_megabytes():
    histograms = metrics.ScoreHistograms(18291)
    assert histograms.positives.nbytes + histograms.scored.nbytes <= 300e6


def test_per_class_is_scikit_learns_and_nan_for_a_class_that_never_occurs(predictions):
    logits, present = predictions
    metric = _stream(metrics.MeanAveragePrecision(NUM_CLASSES), logits, _pad(present))
    expected = [average_precision_score(present[:, i], logits[:, i]) for i in range(1, 60)]
    np.testing.assert_allclose(metric.per_class()[1:], expected, atol=2e-3)
    assert np.isnan(metric.per_class()[0])
    np.testing.assert_array_equal(metric.num_positives(), present.sum(axis=0))


def test_probabilities_and_logits_rank_alike(predictions):
    logits, present = predictions
    labels = _pad(present)
    probabilities = 1 / (1 + np.exp(-logits.astype(np.float64)))
    one = _stream(metrics.MeanAveragePrecision(NUM_CLASSES), logits, labels).result()
    metric = metrics.MeanAveragePrecision(NUM_CLASSES, from_logits=False)
    other = _stream(metric, probabilities, labels).result()
    assert other == pytest.approx(one, abs=1e-4)


def test_probabilities_of_0_and_1_are_taken():
    metric = metrics.MeanAveragePrecision(2, from_logits=False)
    metric.update(np.array([[0.0, 1.0], [1.0, 0.0]]), np.array([[1], [0]]))
    assert metric.result() == {"map_macro": 1.0, "map_micro": 1.0}


def test_a_worked_example_with_a_tie():
    # One class, five images. By score: yes | no, yes (equal) | no | yes
    # Recall steps of 1/3 with precisions 1/1, 2/3 and 3/5.
    scores = np.array([[3.0], [2.0], [2.0], [1.0], [0.0]])
    labels = np.array([[0], [-1], [0], [-1], [0]])
    metric = metrics.MeanAveragePrecision(1)
    metric.update(scores, labels)
    expected = (1 + 2 / 3 + 3 / 5) / 3
    assert metric.result() == pytest.approx({"map_macro": expected, "map_micro": expected})


def test_logits_beyond_the_range_share_a_bin():
    metric = metrics.MeanAveragePrecision(1)
    metric.update(np.array([[np.inf], [25.0], [-np.inf]]), np.array([[-1], [0], [-1]]))
    assert metric.result()["map_macro"] == 0.5


def test_a_repeated_id_counts_once():
    metric = metrics.MeanAveragePrecision(3)
    metric.update(np.array([[2.0, 1.0, 0.0]]), np.array([[1, 1, -1, 1]]))
    np.testing.assert_array_equal(metric.num_positives(), [0, 1, 0])
    assert metric.result()["map_micro"] == 0.5


def test_only_what_is_known_is_ranked_where_absence_says_nothing():
    # One class, four images, in order of score: unknown, positive, verified negative, positive.
    scores = np.array([[3.0], [2.0], [1.0], [0.0]])
    labels = np.array([[-1], [0], [-1], [0]])
    negatives = np.array([[-1], [-1], [0], [-1]])
    metric = metrics.MeanAveragePrecision(1, absent="unknown")
    metric.update(scores, labels, negatives=negatives)
    assert metric.result()["map_macro"] == pytest.approx((1 + 2 / 3) / 2)
    metric = metrics.MeanAveragePrecision(1, absent="negative")
    metric.update(scores, labels, negatives=negatives)
    assert metric.result()["map_macro"] == pytest.approx((1 / 2 + 2 / 4) / 2)


def test_an_id_in_both_lists_is_a_positive():
    metric = metrics.MeanAveragePrecision(2, absent="unknown")
    metric.update(np.array([[0.0, 1.0]]), np.array([[0]]), negatives=np.array([[0]]))
    assert metric.result()["map_macro"] == 1.0


def _all_metrics():
    return {
        "map": metrics.MeanAveragePrecision(NUM_CLASSES),
        "unknown": metrics.MeanAveragePrecision(NUM_CLASSES, absent="unknown"),
        "class": metrics.MeanAveragePrecisionAtK(NUM_CLASSES, k=7),
        "image": metrics.MeanAveragePrecisionAtK(NUM_CLASSES, k=7, reading="image"),
        "top": metrics.TopKAccuracy(),
    }


@pytest.mark.parametrize("name", _all_metrics())
def test_padding_batches_and_hosts_change_nothing(predictions, name):
    logits, labels = predictions[0][:500], _pad(predictions[1])[:500]
    negatives = np.random.default_rng(1).integers(-1, NUM_CLASSES, (500, 9))
    whole = _all_metrics()[name]
    whole.update(logits, labels, None, negatives)

    weight = (np.arange(700) % 7 < 5).astype(np.float32)  # 500 of 700 rows are real

    def spread(rows, filling):
        padded = np.full((700, rows.shape[1]), filling, rows.dtype)
        padded[weight > 0] = rows
        return padded

    rows = {"weight": weight, "negatives": spread(negatives, 3)}
    padded = spread(logits, np.nan), spread(labels, 5)
    first, second = _all_metrics()[name], _all_metrics()[name]
    _stream(first, padded[0][:333], padded[1][:333], 32, **{k: v[:333] for k, v in rows.items()})
    _stream(second, padded[0][333:], padded[1][333:], 50, **{k: v[333:] for k, v in rows.items()})
    first.merge(pickle.loads(pickle.dumps(second)))
    assert first.result() == pytest.approx(whole.result(), rel=1e-12)


@pytest.mark.parametrize("name", _all_metrics())
def test_without_a_label_the_result_is_nan(name):
    metric = _all_metrics()[name]
    assert all(np.isnan(value) for value in metric.result().values())
    metric.update(np.zeros((2, NUM_CLASSES)), np.full((2, 1), -1))
    metric.update(np.zeros((2, NUM_CLASSES)), np.zeros((2, 1), int), weight=np.zeros(2))
    assert all(np.isnan(value) for value in metric.result().values())


@pytest.mark.parametrize("name", _all_metrics())
def test_scores_that_are_not_numbers_are_refused(name):
    with pytest.raises(ValueError, match="scores hold NaN in 1 of 2 rows"):
        _all_metrics()[name].update(
            np.array([[np.nan] * NUM_CLASSES, [0.0] * NUM_CLASSES]), np.array([[0], [0]])
        )


@pytest.mark.parametrize("name", _all_metrics())
def test_ids_of_other_taxonomies_are_refused(name):
    with pytest.raises(ValueError, match="class ids must be below 60. Received: 60"):
        _all_metrics()[name].update(np.zeros((1, NUM_CLASSES)), np.array([[60]]))


# Three images, four classes. The two best of each image: (0, 1), (1, 2), (0, 3).
SCORES = np.array([[4.0, 3.0, 2.0, 1.0], [0.0, 5.0, 2.0, -1.0], [3.5, 0.0, 1.0, 1.5]])
LABELS = np.array([[1, 2], [1, -1], [3, 0]])


def test_map_at_k_by_class_worked_by_hand():
    metric = metrics.MeanAveragePrecisionAtK(4, k=2, reading="class")
    metric.update(SCORES, LABELS)
    # Class 0: images 1 (no), 3 (yes): AP = 1/2.        Class 1: images 2 (yes), 1 (yes): AP = 1.
    # Class 2: image 2 (no), its positive image 1 is not retrieved: 0.   Class 3: image 3 (yes): 1.
    assert metric.result() == pytest.approx({"map_at_2": (1 / 2 + 1 + 0 + 1) / 4})


def test_map_at_k_by_class_with_weights():
    metric = metrics.MeanAveragePrecisionAtK(4, k=2, class_weights=[4, 1, 2, 0])
    metric.update(SCORES, LABELS)
    assert metric.result()["map_at_2"] == pytest.approx((4 / 2 + 1 + 0) / 7)


def test_map_at_k_by_image_worked_by_hand():
    metric = metrics.MeanAveragePrecisionAtK(4, k=2, reading="image")
    metric.update(SCORES, LABELS)
    # Image 1: 0 no, 1 yes: (1/2) / 2.  Image 2: 1 yes: 1 / 1.  Image 3: 0 yes, 3 yes: (1 + 1) / 2.
    assert metric.result() == pytest.approx({"map_at_2": (1 / 4 + 1 + 1) / 3})


def test_map_at_k_by_image_with_weights():
    metric = metrics.MeanAveragePrecisionAtK(4, k=2, class_weights=[4, 1, 2, 0], reading="image")
    metric.update(SCORES, LABELS)
    # Image 1: 1 x 1/2 of (1 + 2).   Image 2: 1 x 1 of 1.   Image 3: 4 x 1 + 0 x 1 of 4.
    assert metric.result()["map_at_2"] == pytest.approx((1 / 6 + 1 + 1) / 3)


def test_map_at_all_classes_by_class_is_the_macro_mean(predictions):
    logits, labels = predictions[0], _pad(predictions[1])
    at_k = _stream(metrics.MeanAveragePrecisionAtK(NUM_CLASSES, k=100), logits, labels)
    macro = _stream(metrics.MeanAveragePrecision(NUM_CLASSES), logits, labels)
    assert at_k.result()["map_at_100"] == pytest.approx(macro.result()["map_macro"], abs=1e-12)


def test_map_at_all_classes_by_image_is_the_mean_over_samples(predictions):
    logits, present = predictions[0][:300], predictions[1][:300]
    metric = metrics.MeanAveragePrecisionAtK(NUM_CLASSES, k=100, reading="image")
    _stream(metric, logits, _pad(present))
    labelled = present.any(axis=1)
    expected = average_precision_score(present[labelled], logits[labelled], average="samples")
    assert metric.result()["map_at_100"] == pytest.approx(expected, abs=1e-12)


def test_an_unknown_reading_and_ill_shaped_weights_are_refused():
    with pytest.raises(ValueError, match="reading must be one of .* Received: reading='word'"):
        metrics.MeanAveragePrecisionAtK(4, reading="word")
    with pytest.raises(ValueError, match=r"class_weights must be \[4\]. Received: shape \(3,\)"):
        metrics.MeanAveragePrecisionAtK(4, class_weights=np.ones(3))
    with pytest.raises(ValueError, match="absent must be one of .* Received: absent='maybe'"):
        metrics.MeanAveragePrecision(4, absent="maybe")


def test_top_k_takes_the_lower_ids_of_equal_scores():
    scores = np.array([[1.0, 2.0, 2.0, 2.0], [0.0, 0.0, 0.0, 5.0]])
    np.testing.assert_array_equal(metrics.top_k(scores, 2), [[1, 2], [0, 3]])
    np.testing.assert_array_equal(metrics.top_k(scores, 9), [[0, 1, 2, 3]] * 2)


def test_accuracy_is_scikit_learns():
    rng = np.random.default_rng(2)
    scores = rng.normal(size=(400, 30))
    labels = np.where(rng.random(400) < 0.5, scores.argmax(axis=1), rng.integers(0, 30, 400))
    metric = _stream(metrics.TopKAccuracy((1, 5)), scores, labels)
    for k in (1, 5):
        expected = top_k_accuracy_score(labels, scores, k=k, labels=range(30))
        assert metric.result()[f"top_{k}"] == pytest.approx(expected, abs=1e-12)


def test_accuracy_worked_by_hand():
    metric = metrics.TopKAccuracy((1, 2))
    # Hit at 1; equal scores, the lower id is ahead: hit at 2; one of two labels: hit at 1; none.
    scores = np.array([[3.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 1.0, 2.0], [1.0, 0.0, 0.0]])
    metric.update(scores, np.array([[0, -1], [1, -1], [0, 2], [-1, -1]]))
    assert metric.result() == pytest.approx({"top_1": 2 / 3, "top_2": 1.0})


def test_a_collapsed_model_is_no_better_than_chance():
    metric = metrics.TopKAccuracy((1,))
    metric.update(np.zeros((10, 10)), np.arange(10))
    assert metric.result() == {"top_1": 0.1}


def test_thresholds_are_those_of_the_best_f1():
    generator = np.random.default_rng(0)
    present = generator.random((400, 3)) < [0.3, 0.05, 0.0]
    logits = generator.normal(size=(400, 3)).astype(np.float32) + 2 * present
    labels = np.where(present, np.arange(3), -1)
    metric = metrics.MeanAveragePrecision(3)
    metric.update(logits, labels)
    thresholds, best_f1 = metric.best_f1()
    for each in (0, 1):
        precision, recall, _ = precision_recall_curve(present[:, each], logits[:, each])
        best = np.max(2 * precision * recall / np.maximum(precision + recall, 1e-9))
        chosen = f1_score(present[:, each], logits[:, each] >= thresholds[each])
        np.testing.assert_allclose([best_f1[each], chosen], best, atol=5e-3)
    assert np.isnan(thresholds[2])
    assert np.isnan(best_f1[2])
