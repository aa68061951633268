"""Images before and after an exported model is asked: set upright, and drawn over."""

import io
import struct
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageOps

from revisit.data.drawing import Label, draw_boxes
from revisit.data.exif import UPRIGHT, read_orientation
from revisit.evaluation.segmentation import paint_classes
from revisit.serving.predictors import ImageRefusedError, Outputs

SHOWN_SCORES = {"boxes": 0.5, "keypoints": 0.2}  # output -> the least score that is drawn


def set_upright(image: bytes) -> bytes:
    """What EXIF turns is turned, as data_prep.build does it: the graph's decoders don't read EXIF.

    All other bytes are given back as they came, also those that Pillow can't read.
    """
    try:
        picture = Image.open(io.BytesIO(image))
        if read_orientation(picture) == UPRIGHT:
            return image
        turned = io.BytesIO()
        ImageOps.exif_transpose(picture).convert("RGB").save(turned, "PNG")
    except (OSError, SyntaxError, ValueError, struct.error):
        return image  # the model says what is wrong with it
    return turned.getvalue()


def draw_found_boxes(picture: np.ndarray, outputs: Outputs) -> np.ndarray:
    """ "boxes" [D, 4] (ymin, xmin, ymax, xmax) in the picture's pixels, with names and scores."""
    height, width = picture.shape[:2]
    found = zip(outputs["boxes"], outputs["titles"], outputs["scores"], strict=True)
    labels = [
        Label(np.divide(box, [height, width, height, width]), f"{title} {score:.2f}")
        for box, title, score in found
        if score >= SHOWN_SCORES["boxes"]
    ]
    return draw_boxes(picture, labels, "red")


def draw_found_mask(picture: np.ndarray, outputs: Outputs) -> np.ndarray:
    """ "mask_bytes", a gray PNG of class ids in the picture's pixels, 0 being no class."""
    classes = np.asarray(Image.open(io.BytesIO(outputs["mask_bytes"])))  # [H, W] uint8
    return paint_classes(picture, classes)


def draw_found_skeleton(picture: np.ndarray, outputs: Outputs) -> np.ndarray:
    """ "keypoints" [K, 2] (y, x) in the picture's pixels, of a person or [P, K, 2] of P, and the
    limbs between those found."""
    # Here and not above: the names of keypoints come with TensorFlow Datasets, a second's work.
    from revisit.data.skeletons import draw_skeletons

    places = np.divide(outputs["keypoints"], picture.shape[:2])
    shown = np.greater_equal(outputs["scores"], SHOWN_SCORES["keypoints"])
    people = np.concatenate([places, shown[..., np.newaxis]], axis=-1)
    return draw_skeletons(picture, people.reshape(-1, *people.shape[-2:]))


# Output -> how it is drawn: (picture [H, W, 3] uint8, outputs) -> picture.
DRAWERS: dict[str, Callable[[np.ndarray, Outputs], np.ndarray]] = {
    "boxes": draw_found_boxes,
    "mask_bytes": draw_found_mask,
    "keypoints": draw_found_skeleton,
}


def read_picture(image: bytes) -> Image.Image:
    """The image as Pillow sees it.

    Raises:
      ImageRefusedError: Pillow cannot read it, whatever TensorFlow can.
    """
    try:
        return Image.open(io.BytesIO(image)).convert("RGB")
    except OSError as error:
        raise ImageRefusedError(f"Pillow cannot read the image: {error}") from error


def draw(image: bytes, outputs: Outputs) -> Image.Image | None:
    """The picture with all that can be drawn of an answer; None where nothing can.

    Raises:
      ImageRefusedError: as `read_picture`.
    """
    drawers = [drawer for name, drawer in DRAWERS.items() if name in outputs]
    if not drawers:
        return None
    picture = np.asarray(read_picture(image))
    for drawer in drawers:
        picture = drawer(picture, outputs)
    return Image.fromarray(picture)


def count_drawn(outputs: Outputs) -> str:
    """How much of an answer `draw` shows, in words; empty where no score decides it."""
    return ", ".join(
        f"{np.greater_equal(outputs['scores'], least).sum()} {name} with a score of {least} or more"
        for name, least in SHOWN_SCORES.items()
        if name in outputs
    )
