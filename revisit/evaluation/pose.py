"""Keypoints of people: which of several alike poses is kept, and COCO's figures of a split.

Object keypoint similarity is COCO's (https://cocodataset.org/#keypoints-eval), with the tolerances
of each keypoint that pycocotools has.
"""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from pycocotools import cocoeval

from revisit.data.records import KEYPOINTS, LIMBS
from revisit.evaluation import coco

PERSON = 1  # COCO's category
TOLERANCES = 2 * cocoeval.Params("keypoints").kpt_oks_sigmas  # [K], of the square root of the area


def keypoint_similarity(
    pose: np.ndarray, others: np.ndarray, area: float, other_areas: np.ndarray
) -> np.ndarray:
    """Similarity of a pose to some others, 1 where they are the same.

    Args:
      pose: [K, 2] pixels.
      others: [N, K, 2] pixels.
      area: of the pose, square pixels.
      other_areas: [N]; two poses are compared at the mean of their areas.

    Returns:
      [N] in [0, 1].
    """
    squares = ((others - pose) ** 2).sum(axis=-1)  # [N, K]
    scales = (area + other_areas)[:, np.newaxis] / 2 * TOLERANCES**2
    return np.exp(-squares / (2 * scales + np.spacing(1))).mean(axis=1)


def suppress_similar(
    poses: np.ndarray, scores: np.ndarray, areas: np.ndarray, threshold: float
) -> np.ndarray:
    """Non-maximum suppression: of poses more alike than a threshold the best is kept.

    Args:
      poses: [N, K, 2] pixels, of one image.
      scores: [N].
      areas: [N] square pixels.
      threshold: of `keypoint_similarity`.

    Returns:
      Indices of those that are kept, the best first.
    """
    left, kept = np.argsort(-scores, kind="stable"), []
    while len(left):
        best, left = left[0], left[1:]
        kept.append(best)
        alike = keypoint_similarity(poses[best], poses[left], areas[best], areas[left])
        left = left[alike <= threshold]
    return np.array(kept, int)


class _Image(NamedTuple):
    """What is known and what was found of one image; points (y, x) and boxes in pixels.

    Attributes:
      id: of the record.
      size: [2] height and width.
      boxes: [T, 4] of its people.
      keypoints: [T, K, 3] of its people, and visibility.
      areas: [T] square pixels.
      is_crowd: [T] bool.
      poses: [P, K, 3] that were found, and scores.
      scores: [P] of the poses.
    """

    id: str
    size: np.ndarray
    boxes: np.ndarray
    keypoints: np.ndarray
    areas: np.ndarray
    is_crowd: np.ndarray
    poses: np.ndarray
    scores: np.ndarray


def _coco_keypoints(keypoints: np.ndarray) -> list[float]:
    """[K, 3] (y, x, number) -> COCO's x, y, number, of which a pixel's center is a whole number."""
    shifted = keypoints[:, [1, 0, 2]] - [0.5, 0.5, 0]
    shifted[keypoints[:, 2] == 0] = 0
    return [round(float(value), 3) for value in shifted.ravel()]


class PoseMetric:
    """COCO's keypoint figures of a split.

    Rows: "id" [B] bytes, "weight" [B], "size" [B, 2]; of people "num_people" [B], "true_boxes"
    [B, T, 4], "true_keypoints" [B, T, K, 3], "areas" [B, T], "is_crowd" [B, T]; of boxes looked at
    "box_scores" [B, P] (0: none), "boxes" [B, P, 4], "keypoints" [B, P, K, 3] with scores. Points
    and boxes are in [0, 1] of their image.
    """

    def __init__(self, nms: float) -> None:
        """Args:
        nms: poses of an image more alike than this are taken for one.
        """
        self._nms = nms
        self._images: list[_Image] = []

    def update(self, rows: Mapping[str, np.ndarray]) -> None:
        """Takes the rows of some examples; those of weight 0 count nothing."""
        for row in np.flatnonzero(rows["weight"] > 0):
            self._images.append(self._read({name: value[row] for name, value in rows.items()}))

    def _read(self, row: Mapping[str, Any]) -> _Image:
        size = row["size"].astype(np.float64)
        corners, points = np.tile(size, 2), np.append(size, 1.0)
        people = slice(int(row["num_people"]))
        is_found = row["box_scores"] > 0
        sides = (row["boxes"][is_found, 2:] - row["boxes"][is_found, :2]) * size
        poses = row["keypoints"][is_found] * points
        scores = poses[..., 2].mean(axis=1)  # of the keypoints, not of the box (section 3.3)
        kept = suppress_similar(poses[..., :2], scores, sides.prod(axis=1), self._nms)
        return _Image(
            id=row["id"].decode(),
            size=size,
            boxes=row["true_boxes"][people] * corners,
            keypoints=row["true_keypoints"][people] * points,
            areas=row["areas"][people],
            is_crowd=row["is_crowd"][people],
            poses=poses[kept],
            scores=scores[kept],
        )

    def annotations(self) -> dict[str, Any]:
        """The ground truth in COCO's form."""
        sizes = {image.id: image.size for image in self._images}
        people = {
            image.id: [
                {
                    **coco.as_object(PERSON, box, area, is_crowd),
                    "keypoints": _coco_keypoints(keypoints),
                    "num_keypoints": int((keypoints[:, 2] > 0).sum()),
                }
                for box, keypoints, area, is_crowd in zip(
                    image.boxes, image.keypoints, image.areas, image.is_crowd
                )
            ]
            for image in self._images
        }
        skeleton = [[start + 1, end + 1] for start, end in LIMBS]
        category = {"id": PERSON, "name": "person", "keypoints": KEYPOINTS, "skeleton": skeleton}
        return coco.as_ground_truth(sizes, people, [category])

    def found(self) -> list[dict[str, Any]]:
        """What was found, in COCO's form of results."""
        ids = coco.as_ids(image.id for image in self._images)
        return [
            {
                "image_id": ids[image.id],
                "category_id": PERSON,
                "keypoints": _coco_keypoints(keypoints),
                "score": float(score),
            }
            for image in self._images
            for keypoints, score in zip(image.poses, image.scores)
        ]

    def result(self) -> dict[str, float]:
        """COCO's figures: "map", "map_50", ... "ar_large"."""
        figures = coco.score_coco(self.annotations(), self.found(), "pose").figures
        return {**figures, "num_examples": float(len(self._images))}

    def tables(self) -> dict[str, list[dict]]:
        """None: people are one class."""
        return {}

    def results(self) -> dict[str, str | bytes]:
        """COCO's results file, and its ground truth."""
        return {
            "keypoints.json": json.dumps(self.found()),
            "annotations.json": json.dumps(self.annotations()),
        }
