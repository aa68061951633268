"""Segmentation as PASCAL VOC scores it: intersection over union by class, and masks as its files.

The counts of all pixels of all images are summed before anything is divided (VOC 2012 devkit,
section 6.1). Pixels without a class in the truth count nothing.
"""

import io
import os
import urllib.parse
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from revisit.data.voc import MASK_CLASSES, VOID, image_set
from revisit.errors import UserError

# Competition 6: masks of models that were trained on more than VOC's own images.
_FOLDER = "Segmentation/comp6_{split}_cls"
OPACITY = 0.6  # of the colors that are drawn over a picture


class ConfusionMatrix:
    """Pixels by true and predicted class, of any number of images.

    Attributes:
      counts: [C, C] int64, a row for each true class.
    """

    def __init__(self, num_classes: int) -> None:
        self.counts = np.zeros((num_classes, num_classes), np.int64)

    def update(self, counts: np.ndarray) -> None:
        """Adds the counts of images, [..., C, C]."""
        self.counts += np.sum(counts.reshape(-1, *self.counts.shape), axis=0, dtype=np.int64)

    def iou(self) -> np.ndarray:
        """[C] float64, intersection over union; NaN for a class that no pixel has or was given."""
        intersection = np.diag(self.counts)
        union = self.counts.sum(axis=0) + self.counts.sum(axis=1) - intersection
        return np.divide(intersection, union, out=np.full(len(union), np.nan), where=union > 0)

    def rows(self, classes: Sequence[str]) -> list[dict[str, Any]]:
        """Of each class its name, how many pixels truly have it, and its IoU."""
        columns = zip(classes, self.counts.sum(axis=1).tolist(), self.iou().tolist(), strict=True)
        return [{"class": name, "num_pixels": count, "iou": iou} for name, count, iou in columns]

    def result(self) -> dict[str, float]:
        """Mean over classes, and share of pixels that are right, in [0, 1]; NaN without pixels."""
        iou, total = self.iou(), self.counts.sum()
        return {
            "miou": float(np.nanmean(iou)) if total else np.nan,
            "pixel_accuracy": float(np.trace(self.counts) / total) if total else np.nan,
        }


def voc_palette() -> np.ndarray:
    """[256, 3] uint8: VOC's colors, which spread the bits of a class over red, green and blue.

    Bit 3k of a class gives bit 7 - k of red, 3k + 1 of green, 3k + 2 of blue (VOCcolormap.m).
    """
    classes = np.arange(256)[:, np.newaxis]
    bits = [(classes >> (3 * k + np.arange(3)) & 1) << (7 - k) for k in range(8)]
    return np.sum(bits, axis=0).astype(np.uint8)


def paint_classes(pixels: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Pictures [..., H, W, 3] uint8 with VOC's color of each pixel's class, but for background."""
    shown = OPACITY * (classes > 0)[..., np.newaxis]
    painted = pixels + shown * (voc_palette()[classes] - pixels.astype(float))
    return np.round(painted).astype(np.uint8)


def voc_file(image_id: str, split: str) -> str:
    """Path of an image's mask among the results, where the development kit looks for it; what a
    file name can't hold is percent-encoded."""
    return f"{_FOLDER.format(split=image_set(split))}/{urllib.parse.quote(image_id, safe='')}.png"


def as_voc_png(png: bytes) -> bytes:
    """A gray PNG of classes -> the same classes in a PNG with VOC's palette."""
    mask = Image.open(io.BytesIO(png))
    mask.putpalette(voc_palette().tobytes())
    encoded = io.BytesIO()
    mask.save(encoded, "PNG")
    return encoded.getvalue()


def _read_mask(path: str) -> np.ndarray:
    """[H, W] uint8 of a PNG, gray or with a palette.

    Raises:
      UserError: there is none, or it is another picture.
    """
    try:
        with Image.open(path) as image:
            if image.mode not in ("P", "L"):
                raise UserError(f"{path} is a picture in {image.mode}, no mask of class numbers")
            return np.asarray(image)
    except OSError as error:
        raise UserError(f"{path} can't be read as a mask: {error}") from None


def _compare(true_path: str, path: str) -> np.ndarray:
    """Pixels by true and predicted class of one image, [C, C]."""
    true, predicted = _read_mask(true_path), _read_mask(path)
    if true.shape != predicted.shape:
        shapes = ("{1}x{0}".format(*mask.shape) for mask in (predicted, true))
        raise UserError("{} is {} pixels, and the true mask {}".format(path, *shapes))
    known = true != VOID
    num_classes = len(MASK_CLASSES)
    for name, classes in ((true_path, true[known]), (path, predicted[known])):
        if classes.max(initial=0) >= num_classes:
            raise UserError(f"{name} has class {classes.max()}: VOC has 0 to {num_classes - 1}")
    pairs = true[known].astype(np.int64) * num_classes + predicted[known]
    return np.bincount(pairs, minlength=num_classes**2)


def _read_image_set(path: str) -> list[str]:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read().split()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is no list of image ids, as VOC's val.txt: {error}") from None


def score_masks(results: str, image_set: str) -> tuple[dict[str, float], list[dict[str, Any]]]:
    """Scores a folder of VOC's result masks on one of its image sets, as VOC's own tool does.

    Args:
      results: folder with <image id>.png for each image, such as comp6_val_cls.
      image_set: VOC2012/ImageSets/Segmentation/val.txt or the like; the true masks are those in
        VOC2012/SegmentationClass.

    Returns:
      Figures by name, and a row a class.

    Raises:
      UserError: an image of the set has no mask, or one does not fit.
    """
    year = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(image_set))))
    ids = _read_image_set(image_set)
    missing = [id_ for id_ in ids if not os.path.exists(os.path.join(results, f"{id_}.png"))]
    if missing or not ids:
        raise UserError(
            f"{results} lacks the masks of {len(missing)} of the {len(ids)} images of {image_set}"
            + f", as {missing[0]}.png" * bool(missing)
        )
    matrix = ConfusionMatrix(len(MASK_CLASSES))
    for id_ in ids:
        true_path = os.path.join(year, "SegmentationClass", f"{id_}.png")
        matrix.update(_compare(true_path, os.path.join(results, f"{id_}.png")))
    return matrix.result(), matrix.rows(MASK_CLASSES)
