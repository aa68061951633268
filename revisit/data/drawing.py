"""Boxes with words, drawn over pictures for people to look at."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

MIN_SIDE = 256  # pixels; small pictures are enlarged so that words and joints can be told apart
_FONT_SIZE = 11


class Label(NamedTuple):
    """A box (ymin, xmin, ymax, xmax) in [0, 1] and what is written at its top."""

    box: Sequence[float]
    text: str


def enlarge(picture: np.ndarray, side: int) -> Image.Image:
    """[H, W, 3] uint8 -> an image a whole number of times as large: the least by which `side`
    pixels become MIN_SIDE."""
    scale = max(1, -(-MIN_SIDE // side))
    height, width = picture.shape[:2]
    return Image.fromarray(picture).resize(
        (width * scale, height * scale), Image.Resampling.NEAREST
    )


def draw_boxes(picture: np.ndarray, labels: Sequence[Label], color: str) -> np.ndarray:
    """Draws boxes over a picture.

    Args:
      picture: [H, W, 3] uint8.
      labels: what to draw, the first on top.
      color: a name that Pillow knows.

    Returns:
      [H * n, W * n, 3] uint8, n a whole number.
    """
    canvas = enlarge(picture, picture.shape[1])
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(size=_FONT_SIZE)
    for box, text in reversed(labels):
        ymin, xmin, ymax, xmax = np.asarray(box) * np.tile(canvas.size[::-1], 2)
        draw.rectangle((xmin, ymin, max(xmax, xmin), max(ymax, ymin)), outline=color, width=2)
        place = (xmin + 2, max(ymin - _FONT_SIZE - 2, 0))
        draw.rectangle(draw.textbbox(place, text, font), fill=color)
        draw.text(place, text, "white", font)
    return np.asarray(canvas)


def side_by_side(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Two pictures of one height, a white line between them: [H, W + 4 + W', 3] uint8."""
    line = np.full((left.shape[0], 4, 3), 255, np.uint8)
    return np.concatenate([left, line, right], axis=1)
