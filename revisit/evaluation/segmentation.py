"""Segmentation as PASCAL VOC scores it: intersection over union by class, and masks as its files.

The counts of all pixels of all images are summed before anything is divided (VOC 2012 devkit,
section 6.1). Pixels without a class in the truth count nothing.
"""

import io
import urllib.parse

import numpy as np
from PIL import Image

# Where VOC's server looks for masks of models that were trained on more than VOC's own images.
RESULTS_FOLDER = "Segmentation/comp6_test_cls"


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


def voc_file(image_id: str) -> str:
    """Path of an image's mask among the results; what a file name can't hold is percent-encoded."""
    return f"{RESULTS_FOLDER}/{urllib.parse.quote(image_id, safe='')}.png"


def as_voc_png(png: bytes) -> bytes:
    """A gray PNG of classes -> the same classes in a PNG with VOC's palette."""
    mask = Image.open(io.BytesIO(png))
    mask.putpalette(voc_palette().tobytes())
    encoded = io.BytesIO()
    mask.save(encoded, "PNG")
    return encoded.getvalue()
