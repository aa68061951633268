"""From (world, seed, index) to a scene: what is where, in which pose and light; no pixels here.

Every scene has its own counter-based random streams, so any scene can be made alone, in any order
and in any process. Labels need `draw_leaves` alone, which is quick.
"""

import functools
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from data_prep.microworld import patterns, taxonomy
from data_prep.microworld.leaves import Leaf
from data_prep.microworld.recipes import RECIPES

NUM_OBJECTS_SHARES = (0.42, 0.28, 0.16, 0.09, 0.05)  # of scenes with 1, 2, ... objects
ZIPF_EXPONENT, ZIPF_OFFSET = 1.6, 4.0  # probability of rank r (from 1) ~ (r + offset) ** -exponent
SIZES = (
    (0.55, 0.98),
    (0.42, 0.78),
    (0.36, 0.64),
    (0.32, 0.54),
    (0.3, 0.48),
)  # longest side / image
TRANSFER_SIZES = (0.5, 0.95)
STRETCH_DEVIATION = 0.1  # of width against height
PROPORTION_DEVIATION = 0.1  # of every real-valued number of a class
POSITION_TRIES = 8
FRONT_CLUTTER_RATE = 0.3  # scenes with something that is no object in front of all

# Random streams of one scene.
LEAVES_STREAM, LAYOUT_STREAM, LABELS_STREAM, COPIES_STREAM = range(4)


class Thing(NamedTuple):
    """One object.

    Attributes:
      leaf: its class.
      center: (x, y) in [0, 1] of the image.
      size: longest side as a share of the image's side, before turning.
      turn: degrees, clockwise.
      flip: mirrored: looks to the left.
      stretch: width times this.
      moves: [12] in [-1, 1], the pose.
      factors: [8] near 1, the proportions.
      colors: [16] in [0, 1), what the palette makes colours from.
      pattern: (scale, turn of the pattern in degrees, offset).
    """

    leaf: Leaf
    center: tuple[float, float]
    size: float
    turn: float
    flip: bool
    stretch: float
    moves: list[float]
    factors: list[float]
    colors: list[float]
    pattern: tuple[float, float, float]


class Light(NamedTuple):
    """Where light comes from (degrees; 0 from the right, -90 from above) and how it falls."""

    angle: float
    relief: float  # strength of shading
    fall: float  # strength of the gradient over the picture
    shadow: float  # darkness of cast shadows
    tint: tuple[float, float, float]
    exposure: float
    grain: float  # deviation of the sensor's noise, of 255
    grain_offset: tuple[int, int]


class Ground(NamedTuple):
    """The background: a far and a near plane, coloured and textured, that meet at a horizon."""

    horizon: float  # share of the height; above 1: one plane only
    colors: npt.NDArray[np.float64]  # [4, 3] in [0, 1): hue, saturation, value of the planes' ends
    tiles: tuple[int, int]
    textures: tuple[float, float]  # contrast of each
    offset: tuple[int, int]


class Scene(NamedTuple):
    """All that a picture shows, back to front.

    clutter: [n, 12] uniform numbers, one row a thing without a class, behind the objects;
    front: the same before them.
    """

    key: tuple[str, int, int]
    things: tuple[Thing, ...]
    light: Light
    ground: Ground
    clutter: npt.NDArray[np.float64]
    front: npt.NDArray[np.float64]


def random_stream(world: str, seed: int, index: int, stream: int) -> np.random.Generator:
    """An independent generator for one aspect of one scene."""
    key = (seed % 2**64) | ((4 * taxonomy.WORLDS.index(world) + stream) << 64)
    return np.random.Generator(np.random.Philox(key=key, counter=index << 64))


def shown_index(world: str, seed: int, index: int, copies: float) -> int:
    """Whose scene image `index` shows: its own, or, in a share `copies` of the images, that of an
    earlier one, any of them alike."""
    while index:
        u, which = random_stream(world, seed, index, COPIES_STREAM).random(2)
        if u >= copies:
            break
        index = int(which * index)
    return index


@functools.cache
def leaf_shares(world: str) -> npt.NDArray[np.float64]:
    """[leaves of the world] probability of each class, commonest first."""
    n = len(taxonomy.world_leaves(world))
    shares = (np.arange(1, n + 1) + ZIPF_OFFSET) ** -ZIPF_EXPONENT
    return shares / shares.sum()


@functools.cache
def _cumulative(world: str) -> npt.NDArray[np.float64]:
    return np.cumsum(leaf_shares(world))


_NUM_OBJECTS = np.cumsum(NUM_OBJECTS_SHARES)


def draw_leaves(world: str, seed: int, index: int) -> tuple[Leaf, ...]:
    """The classes of a scene's objects, the most prominent first: in "transfer" one, by turns, so
    that classes are balanced; else 1 to 5 from the long tail."""
    leaves = taxonomy.world_leaves(world)
    if world == "transfer":
        return (leaves[index % len(leaves)],)
    u = random_stream(world, seed, index, LEAVES_STREAM).random(6)
    num_objects = 1 + int(np.searchsorted(_NUM_OBJECTS[:-1], u[5], side="right"))
    ranks = np.searchsorted(_cumulative(world)[:-1], u[:num_objects], side="right")
    return tuple(leaves[rank] for rank in ranks)


def _place(sizes: npt.NDArray[np.float64], u: npt.NDArray[np.float64]) -> list[tuple[float, float]]:
    """Centres: of a few tries each, the one that overlaps least with those already placed.

    u: [objects, POSITION_TRIES, 2] uniform numbers.
    """
    placed: list[tuple[float, float, float]] = []
    for size, tries in zip(sizes.tolist(), u.tolist()):
        low = min(0.5, 0.42 * size)
        best, least = (0.5, 0.5), float("inf")
        for x, y in tries:
            x, y = low + (1 - 2 * low) * x, low + (1 - 2 * low) * y
            overlap = sum(_overlap(x, y, size, *other) for other in placed)
            if overlap < least:
                best, least = (x, y), overlap
            if not least:
                break
        placed.append((*best, size))
    return [(x, y) for x, y, _ in placed]


def _overlap(x: float, y: float, size: float, x1: float, y1: float, size1: float) -> float:
    reach = 0.4 * (size + size1)
    return max(0.0, reach - abs(x - x1)) * max(0.0, reach - abs(y - y1)) / min(size, size1) ** 2


def _thing(leaf: Leaf, center: tuple[float, float], size: float, rng: np.random.Generator) -> Thing:
    recipe = RECIPES[leaf.recipe]
    u, normal = rng.random(32), rng.standard_normal(10)
    return Thing(
        leaf=leaf,
        center=center,
        size=size,
        turn=float(normal[8]) * recipe.tilt,
        flip=bool(u[28] < 0.5),
        stretch=float(np.exp(STRETCH_DEVIATION * normal[9])),
        moves=(2 * u[:12] - 1).tolist(),
        factors=np.exp(PROPORTION_DEVIATION * normal[:8]).tolist(),
        colors=u[12:28].tolist(),
        pattern=(
            recipe.pattern_scale * (0.8 + 0.5 * float(u[29])),
            24 * float(u[30]) - 12,
            float(u[31]),
        ),
    )


def _light(rng: np.random.Generator) -> Light:
    u = rng.random(9)
    warm = 0.16 * (u[6] - 0.5)
    return Light(
        angle=float(-150 + 120 * u[0]),
        relief=float(0.35 + 0.65 * u[1]),
        fall=float(0.5 * u[2]),
        shadow=float(0.2 + 0.45 * u[3]),
        tint=(float(1 + warm), 1.0, float(1 - warm)),
        exposure=float(0.8 + 0.5 * u[4]),
        grain=float(2 + 7 * u[5] ** 2),
        grain_offset=(int(u[7] * patterns.SIZE), int(u[8] * patterns.SIZE)),
    )


def _ground(rng: np.random.Generator) -> Ground:
    u = rng.random(21)
    tiles = int(u[0] * patterns.GROUNDS), int(u[1] * patterns.GROUNDS)
    return Ground(
        horizon=float(0.35 + 0.4 * u[2] if u[3] < 0.65 else 2.0),
        colors=u[9:21].reshape(4, 3),
        tiles=tiles,
        textures=(float(0.1 + 0.45 * u[4]), float(0.15 + 0.55 * u[5])),
        offset=(int(u[6] * patterns.SIZE), int(u[7] * patterns.SIZE)),
    )


def make_scene(world: str, seed: int, index: int) -> Scene:
    """The scene of (world, seed, index); its things lie back to front."""
    leaves = draw_leaves(world, seed, index)
    rng = random_stream(world, seed, index, LAYOUT_STREAM)
    low, high = TRANSFER_SIZES if world == "transfer" else SIZES[len(leaves) - 1]
    sizes = np.sort(low + (high - low) * rng.random(len(leaves)))[::-1]
    centers = _place(sizes, rng.random((len(leaves), POSITION_TRIES, 2)))
    things = [_thing(*each, rng) for each in zip(leaves, centers, sizes.tolist())]
    things.sort(key=lambda thing: thing.center[1] + 0.3 * thing.size)  # what stands lower is nearer
    light, ground = _light(rng), _ground(rng)
    num_clutter, num_front = rng.integers(4, 13), rng.integers(1, 4)
    clutter = rng.random((num_clutter, 12))
    front = rng.random((num_front if rng.random() < FRONT_CLUTTER_RATE else 0, 12))
    return Scene((world, seed, index), tuple(things), light, ground, clutter, front)
