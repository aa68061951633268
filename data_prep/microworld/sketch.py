"""The pen of the microworld: parts of an object as polygons with a material, back to front.

Coordinates are free units, x to the right and y *down*; the painter scales the longest side of
what was drawn to the object's size. Points are plain tuples: a picture is a few hundred of them,
too few for arrays to pay.
"""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

Point = tuple[float, float]

# Materials. What colour and pattern they have is a matter of each instance's palette.
HOLE, MAIN, SECOND, ACCENT, DARK, SKIN, GLASS, METAL, LIGHT, HAIR = range(10)
NUM_MATERIALS = 10
FAR = 16  # added to a material: the same in the shade of the object itself (limbs on its far side)

_CIRCLES = {
    n: tuple((math.cos(2 * math.pi * k / n), math.sin(2 * math.pi * k / n)) for k in range(n))
    for n in range(3, 25)
}
_CAP = tuple((math.cos(math.radians(a)), math.sin(math.radians(a))) for a in (-90, -30, 30, 90))


class Part(NamedTuple):
    """One polygon and its material; HOLE cuts through what was drawn before."""

    points: Sequence[Point]
    material: int
    name: str


class Sketch:
    """Collects parts back to front, and named joints (keypoints)."""

    def __init__(self) -> None:
        self.parts: list[Part] = []
        self.joints: dict[str, tuple[float, float, tuple[str, ...]]] = {}

    def polygon(self, points: Sequence[Point], material: int = MAIN, *, name: str = "") -> None:
        """Any simple polygon."""
        self.parts.append(Part(points, material, name))

    def box(
        self, x0: float, y0: float, x1: float, y1: float, material: int = MAIN, *, name: str = ""
    ) -> None:
        """An upright rectangle."""
        self.polygon(((x0, y0), (x1, y0), (x1, y1), (x0, y1)), material, name=name)

    def ellipse(
        self,
        center: Point,
        rx: float,
        ry: float,
        material: int = MAIN,
        *,
        turn: float = 0.0,
        name: str = "",
    ) -> None:
        """An ellipse turned clockwise (as seen) by `turn` degrees."""
        x, y = center
        c, s = math.cos(math.radians(turn)), math.sin(math.radians(turn))
        a, b, d, e = rx * c, -ry * s, rx * s, ry * c
        circle = _CIRCLES[16 if rx + ry > 0.3 else 8]
        points = [(x + a * u + b * v, y + d * u + e * v) for u, v in circle]
        self.polygon(points, material, name=name)

    def circle(self, center: Point, radius: float, material: int = MAIN, *, name: str = "") -> None:
        """An ellipse with equal half axes."""
        self.ellipse(center, radius, radius, material, name=name)

    def limb(
        self,
        start: Point,
        end: Point,
        width: float,
        end_width: float | None = None,
        material: int = MAIN,
        *,
        name: str = "",
    ) -> None:
        """A tapering bar with round ends."""
        r0, r1 = width / 2, (width if end_width is None else end_width) / 2
        (x0, y0), (x1, y1) = start, end
        length = math.hypot(x1 - x0, y1 - y0) or 1.0
        c, s = (x1 - x0) / length, (y1 - y0) / length
        c1, s1, c0, s0 = r1 * c, r1 * s, r0 * c, r0 * s
        points = [(x1 + c1 * u - s1 * v, y1 + s1 * u + c1 * v) for u, v in _CAP]
        points += [(x0 - c0 * u + s0 * v, y0 - s0 * u - c0 * v) for u, v in _CAP]
        self.polygon(points, material, name=name)

    def bar(
        self, start: Point, end: Point, width: float, material: int = MAIN, *, name: str = ""
    ) -> None:
        """A limb that doesn't taper."""
        self.limb(start, end, width, width, material, name=name)

    def chain(
        self, points: Sequence[Point], width: float, end_width: float, material: int = MAIN
    ) -> None:
        """Limbs from point to point, tapering over the whole."""
        steps = len(points) - 1
        for k in range(steps):
            w0, w1 = (width + (end_width - width) * (k + d) / steps for d in (0, 1))
            self.limb(points[k], points[k + 1], w0, w1, material)

    def ring(self, center: Point, radius: float, thickness: float, material: int = MAIN) -> None:
        """A circle with a hole."""
        self.ellipse(center, radius, radius, material)
        self.ellipse(center, radius - thickness, radius - thickness, HOLE)

    def lathe(
        self, knots: Iterable[Point], material: int = MAIN, *, x: float = 0.0, name: str = ""
    ) -> None:
        """A shape that is its own mirror image: knots of (y, half width) around the axis at x."""
        right = [(x + r, y) for y, r in knots]
        left = [(2 * x - px, y) for px, y in reversed(right)]
        self.polygon(right + left, material, name=name)

    def star(
        self,
        center: Point,
        n: int,
        radius: float,
        inner: float,
        material: int = MAIN,
        *,
        turn: float = 0,
    ) -> None:
        """A star of n points whose notches lie at `inner` times the radius."""
        x, y = center
        points = []
        for k in range(2 * n):
            r = radius if k % 2 == 0 else radius * inner
            a = math.pi * k / n - math.pi / 2 + math.radians(turn)
            points.append((x + r * math.cos(a), y + r * math.sin(a)))
        self.polygon(points, material)

    def joint(self, name: str, point: Point, *parts: str) -> None:
        """A keypoint, which can be seen where one of the named parts is uppermost."""
        self.joints[name] = (point[0], point[1], parts)


def toward(point: Point, angle: float, length: float) -> Point:
    """The point `length` away at `angle` degrees: 0 is down, 90 right, 180 up."""
    a = math.radians(angle)
    return point[0] + length * math.sin(a), point[1] + length * math.cos(a)
