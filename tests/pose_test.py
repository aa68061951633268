"""revisit.models.pose, revisit.evaluation.pose: voting, targets, similarity; no images."""

import json

import numpy as np
import pytest
import tensorflow as tf
from pycocotools import coco, cocoeval

from revisit.evaluation.pose import PoseMetric, keypoint_similarity, suppress_similar
from revisit.models import pose

PAPER = pose.Options(crop=(353, 257), radius=25.0)
SMALL = pose.Options(crop=(65, 49), radius=6.0)


def _keypoints(number: int, seed: int = 0) -> np.ndarray:
    """[number, 17, 3] well inside the crop, all visible."""
    points = np.random.default_rng(seed).uniform(0.05, 0.95, (number, 17, 2))
    return np.concatenate([points, np.full((number, 17, 1), 2.0)], axis=2).astype(np.float32)


@pytest.mark.parametrize("options, cells", [(PAPER, (45, 33)), (SMALL, (9, 7))])
def test_decoding_what_was_encoded_gives_it_back_within_a_pixel(
    options: pose.Options, cells: tuple[int, int]
) -> None:
    keypoints = _keypoints(1)[0]
    target = pose.encode(tf.constant(keypoints), cells, options)
    logits = tf.where(target.in_disk, 20.0, -20.0)
    found = pose.decode(logits, target.offsets, options).numpy()
    errors = np.abs(found[:, :2] - keypoints[:, :2]) * options.crop
    assert errors.max() < 0.1
    assert np.median(found[:, 2]) == pytest.approx(1.0, abs=0.15)


def test_votes_that_disagree_lose() -> None:
    keypoints = _keypoints(1)[0]
    target = pose.encode(tf.constant(keypoints), (45, 33), PAPER)
    noise = np.random.default_rng(0).normal(0, 3, target.offsets.shape)  # pixels
    far = np.random.default_rng(1).random(target.in_disk.shape) < 0.2
    logits = tf.where(target.in_disk, 3.0, tf.where(far, -2.0, -6.0))
    found = pose.decode(logits, target.offsets + noise * 1.0, PAPER).numpy()
    assert np.abs(found[:, :2] - keypoints[:, :2]).max() * 353 < 4.0
    nothing = pose.decode(tf.fill([45, 33, 17], -20.0), target.offsets, PAPER).numpy()
    assert nothing[:, 2].max() < 1e-5


def test_targets_are_disks_of_known_keypoints() -> None:
    keypoints = np.zeros((2, 17, 3), np.float32)
    keypoints[0, 3] = (100.5 / 353, 60.5 / 257, 1)  # hidden, yet marked
    target = pose.encode(tf.constant(keypoints), (45, 33), PAPER)
    in_disk = target.in_disk.numpy()
    assert not in_disk[1].any()
    assert not np.delete(in_disk[0], 3, axis=-1).any()
    rows, columns = np.mgrid[:45, :33] * 8  # the pixel of each cell
    expected = (rows - 100) ** 2 + (columns - 60) ** 2 <= 25**2
    np.testing.assert_array_equal(in_disk[0, :, :, 3], expected)
    np.testing.assert_allclose(target.offsets[0, 12, 7, 3], [4, 4], atol=1e-4)


def _annotation(keypoints: np.ndarray, **fields: float) -> dict:
    x, y = keypoints[:, 1], keypoints[:, 0]
    flat = np.stack([x, y, np.full(17, 2)], axis=1).ravel().tolist()
    return {"keypoints": flat, "num_keypoints": 17, "iscrowd": 0, "ignore": 0, **fields}


def test_similarity_is_pycocotools_own() -> None:
    truth, *found = _keypoints(5)[..., :2] * 100
    truth = truth.astype(np.float64)
    found = truth + (np.array(found) - 50) * 0.1
    evaluation = cocoeval.COCOeval(iouType="keypoints")
    box = [0, 0, 100, 100]
    evaluation._gts[1, 1] = [_annotation(truth, area=5000.0, bbox=box)]
    evaluation._dts[1, 1] = [_annotation(each, score=1 - i / 9) for i, each in enumerate(found)]
    expected = evaluation.computeOks(1, 1)[:, 0]
    assert 0.05 < expected.min() < expected.max() < 0.95
    similarity = keypoint_similarity(truth, found, 5000.0, np.full(4, 5000.0))
    np.testing.assert_allclose(similarity, expected, rtol=1e-6)


def test_of_alike_poses_the_best_is_kept() -> None:
    one, other = _keypoints(2)[..., :2] * 100
    poses = np.stack([one, other, one + 0.5, other + 30])
    kept = suppress_similar(poses, np.array([0.5, 0.6, 0.9, 0.4]), np.full(4, 5000.0), 0.5)
    assert kept.tolist() == [2, 1, 3]
    assert suppress_similar(poses[:0], np.zeros(0), np.zeros(0), 0.5).tolist() == []


def _rows(ids: list[str], keypoints: np.ndarray) -> dict[str, np.ndarray]:
    """People alone in images of 100 x 200 pixels, found where they are; the last row is padding."""
    number = len(ids)
    boxes = np.tile(np.float32([0, 0, 1, 1]), (number, 1, 1))
    scored = keypoints.copy()
    scored[..., 2] = 0.75
    return {
        "id": np.array([each.encode() for each in ids], object),
        "weight": np.append(np.ones(number - 1), 0).astype(np.float32),
        "size": np.tile(np.float32([100, 200]), (number, 1)),
        "num_people": np.ones(number, np.int32),
        "true_boxes": boxes,
        "true_keypoints": keypoints[:, np.newaxis],
        "areas": np.full((number, 1), 9000, np.float32),
        "is_crowd": np.zeros((number, 1), np.int32),
        "box_scores": np.ones((number, 1), np.float32),
        "boxes": boxes,
        "keypoints": scored[:, np.newaxis],
    }


def test_perfect_poses_have_an_average_precision_of_1_and_padding_counts_nothing() -> None:
    metric = PoseMetric(nms=0.5)
    metric.update(_rows(["139", "285", "139"], _keypoints(3)))
    figures = metric.result()
    assert figures["map"] == figures["ar"] == pytest.approx(1.0)
    assert figures["num_examples"] == 2
    shifted = _rows(["139", "285", "139"], _keypoints(3))
    shifted["keypoints"][..., 1] += 0.05
    moved = PoseMetric(nms=0.5)
    moved.update(shifted)
    assert 0 <= moved.result()["map"] < 0.8


def test_results_are_files_that_pycocotools_scores(tmp_path) -> None:
    metric = PoseMetric(nms=0.5)
    keypoints = _keypoints(3)
    keypoints[0, 4] = 0  # not marked
    metric.update(_rows(["139", "285", "139"], keypoints))
    for name, content in metric.results().items():
        (tmp_path / name).write_text(content)
    truth = coco.COCO(str(tmp_path / "annotations.json"))
    evaluation = cocoeval.COCOeval(
        truth, truth.loadRes(str(tmp_path / "keypoints.json")), "keypoints"
    )
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    assert evaluation.stats[0] == pytest.approx(1.0)
    first = json.loads((tmp_path / "keypoints.json").read_text())[0]
    assert first["image_id"] == 139
    assert first["score"] == pytest.approx(0.75)
    # Our pixel centers are at halves, COCO's at whole numbers.
    np.testing.assert_allclose(first["keypoints"][0], keypoints[0, 0, 1] * 200 - 0.5, atol=1e-3)
    marked = json.loads((tmp_path / "annotations.json").read_text())["annotations"][0]
    assert marked["keypoints"][12:15] == [0, 0, 0]
    assert marked["num_keypoints"] == 16
