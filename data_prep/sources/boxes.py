"""Boxes as people draw them, and what of them is kept.

A box that reaches over the edge of its image is cut off there, if at least half of its area lies
inside. One of which less does, an empty one, and one whose sides are no numbers is no box of this
image: its object is left out and listed among the rejects, and the image stays.
"""

from collections.abc import Sequence

from data_prep.sources.source import Box

_MIN_SHARE_INSIDE = 0.5


def _area(ymin: float, xmin: float, ymax: float, xmax: float) -> float:
    return (ymax - ymin) * (xmax - xmin)


def clip_box(sides: Sequence[float]) -> Box:
    """Cuts (ymin, xmin, ymax, xmax), in fractions of the image, off at the image's edges.

    Raises:
      ValueError: the box is empty, or more of it lies outside the image than inside.
    """
    ymin, xmin, ymax, xmax = sides
    if not (ymin < ymax and xmin < xmax):  # true of NaN too
        raise ValueError(f"empty box: ymin, xmin, ymax, xmax are {_listed(sides)} of the image")
    clipped = tuple(min(max(side, 0.0), 1.0) for side in sides)
    if not _area(*clipped) >= _MIN_SHARE_INSIDE * _area(*sides):
        raise ValueError(
            f"box outside the image: ymin, xmin, ymax, xmax are {_listed(sides)} of the image"
        )
    return clipped[0], clipped[1], clipped[2], clipped[3]


def _listed(sides: Sequence[float]) -> str:
    return ", ".join(f"{side:.4g}" for side in sides)
