"""Skeletons drawn over pictures, for people to look at."""

import numpy as np
from PIL import ImageDraw

from revisit.data.drawing import enlarge
from revisit.data.records import KEYPOINTS, LIMBS

JOINT_RADIUS = 3  # pixels
# The person's own left and right, which a mirror or a wrong prediction exchanges.
SIDE_COLORS = {"left": "orange", "right": "deepskyblue"}


def _color(keypoint: int) -> str:
    return SIDE_COLORS.get(KEYPOINTS[keypoint].partition("_")[0], "white")


def draw_skeletons(picture: np.ndarray, people: np.ndarray) -> np.ndarray:
    """Draws people over a picture: joints of their left orange, of their right blue.

    Args:
      picture: [H, W, 3] uint8.
      people: [P, K, 3] y and x in [0, 1], and a number that is above 0 where a keypoint is known.

    Returns:
      [H * n, W * n, 3] uint8, n a whole number.
    """
    canvas = enlarge(picture, picture.shape[0])
    width, height = canvas.size
    draw = ImageDraw.Draw(canvas)
    for person in people:
        places = [(float(x) * width, float(y) * height) for y, x, _ in person]
        known = person[:, 2] > 0
        for start, end in LIMBS:
            if known[start] and known[end]:
                draw.line((places[start], places[end]), "yellowgreen", width=2)
        for keypoint, place in enumerate(places):
            if known[keypoint]:
                draw.circle(place, JOINT_RADIUS, _color(keypoint))
    return np.asarray(canvas)
