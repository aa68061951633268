"""PASCAL VOC's measures of boxes: average precision by 11 points (2007) and by area (from 2010).

From the development kit (http://host.robots.ox.ac.uk/pascal/VOC/): detections of a class are taken
by falling score; one is right if the object that it overlaps most is overlapped by at least the
threshold and was not found before. What finds a difficult object counts neither for nor against.

Boxes are (ymin, xmin, ymax, xmax) in continuous pixels. The kit's own are inclusive numbers of
pixels from 1, (xmin, ymin, xmax, ymax); theirs and ours measure the same areas.
"""

import collections
import glob
import os
import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple
from xml.etree import ElementTree

import numpy as np

from revisit.data.voc import image_set
from revisit.errors import UserError

THRESHOLDS = (0.5, 0.75)  # of overlap; VOC's own is 0.5
_SIDES = ("xmin", "ymin", "xmax", "ymax")
_FILE = "comp4_det_{split}_{title}.txt"  # competition 4: detection, trained on any data


class Detection(NamedTuple):
    """One box that was found in one image, for one class."""

    image_id: str
    score: float
    box: tuple[float, float, float, float]


class Truth(NamedTuple):
    """The objects of one class in one image: boxes [N, 4], difficult [N] bool."""

    boxes: np.ndarray
    difficult: np.ndarray


def overlaps(box: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Intersection over union of a box [4] with boxes [N, 4]: [N]."""
    low, high = np.maximum(box[:2], boxes[:, :2]), np.minimum(box[2:], boxes[:, 2:])
    shared = np.prod(np.maximum(high - low, 0), axis=1)
    areas = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    return shared / (np.prod(box[2:] - box[:2]) + areas - shared)


def match(
    detections: Iterable[Detection], truths: Mapping[str, Truth], threshold: float
) -> tuple[np.ndarray, np.ndarray]:
    """Recall and precision after each detection that counts, by falling score.

    Args:
      detections: of one class.
      truths: image id -> its objects of that class.
      threshold: least overlap.

    Returns:
      ([n], [n]) float64.
    """
    num_positives = sum(int(np.sum(~truth.difficult)) for truth in truths.values())
    found = {image_id: np.zeros(len(truth.boxes), bool) for image_id, truth in truths.items()}
    right = []
    for image_id, _, box in sorted(detections, key=lambda each: -each.score):  # stable
        truth = truths.get(image_id)
        best, overlap = -1, -np.inf
        if truth is not None and len(truth.boxes):
            overlap_of = overlaps(np.asarray(box, np.float64), truth.boxes)
            best = int(np.argmax(overlap_of))
            overlap = overlap_of[best]
        if truth is None or overlap < threshold:
            right.append(False)
        elif not truth.difficult[best]:
            right.append(not found[image_id][best])
            found[image_id][best] = True
    hits = np.cumsum(right, dtype=np.float64)
    return hits / max(num_positives, 1), hits / np.maximum(np.arange(1, len(right) + 1), 1)


def eleven_point(recall: np.ndarray, precision: np.ndarray) -> float:
    """Mean over recalls 0, 0.1, ..., 1 of the best precision at that recall or beyond."""
    points = [
        np.max(precision[recall >= threshold], initial=0.0) for threshold in np.arange(11) / 10
    ]
    return float(np.mean(points))


def area(recall: np.ndarray, precision: np.ndarray) -> float:
    """Area under precision, made to fall with recall."""
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return float(np.sum(np.diff(recall, prepend=0.0) * envelope))


AVERAGES = {"voc07": eleven_point, "voc": area}


def _column(average: str, threshold: float) -> str:
    return f"{average}_ap_{threshold * 100:.0f}"


def score_voc(
    detections: Mapping[str, Iterable[Detection]], truths: Mapping[str, Mapping[str, Truth]]
) -> tuple[dict[str, float], list[dict]]:
    """Figures "voc07_map_50", "voc_map_50", ... over classes with an object, and a row a class.

    Args:
      detections: class -> what was found.
      truths: class -> image id -> objects.
    """
    rows = []
    for title, of_class in truths.items():
        num_positives = sum(int(np.sum(~truth.difficult)) for truth in of_class.values())
        row = {"class": title, "num_positives": num_positives}
        for threshold in THRESHOLDS:
            curve = match(detections.get(title, ()), of_class, threshold)
            for name, average in AVERAGES.items():
                value = average(*curve) if num_positives else np.nan
                row[_column(name, threshold)] = value
        rows.append(row)
    columns = [_column(name, threshold) for threshold in THRESHOLDS for name in AVERAGES]
    known = [row for row in rows if row["num_positives"]]
    figures = {
        name.replace("_ap_", "_map_"): float(np.mean([row[name] for row in known] or [np.nan]))
        for name in columns
    }
    return figures, rows


def format_detections(detections: Iterable[Detection]) -> str:
    """Lines of the development kit: image id, score, xmin, ymin, xmax, ymax."""
    lines = []
    for image_id, score, (ymin, xmin, ymax, xmax) in detections:
        corners = " ".join(f"{value:.3f}" for value in (xmin + 1, ymin + 1, xmax, ymax))
        lines.append(f"{image_id} {score:.6f} {corners}\n")
    return "".join(lines)


def file_name(split: str, title: str) -> str:
    """Of the file of one class's detections, as the development kit wants it."""
    return _FILE.format(split=image_set(split), title=title)


def read_detections(directory: str) -> dict[str, list[Detection]]:
    """Class -> detections, of the development kit's files comp*_det_<split>_<class>.txt.

    Raises:
      UserError: there are no such files, or a line is not of their form.
    """
    found: dict[str, list[Detection]] = {}
    for path in sorted(glob.glob(os.path.join(directory, "comp*_det_*.txt"))):
        named = re.fullmatch(r"comp\d_det_[^_]+_(.+)\.txt", os.path.basename(path))
        if named:
            found[named[1]] = _read_file(path)
    if not found:
        raise UserError(f"no files comp4_det_<split>_<class>.txt in {directory!r}")
    return found


def _read_file(path: str) -> list[Detection]:
    detections = []
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            try:
                image_id, *numbers = line.split()
                score, xmin, ymin, xmax, ymax = map(float, numbers)
            except ValueError:
                raise UserError(
                    f"{path}:{number}: {line.strip()!r} is not "
                    "'image score xmin ymin xmax ymax', as VOC's results are"
                ) from None
            detections.append(Detection(image_id, score, (ymin - 1, xmin - 1, ymax, xmax)))
    return detections


def read_truths(directory: str) -> dict[str, dict[str, Truth]]:
    """Class -> image id -> objects, of a folder of VOC's XML annotations.

    Raises:
      UserError: there are none, or one cannot be read.
    """
    objects: dict[str, dict[str, list]] = collections.defaultdict(dict)
    paths = sorted(glob.glob(os.path.join(directory, "*.xml")))
    if not paths:
        raise UserError(f"no XML annotations in {directory!r}")
    for path in paths:
        image_id = os.path.splitext(os.path.basename(path))[0]
        for title, box, difficult in _read_objects(path):
            objects[title].setdefault(image_id, []).append((box, difficult))
    return {
        title: {image_id: _truth(entries) for image_id, entries in of_class.items()}
        for title, of_class in objects.items()
    }


def _truth(entries: list) -> Truth:
    boxes, difficult = zip(*entries)
    return Truth(np.array(boxes, np.float64), np.array(difficult, bool))


def _read_objects(path: str) -> list[tuple[str, tuple[float, float, float, float], bool]]:
    try:
        objects = []
        for each in ElementTree.parse(path).getroot().iter("object"):
            xmin, ymin, xmax, ymax = (float(each.findtext(f"bndbox/{side}", "")) for side in _SIDES)
            difficult = each.findtext("difficult", "0").strip() == "1"
            box = (ymin - 1, xmin - 1, ymax, xmax)
            objects.append((each.findtext("name", ""), box, difficult))
        return objects
    except (ElementTree.ParseError, ValueError) as error:
        raise UserError(f"{path} is not a VOC annotation: {error}") from error
