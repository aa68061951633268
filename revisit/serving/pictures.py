"""Images before and after an exported model is asked: set upright, and drawn over."""

import io
import struct
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageOps

from revisit.data.drawing import Label, draw_boxes
from revisit.data.exif import UPRIGHT, read_orientation
from revisit.errors import UserError
from revisit.evaluation.segmentation import paint_classes
from revisit.serving.predictors import Outputs

SHOWN_SCORE = 0.5  # boxes below are left out
SHOWN_KEYPOINT_SCORE = 0.2  # and keypoints


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
        if score >= SHOWN_SCORE
    ]
    return draw_boxes(picture, labels, "red")


def draw_found_mask(picture: np.ndarray, outputs: Outputs) -> np.ndarray:
    """ "mask_bytes", a gray PNG of class ids in the picture's pixels, 0 being no class."""
    classes = np.asarray(Image.open(io.BytesIO(outputs["mask_bytes"])))  # [H, W] uint8
    return paint_classes(picture, classes)


def draw_found_skeleton(picture: np.ndarray, outputs: Outputs) -> np.ndarray:
    """ "keypoints" [K, 2] (y, x) in the picture's pixels, and the limbs between those found."""
    # Here and not above: the names of keypoints come with TensorFlow Datasets, a second's work.
    from revisit.data.skeletons import draw_skeletons

    places = np.divide(outputs["keypoints"], picture.shape[:2])
    shown = np.greater_equal(outputs["scores"], SHOWN_KEYPOINT_SCORE)
    return draw_skeletons(picture, np.column_stack([places, shown])[np.newaxis])


# Output -> how it is drawn: (picture [H, W, 3] uint8, outputs) -> picture.
DRAWERS: dict[str, Callable[[np.ndarray, Outputs], np.ndarray]] = {
    "boxes": draw_found_boxes,
    "mask_bytes": draw_found_mask,
    "keypoints": draw_found_skeleton,
}


def draw(image: bytes, outputs: Outputs) -> Image.Image | None:
    """The picture with all that can be drawn of an answer; None where nothing can.

    Raises:
      UserError: Pillow cannot read the image, which TensorFlow could.
    """
    drawers = [drawer for name, drawer in DRAWERS.items() if name in outputs]
    if not drawers:
        return None
    try:
        picture = np.asarray(Image.open(io.BytesIO(image)).convert("RGB"))
    except OSError as error:
        raise UserError(f"Pillow cannot read the image to draw over it: {error}") from error
    for drawer in drawers:
        picture = drawer(picture, outputs)
    return Image.fromarray(picture)
