"""COCO's measures by COCO's own code (pycocotools): of boxes, masks and keypoints.

Ground truth and results are in COCO's JSON forms (https://cocodataset.org/#format-data and
#format-results), so that what is scored here is what the official server would score. Crowds are
regions in which nothing found counts, neither for nor against.
"""

import contextlib
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from pycocotools import coco, cocoeval

from revisit.errors import UserError

_BY_SIZE = (
    *("map", "map_50", "map_75", "map_small", "map_medium", "map_large"),
    *("ar_1", "ar_10", "ar_100", "ar_small", "ar_medium", "ar_large"),
)
_OF_KEYPOINTS = (
    *("map", "map_50", "map_75", "map_medium", "map_large"),
    *("ar", "ar_50", "ar_75", "ar_medium", "ar_large"),
)


class Kind(NamedTuple):
    """What is compared: pycocotools' name of it, its field in a result, fields that only its
    annotations need, names of its figures."""

    iou_type: str
    field: str
    truth_fields: tuple[str, ...]
    figures: tuple[str, ...]


KINDS = {
    "detect": Kind("bbox", "bbox", (), _BY_SIZE),
    "segment": Kind("segm", "segmentation", (), _BY_SIZE),
    "pose": Kind("keypoints", "keypoints", ("bbox", "num_keypoints"), _OF_KEYPOINTS),
}


def as_ids(names: Iterable[str]) -> dict[str, int | str]:
    """COCO's ids of images or categories: numbers where all names are numbers, as COCO's own."""
    names = list(names)
    if all(name.isdecimal() for name in names):
        return {name: int(name) for name in names}
    return {name: name for name in names}


def as_bbox(box: np.ndarray) -> list[float]:
    """(ymin, xmin, ymax, xmax) -> COCO's [x, y, width, height], in hundredths of a pixel."""
    ymin, xmin, ymax, xmax = (float(value) for value in box)
    return [round(value, 2) for value in (xmin, ymin, xmax - xmin, ymax - ymin)]


def as_object(
    category_id: int | str, box: np.ndarray, area: float, is_crowd: bool
) -> dict[str, Any]:
    """An object as `as_ground_truth` takes it; the box as for `as_bbox`."""
    return {
        "category_id": category_id,
        "bbox": as_bbox(box),
        "area": float(area),
        "iscrowd": int(is_crowd),
    }


def as_ground_truth(
    sizes: Mapping[str, np.ndarray], objects: Mapping[str, list[dict]], categories: list[dict]
) -> dict[str, Any]:
    """COCO's form of annotations.

    Args:
      sizes: image -> height and width, pixels.
      objects: image -> its objects, without ids.
      categories: as COCO has them.
    """
    ids = as_ids(sizes)
    images = [
        {"id": ids[name], "height": int(height), "width": int(width)}
        for name, (height, width) in sizes.items()
    ]
    listed = [{"image_id": ids[name], **each} for name, own in objects.items() for each in own]
    numbered = [{"id": number, **each} for number, each in enumerate(listed, 1)]
    return {"images": images, "annotations": numbered, "categories": categories}


class CocoScores(NamedTuple):
    """Figures by name, NaN where there is nothing to find, and one row a category."""

    figures: dict[str, float]
    per_class: list[dict[str, Any]]


def load_json(path: str) -> Any:
    """A JSON file's content.

    Raises:
      UserError: the file is not there, or is no JSON.
    """
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except OSError as error:
        raise UserError(f"cannot read {path!r}: {error.strerror}") from error
    except ValueError as error:
        raise UserError(f"{path!r} is no JSON: {error}") from error


def _check_fields(name: str, objects: Iterable[Mapping[str, Any]], needed: Iterable[str]) -> None:
    for place, each in enumerate(objects):
        missing = sorted(set(needed) - set(each))
        if missing:
            raise UserError(f"{name} {place} has no {missing[0]!r}; it has {sorted(each)}")


def _make_truth(annotations: Mapping[str, Any], kind: Kind) -> coco.COCO:
    missing = [key for key in ("images", "annotations", "categories") if key not in annotations]
    if missing:
        raise UserError(f"the annotations have no {missing[0]!r}: they are not in COCO's form")
    needed = {"id", "image_id", "category_id", "area", "iscrowd", kind.field, *kind.truth_fields}
    _check_fields("annotation", annotations["annotations"], needed)
    truth = coco.COCO()
    truth.dataset = dict(annotations)
    truth.createIndex()
    return truth


def _check_results(truth: coco.COCO, results: Sequence[Mapping[str, Any]], kind: Kind) -> None:
    """Raises UserError for the first result that cannot be scored."""
    if not isinstance(results, list):
        raise UserError(f"results are a list of objects in COCO's form, not {type(results)}")
    _check_fields("result", results, {"image_id", "category_id", "score", kind.field})
    for place, result in enumerate(results):
        if result["image_id"] not in truth.imgs:
            raise UserError(
                f"result {place} is of image_id={result['image_id']!r}, which the annotations "
                "do not list: are these results of another split?"
            )
        if result["category_id"] not in truth.cats:
            raise UserError(
                f"result {place} has category_id={result['category_id']!r}, which the annotations "
                f"do not list; they have {sorted(truth.cats)[:5]} and more"
            )


def score_coco(
    annotations: Mapping[str, Any], results: Sequence[Mapping[str, Any]], task: str
) -> CocoScores:
    """Scores results as COCO's server does.

    Args:
      annotations: the content of an annotation file: images, annotations, categories.
      results: one object a detection: image_id, category_id, score, and bbox, segmentation or
        keypoints.
      task: key of KINDS.

    Raises:
      UserError: annotations or results are not in COCO's form, or not of each other.
    """
    kind = KINDS[task]
    with contextlib.redirect_stdout(io.StringIO()):  # pycocotools talks
        truth = _make_truth(annotations, kind)
        _check_results(truth, results, kind)
        # loadRes fails on an empty list, and otherwise adds areas and ids in place.
        copies = [dict(result) for result in results]
        nothing = {**annotations, "annotations": []}
        found = truth.loadRes(copies) if copies else _make_truth(nothing, kind)
        evaluation = cocoeval.COCOeval(truth, found, kind.iou_type)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    figures = [float(value) if value >= 0 else np.nan for value in evaluation.stats]
    return CocoScores(dict(zip(kind.figures, figures, strict=True)), _per_class(truth, evaluation))


def _mean(precision: np.ndarray) -> float:
    return float(np.mean(precision[precision > -1])) if (precision > -1).any() else np.nan


def _per_class(truth: coco.COCO, evaluation: cocoeval.COCOeval) -> list[dict[str, Any]]:
    # [IoU, recall, category, size, number of detections]: all sizes, the most detections
    precision = evaluation.eval["precision"][:, :, :, 0, -1]
    rows = []
    for place, numpy_category in enumerate(evaluation.params.catIds):
        category = numpy_category.item()
        of_category = [
            each for each in truth.dataset["annotations"] if each["category_id"] == category
        ]
        rows.append(
            {
                "class": category,
                "title": truth.cats[category].get("name", category),
                "num_positives": sum(not each.get("iscrowd", 0) for each in of_category),
                "average_precision": _mean(precision[:, :, place]),
                "average_precision_50": _mean(precision[0, :, place]),
            }
        )
    return rows
