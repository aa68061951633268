"""Recipes of containers, tools, instruments, toys and signs."""

import math
from collections.abc import Callable
from typing import NamedTuple

from data_prep.microworld.sketch import (
    ACCENT,
    DARK,
    FAR,
    GLASS,
    HOLE,
    LIGHT,
    MAIN,
    METAL,
    SECOND,
    Point,
    Sketch,
    toward,
)


class Vessel(NamedTuple):
    """What a class chooses of `vessel`."""

    knots: tuple = ((-0.6, 0.4), (0.6, 0.3))
    handles: int = 0
    loop: float = 0.28
    spout: float = 0.0
    lip: bool = False
    lid: bool = False
    bail: bool = False
    hoops: int = 0
    cork: bool = False
    label: bool = False
    filled: float = 0.0
    saucer: float = 0.0
    straw: bool = False


class _Outline(NamedTuple):
    """Where a vessel's fittings go: its ends, its middle, and half widths of rim and belly."""

    top: float
    bottom: float
    middle: float
    rim: float
    widest: float


def vessel(s: Sketch, moves: list[float], traits: Vessel) -> None:
    """What a potter or a glass blower makes: a lathe of knots (y, half width) with fittings."""
    (top, rim), bottom = traits.knots[0], traits.knots[-1][0]
    widest = max(r for _, r in traits.knots)
    outline = _Outline(top, bottom, (top + bottom) / 2 - 0.05, rim, widest)
    _behind_vessel(s, outline, traits)
    s.lathe(traits.knots)
    if traits.filled:
        surface = top + (bottom - top) * traits.filled * 0.5
        s.lathe([(y, r * 0.8) for y, r in traits.knots if y >= surface] or traits.knots, GLASS)
    _before_vessel(s, outline, traits)
    _mouth(s, top, rim, traits)


def _behind_vessel(s: Sketch, outline: _Outline, traits: Vessel) -> None:
    top, bottom, middle, rim, widest = outline
    if traits.straw:
        s.bar((0.05, middle), (rim * 1.1, top - 0.5), 0.05, ACCENT)
    for k in range(traits.handles):
        side = 1 if k == 0 else -1
        s.ring((side * widest * 1.02, middle), traits.loop, traits.loop * 0.32, SECOND)
    if traits.bail:
        s.ring((0, top), rim * 1.02, 0.05, METAL)
        s.box(-rim * 0.9, top, rim * 0.9, top + 0.3, HOLE)
    if traits.spout:
        s.limb((widest * 0.6, middle + 0.15), (widest + traits.spout, top + 0.05), 0.2, 0.1, SECOND)
    if traits.saucer:
        s.ellipse((0, bottom + 0.02), traits.saucer, 0.08, SECOND)


def _before_vessel(s: Sketch, outline: _Outline, traits: Vessel) -> None:
    top, bottom, middle, rim, widest = outline
    for k in range(traits.hoops):
        y = top + (bottom - top) * (k + 0.5) / traits.hoops
        s.box(-widest * 0.98, y - 0.04, widest * 0.98, y + 0.04, METAL)
    if traits.label:
        s.box(-widest * 0.8, middle - 0.02, widest * 0.8, middle + 0.42, LIGHT)
        s.box(-widest * 0.5, middle + 0.1, widest * 0.5, middle + 0.2, ACCENT)
    if traits.lip:
        s.polygon(((rim * 0.3, top + 0.1), (rim * 1.5, top - 0.06), (rim * 0.8, top + 0.3)), MAIN)


def _mouth(s: Sketch, top: float, rim: float, traits: Vessel) -> None:
    """The opening, and what closes it."""
    s.ellipse((0, top), rim, max(0.03, rim * 0.16), DARK)
    if traits.lid:
        s.lathe(((top - 0.2, rim * 0.25), (top - 0.1, rim * 0.8), (top + 0.03, rim * 1.05)), SECOND)
        s.circle((0, top - 0.24), 0.07, ACCENT)
    if traits.cork:
        s.box(-rim * 0.7, top - 0.16, rim * 0.7, top + 0.02, ACCENT)


class Basket(NamedTuple):
    """What a class chooses of `basket`."""

    width: float = 0.7
    depth: float = 0.5
    flare: float = 0.8
    handle: float = 0.6
    lid: float = 0.0
    clasp: bool = False
    straps: int = 0
    items: int = 0


def basket(s: Sketch, moves: list[float], traits: Basket) -> None:
    """Baskets, bags, chests and boxes."""
    if traits.handle:
        s.ellipse((0, 0), traits.width * 0.6, traits.handle, DARK)
        s.ellipse((0, 0), traits.width * 0.6 - 0.09, traits.handle - 0.09, HOLE)
        s.box(-traits.width, 0, traits.width, traits.handle + 0.1, HOLE)
    for k in range(traits.items):
        s.circle(
            (traits.width * (1.4 * (k + 0.5) / traits.items - 0.7), -0.08 + 0.05 * moves[k]),
            0.2,
            ACCENT,
        )
    s.lathe(((0, traits.width), (traits.depth, traits.width * traits.flare)))
    if traits.lid:
        s.lathe(
            (
                (-traits.lid, traits.width * 0.7),
                (-traits.lid * 0.6, traits.width),
                (0.04, traits.width),
            ),
            SECOND,
        )
    for k in range(traits.straps):
        x = traits.width * (1.2 * (k + 0.5) / traits.straps - 0.6)
        s.box(x - 0.05, -traits.lid * 0.8, x + 0.05, traits.depth, ACCENT)
    if traits.clasp:
        s.box(-0.08, -0.08, 0.08, 0.12, METAL)


TOOL_HEADS: dict[str, tuple[tuple[tuple[Point, ...], int], ...]] = {
    # polygons on a handle that ends at (0, 0) and comes from below; and their material
    "hammer": ((((-0.3, -0.14), (0.26, -0.14), (0.26, 0.1), (-0.3, 0.06)), METAL),),
    "mallet": ((((-0.4, -0.26), (0.4, -0.26), (0.4, 0.18), (-0.4, 0.18)), SECOND),),
    "axe": (
        (
            ((-0.08, -0.12), (0.16, -0.12), (0.46, -0.3), (0.5, 0.3), (0.16, 0.1), (-0.08, 0.1)),
            METAL,
        ),
    ),
    "pick": ((((-0.75, 0.2), (0, -0.16), (0.75, 0.2), (0, 0.06)), METAL),),
    "spade": ((((-0.24, 0), (0.24, 0), (0.24, -0.4), (0, -0.62), (-0.24, -0.4)), METAL),),
    "shovel": ((((-0.32, 0.02), (0.32, 0.02), (0.34, -0.5), (-0.34, -0.5)), METAL),),
    "hoe": (
        (
            ((-0.05, -0.08), (0.42, -0.08), (0.46, 0.14), (0.36, 0.14), (0.3, 0.02), (-0.05, 0.04)),
            METAL,
        ),
    ),
    "rake": ((((-0.45, -0.08), (0.45, -0.08), (0.45, 0.02), (-0.45, 0.02)), METAL),)
    + tuple(
        (((x, -0.3), (x + 0.07, -0.3), (x + 0.07, 0), (x, 0)), METAL)
        for x in (-0.45, -0.24, -0.03, 0.18, 0.38)
    ),
    "fork": ((((-0.2, -0.02), (0.2, -0.02), (0.1, 0.16), (-0.1, 0.16)), METAL),)
    + tuple(
        (((x, -0.48), (x + 0.07, -0.48), (x + 0.07, 0), (x, 0)), METAL)
        for x in (-0.2, -0.035, 0.13)
    ),
    "spoon": (
        (tuple((0.2 * math.cos(a / 2), -0.3 + 0.34 * math.sin(a / 2)) for a in range(13)), METAL),
    ),
    "ladle": (
        (
            tuple(
                (0.16 + 0.34 * math.cos(a / 4), -0.06 + 0.26 * math.sin(a / 4)) for a in range(13)
            ),
            METAL,
        ),
    ),
    "knife": ((((-0.1, 0.02), (0.1, 0.02), (0.12, -0.7), (-0.02, -0.96), (-0.1, -0.8)), METAL),),
    "cleaver": ((((-0.08, 0.02), (0.4, 0.02), (0.4, -0.75), (-0.08, -0.75)), METAL),),
    "sword": (
        (((-0.09, 0), (0.09, 0), (0.07, -1.5), (0, -1.7), (-0.07, -1.5)), METAL),
        (((-0.3, -0.05), (0.3, -0.05), (0.3, 0.06), (-0.3, 0.06)), ACCENT),
    ),
    "scimitar": (
        (
            (
                (-0.1, 0),
                (0.1, 0),
                (0.22, -0.6),
                (0.12, -1.2),
                (-0.16, -1.5),
                (-0.02, -1.0),
                (0.02, -0.6),
            ),
            METAL,
        ),
        (((-0.26, -0.05), (0.26, -0.05), (0.26, 0.06), (-0.26, 0.06)), ACCENT),
    ),
    "saw": ((((-0.12, 0), (0.34, 0), (0.1, -1.4), (-0.12, -1.4)), METAL),)
    + tuple(
        (((-0.22, -0.2 * k - 0.1), (-0.1, -0.2 * k - 0.02), (-0.1, -0.2 * k - 0.2)), METAL)
        for k in range(7)
    ),
    "wrench": (
        (
            (
                (-0.26, -0.44),
                (-0.3, -0.1),
                (-0.1, 0.12),
                (0.1, 0.12),
                (0.3, -0.1),
                (0.26, -0.44),
                (0.12, -0.44),
                (0.12, -0.14),
                (-0.12, -0.14),
                (-0.12, -0.44),
            ),
            METAL,
        ),
    ),
    "driver": (
        (((-0.05, 0), (0.05, 0), (0.05, -0.7), (0.1, -0.86), (-0.1, -0.86), (-0.05, -0.7)), METAL),
    ),
    "brush": (
        (((-0.2, 0), (0.2, 0), (0.2, -0.16), (-0.2, -0.16)), METAL),
        (((-0.2, -0.16), (0.2, -0.16), (0.14, -0.55), (-0.16, -0.5)), DARK),
    ),
    "broom": ((((-0.16, 0), (0.16, 0), (0.44, -0.6), (-0.44, -0.6)), ACCENT),),
    "trident": ((((-0.3, -0.02), (0.3, -0.02), (0.3, 0.08), (-0.3, 0.08)), METAL),)
    + tuple(
        (((x - 0.09, -0.4), (x, -0.62), (x + 0.09, -0.4), (x + 0.04, 0), (x - 0.04, 0)), METAL)
        for x in (-0.26, 0, 0.26)
    ),
    "halberd": (
        (
            ((-0.05, -0.1), (0.34, -0.34), (0.38, 0.24), (0.05, 0.1), (-0.3, 0.12), (-0.12, -0.05)),
            METAL,
        ),
        (((-0.06, -0.1), (0, -0.6), (0.06, -0.1)), METAL),
    ),
    "racket": (
        (tuple((0.34 * math.cos(a / 2), -0.42 + 0.46 * math.sin(a / 2)) for a in range(13)), DARK),
        (tuple((0.27 * math.cos(a / 2), -0.42 + 0.38 * math.sin(a / 2)) for a in range(13)), MAIN),
    ),
    "bat": (
        (
            ((-0.07, 0.1), (0.07, 0.1), (0.14, -0.8), (0.1, -0.96), (-0.1, -0.96), (-0.14, -0.8)),
            SECOND,
        ),
    ),
    "paddle": (
        (
            ((-0.06, 0.05), (0.06, 0.05), (0.22, -0.3), (0.2, -0.8), (-0.2, -0.8), (-0.22, -0.3)),
            SECOND,
        ),
    ),
    "pan": (
        (tuple((0.44 * math.cos(a / 2), -0.42 + 0.44 * math.sin(a / 2)) for a in range(13)), DARK),
        (tuple((0.35 * math.cos(a / 2), -0.42 + 0.35 * math.sin(a / 2)) for a in range(13)), METAL),
    ),
    "magnifier": (
        (tuple((0.42 * math.cos(a / 2), -0.42 + 0.42 * math.sin(a / 2)) for a in range(13)), METAL),
        (tuple((0.32 * math.cos(a / 2), -0.42 + 0.32 * math.sin(a / 2)) for a in range(13)), GLASS),
    ),
    "mirror": (
        (tuple((0.36 * math.cos(a / 2), -0.5 + 0.52 * math.sin(a / 2)) for a in range(13)), SECOND),
        (tuple((0.27 * math.cos(a / 2), -0.5 + 0.42 * math.sin(a / 2)) for a in range(13)), GLASS),
    ),
    "key": (
        (
            (
                (-0.06, 0.1),
                (0.06, 0.1),
                (0.06, -0.7),
                (0.3, -0.7),
                (0.3, -0.55),
                (0.06, -0.55),
                (0.06, -0.45),
                (0.22, -0.45),
                (0.22, -0.32),
                (-0.06, -0.32),
            ),
            METAL,
        ),
    ),
    "whisk": tuple(
        (
            (
                (x * 0.3, 0),
                (x, -0.35),
                (x * 0.5, -0.7),
                (x * 0.5 + 0.05, -0.7),
                (x + 0.06, -0.35),
                (x * 0.3 + 0.06, 0),
            ),
            METAL,
        )
        for x in (-0.25, -0.1, 0.05, 0.2)
    ),
}


class Tool(NamedTuple):
    """What a class chooses of `tool`."""

    head: str = "hammer"
    handle: float = 1.2
    width: float = 0.13
    grip: str = ""
    twice: bool = False


def tool(s: Sketch, moves: list[float], traits: Tool) -> None:
    """A head on a handle."""
    s.limb((0, traits.handle), (0, -0.04), traits.width, traits.width * 0.8, ACCENT)
    if traits.grip == "ring":
        s.ring((0, traits.handle + 0.16), 0.26, 0.1, METAL)
    elif traits.grip == "tee":
        s.bar((-0.22, traits.handle), (0.22, traits.handle), 0.1, ACCENT)
    elif traits.grip == "knob":
        s.circle((0, traits.handle), traits.width * 0.9, SECOND)
    elif traits.grip == "fat":
        s.limb(
            (0, traits.handle),
            (0, traits.handle * 0.4),
            traits.width * 2.2,
            traits.width * 1.9,
            SECOND,
        )
    elif traits.grip == "loop":
        s.ellipse((0.05, traits.handle * 0.85), 0.3, 0.24, ACCENT)
        s.ellipse((0.05, traits.handle * 0.85), 0.16, 0.1, HOLE)
    for points, material in TOOL_HEADS[traits.head]:
        s.polygon(points, material)
        if traits.twice:
            s.polygon([(-x, traits.handle - y) for x, y in points], material)


class Scissors(NamedTuple):
    """What a class chooses of `scissors`."""

    blade: float = 0.9
    rings: float = 0.2
    width: float = 0.14
    jaw: bool = False


def scissors(s: Sketch, moves: list[float], traits: Scissors) -> None:
    """Two levers that cross."""
    spread = 14 + 9 * moves[0]
    for side in (-1, 1):
        tip = toward((0, 0), 180 + side * spread, traits.blade)
        s.limb((0, 0), tip, traits.width, traits.width if traits.jaw else 0.03, METAL)
        hand = toward((0, 0), side * spread * 1.2, 0.75)
        s.limb((0, 0), hand, 0.1, 0.12, SECOND if traits.jaw else METAL)
        if traits.rings:
            s.ring(
                (hand[0] + side * 0.06, hand[1] + 0.05), traits.rings, traits.rings * 0.36, ACCENT
            )
    s.circle((0, 0), 0.07, DARK)


class Umbrella(NamedTuple):
    """What a class chooses of `umbrella`."""

    ribs: int = 4
    rx: float = 0.9
    ry: float = 0.62
    stick: float = 0.9
    hook: bool = True
    closed: bool = False


def umbrella(s: Sketch, moves: list[float], traits: Umbrella) -> None:
    """Umbrellas and parasols."""
    s.bar((0, -0.05), (0, traits.stick), 0.06, DARK)
    if traits.hook:
        s.chain(
            [
                (0, traits.stick),
                (0.08, traits.stick + 0.12),
                (0.2, traits.stick + 0.08),
                (0.2, traits.stick - 0.02),
            ],
            0.07,
            0.07,
            ACCENT,
        )
    if traits.closed:
        s.lathe(((-0.6, 0.02), (-0.5, 0.12), (0.4, 0.2), (0.5, 0.05)))
        return
    step = 2 * traits.rx / traits.ribs
    rim = []
    for k in range(traits.ribs):
        x = traits.rx - k * step
        rim += [(x, 0.0), (x - step / 2, -0.12)]
    top = [
        (-traits.rx, 0.0),
        (-traits.rx * 0.75, -traits.ry * 0.65),
        (-traits.rx * 0.3, -traits.ry * 0.97),
        (traits.rx * 0.3, -traits.ry * 0.97),
        (traits.rx * 0.75, -traits.ry * 0.65),
    ]
    s.polygon(top + rim)
    for k in range(1, traits.ribs):
        s.bar((0, -traits.ry), (-traits.rx + k * step, -0.02), 0.03, DARK)
    s.limb((0, -traits.ry), (0, -traits.ry - 0.14), 0.05, 0.03, DARK)


def _sound_box(
    s: Sketch, size: tuple[float, float, float, float], pear: bool, points: bool
) -> None:
    upper, lower, waist, body = size
    if pear:
        s.lathe(
            (
                (0, 0.1),
                (body * 0.35, lower * 0.7),
                (body * 0.7, lower),
                (body * 0.92, lower * 0.7),
                (body, lower * 0.2),
            )
        )
    elif points:
        s.polygon(
            (
                (-0.1, 0.1),
                (-upper * 1.5, -0.2),
                (-waist, body * 0.4),
                (-lower * 1.3, body),
                (0, body * 0.8),
                (lower * 1.1, body * 1.1),
                (waist, body * 0.4),
                (upper * 1.2, -0.05),
                (0.1, 0.1),
            )
        )
    elif waist >= 1:
        s.ellipse((0, body / 2), lower, body / 2)
        s.ellipse((0, body / 2), lower * 0.82, body * 0.41, LIGHT)
    else:
        s.ellipse((0, body * 0.22), upper, body * 0.26)
        s.box(-waist, body * 0.2, waist, body * 0.7)
        s.ellipse((0, body * 0.7), lower, body * 0.32)


class Stringed(NamedTuple):
    """What a class chooses of `stringed`."""

    upper: float = 0.34
    lower: float = 0.44
    waist: float = 0.26
    body: float = 0.9
    neck: float = 0.9
    hole: float = 0.13
    points: bool = False
    bow: bool = False
    spike: float = 0.0
    pear: bool = False
    pegs: int = 4


def stringed(s: Sketch, moves: list[float], traits: Stringed) -> None:
    """Lutes, guitars and fiddles."""
    if traits.spike:
        s.limb((0, traits.body), (0, traits.body + traits.spike), 0.05, 0.03, METAL)
    s.limb((0, 0.1), (0, -traits.neck), 0.13, 0.1, DARK)
    for k in range(traits.pegs):
        side = -1 if k % 2 else 1
        s.limb(
            (0, -traits.neck - 0.06 - 0.07 * k),
            (side * 0.15, -traits.neck - 0.06 - 0.07 * k),
            0.05,
            0.06,
            ACCENT,
        )
    s.box(-0.08, -traits.neck - 0.32, 0.08, -traits.neck, DARK)
    _sound_box(
        s, (traits.upper, traits.lower, traits.waist, traits.body), traits.pear, traits.points
    )
    if traits.hole:
        s.circle((0, traits.body * 0.42), traits.hole, DARK)
    else:
        for side in (-1, 1):
            s.bar(
                (side * traits.waist * 0.7, traits.body * 0.4),
                (side * traits.waist * 0.8, traits.body * 0.62),
                0.04,
                DARK,
            )
    s.box(-0.16, traits.body * 0.74, 0.16, traits.body * 0.79, DARK)
    s.bar((0, traits.body * 0.76), (0, -traits.neck), 0.025, LIGHT)
    if traits.bow:
        s.bar((-0.8, traits.body * 0.3), (0.8, traits.body * 0.62), 0.04, ACCENT)


class Horn(NamedTuple):
    """What a class chooses of `horn`."""

    bell: float = 0.34
    length: float = 1.4
    loop: float = 0.3
    valves: int = 3
    straight: bool = False
    bent: bool = False
    keys: int = 0
    width: float = 0.1


def horn(s: Sketch, moves: list[float], traits: Horn) -> None:
    """Wind instruments."""
    h = traits.length / 2
    if traits.bent:
        s.chain(
            [(-0.5, -0.75), (-0.2, -0.78), (-0.1, 0.4), (0.12, 0.6), (0.36, 0.4)],
            traits.width,
            traits.width * 2.2,
        )
        s.lathe(((-0.2, traits.bell), (0.42, traits.width * 0.9)), MAIN, x=0.38)
    else:
        s.limb((-h, 0), (h * 0.6, 0), traits.width * 0.7, traits.width)
        if traits.bell:
            s.polygon(
                (
                    (h * 0.45, -traits.width * 0.5),
                    (h * 0.75, -traits.bell * 0.4),
                    (h, -traits.bell),
                    (h, traits.bell),
                    (h * 0.75, traits.bell * 0.4),
                    (h * 0.45, traits.width * 0.5),
                )
            )
        if traits.loop:
            s.ring((0, traits.loop * 0.8), traits.loop, 0.09)
    for k in range(traits.valves):
        x = -0.2 + 0.16 * k
        s.bar((x, -0.22), (x, 0.34), 0.1, SECOND)
        s.ellipse((x, -0.24), 0.05, 0.04, LIGHT)
    for k in range(traits.keys):
        x = (-h * 0.6 + k * h * 1.3 / traits.keys) if not traits.bent else -0.13
        y = 0.0 if not traits.bent else -0.5 + 0.8 * k / traits.keys
        s.circle((x, y), 0.055, DARK)
    if traits.straight:
        s.limb((-h, 0), (-h - 0.16, 0), 0.05, 0.08, DARK)


class Drum(NamedTuple):
    """What a class chooses of `drum`."""

    rx: float = 0.6
    high: float = 0.6
    taper: float = 1.0
    laces: int = 5
    sticks: bool = True
    feet: bool = False
    gongs: int = 0
    waist: float = 1.0


def drum(s: Sketch, moves: list[float], traits: Drum) -> None:
    """Drums and what else is struck."""
    if traits.gongs:
        s.bar((-0.7, 0.8), (-0.7, -0.7), 0.08, ACCENT)
        s.bar((0.7, 0.8), (0.7, -0.7), 0.08, ACCENT)
        s.bar((-0.75, -0.7), (0.75, -0.7), 0.09, ACCENT)
        for k in range(traits.gongs):
            x = 0 if traits.gongs == 1 else -0.55 + 1.1 * k / (traits.gongs - 1)
            r = 0.5 if traits.gongs == 1 else 0.1
            s.bar((x, -0.7), (x, 0), 0.025, DARK)
            s.ellipse(
                (x, 0.05 if traits.gongs == 1 else 0.0),
                r,
                r if traits.gongs == 1 else 0.4 + 0.05 * k,
                METAL,
            )
            s.circle((x, 0.05), r * 0.3, SECOND)
        return
    if traits.feet:
        for x in (-0.5, 0, 0.5):
            s.bar(
                (x * traits.rx, traits.high * 0.5),
                (x * traits.rx * 1.9, traits.high + 0.3),
                0.05,
                METAL,
            )
    s.lathe(
        (
            (0, traits.rx),
            (traits.high / 2, traits.rx * traits.waist * (1 + traits.taper) / 2),
            (traits.high, traits.rx * traits.taper),
        )
    )
    for k in range(traits.laces):
        x = traits.rx * (2 * (k + 0.5) / traits.laces - 1)
        s.bar((x - 0.06, 0.08), (x * traits.taper + 0.06, traits.high - 0.02), 0.03, LIGHT)
    s.ellipse((0, traits.high), traits.rx * traits.taper, 0.1, SECOND)
    s.ellipse((0, 0), traits.rx, traits.rx * 0.25, SECOND)
    s.ellipse((0, 0), traits.rx * 0.9, traits.rx * 0.2, LIGHT)
    if traits.sticks:
        for side in (-1, 1):
            s.bar((side * 0.1, -0.05), (side * (0.6 + 0.1 * moves[0]), -0.5), 0.05, ACCENT)


class Disc(NamedTuple):
    """What a class chooses of `disc`."""

    rim: float = 0.12
    ticks: int = 0
    hands: bool = False
    dots: int = 0
    hole: float = 0.0
    spokes: int = 0
    bells: bool = False
    feet: bool = False
    cross: bool = False
    seams: str = ""
    square: bool = False


def disc(s: Sketch, moves: list[float], traits: Disc) -> None:
    """Round things seen from the front: balls, clocks, wheels, plates."""
    if traits.bells:
        for side in (-1, 1):
            s.ellipse((side * 0.6, -0.95), 0.32, 0.24, METAL)
    if traits.feet:
        for side in (-1, 1):
            s.limb((side * 0.5, 0.8), (side * 0.75, 1.15), 0.14, 0.1, DARK)
    if traits.square:
        s.box(-1, -1, 1, 1, SECOND)
        s.box(-1 + traits.rim, -1 + traits.rim, 1 - traits.rim, 1 - traits.rim, MAIN)
    else:
        s.circle((0, 0), 1, SECOND if traits.rim else MAIN)
        if traits.rim:
            s.circle((0, 0), 1 - traits.rim, MAIN)
    for k in range(traits.ticks):
        a = 360 * k / traits.ticks
        s.bar(toward((0, 0), a, 0.66), toward((0, 0), a, 0.8), 0.06, DARK)
    if traits.hands:
        for length, move, width in ((0.42, moves[0], 0.11), (0.66, moves[1], 0.07)):
            s.limb((0, 0), toward((0, 0), 180 * move, length), width, width * 0.6, DARK)
    if traits.spokes:
        s.circle((0, 0), 1 - traits.rim, HOLE)
        for k in range(traits.spokes):
            a = 360 * k / traits.spokes
            s.limb((0, 0), toward((0, 0), a, 1.24 if traits.cross else 0.95), 0.1, 0.08, ACCENT)
        s.circle((0, 0), 0.2, DARK)
    SEAMS[traits.seams](s)
    for k in range(traits.dots):
        a, r = 2.4 * k, 0.68 * math.sqrt((k + 0.5) / max(1, traits.dots))
        s.circle((r * math.cos(a), r * math.sin(a)), 0.13, DARK)
    if traits.hole:
        s.circle((0, 0), traits.hole, HOLE)


CENTER: Point = (0, 0)


def _pentagons(s: Sketch) -> None:
    s.star(CENTER, 5, 0.34, 0.82, DARK)
    for k in range(5):
        s.star(toward(CENTER, 180 + 72 * k, 0.82), 5, 0.24, 0.82, DARK)
        s.bar(CENTER, toward(CENTER, 180 + 72 * k, 0.7), 0.03, DARK)


def _basket_seams(s: Sketch) -> None:
    for a in (0, 90):
        s.bar(toward(CENTER, a, 0.98), toward(CENTER, a + 180, 0.98), 0.06, DARK)
    for side in (-1, 1):
        s.chain([(side * 0.8, -0.6), (side * 0.4, 0), (side * 0.8, 0.6)], 0.06, 0.06, DARK)


def _tennis_seams(s: Sketch) -> None:
    for side in (-1, 1):
        knots = ((0.75, -0.62), (0.25, -0.3), (0.25, 0.3), (0.75, 0.62))
        s.chain([(side * x, y) for x, y in knots], 0.1, 0.1, LIGHT)


def _wedges(s: Sketch) -> None:
    for k, material in enumerate((SECOND, ACCENT, LIGHT)):
        rim = (toward(CENTER, 120 * k + turn, 0.98) for turn in (0, 30, 60))
        s.polygon((CENTER, *rim), material)


def _volley_seams(s: Sketch) -> None:
    for a in (0, 120, 240):
        s.chain(
            [CENTER, toward(CENTER, a + 20, 0.5), toward(CENTER, a + 50, 0.97)], 0.06, 0.06, DARK
        )
        knots = ((40, 0.3), (70, 0.6), (85, 0.97))
        s.chain([toward(CENTER, a + turn, reach) for turn, reach in knots], 0.05, 0.05, DARK)


def _finger_holes(s: Sketch) -> None:
    for x, y in ((-0.1, -0.5), (0.2, -0.55), (0.08, -0.25)):
        s.circle((x, y), 0.11, DARK)


SEAMS: dict[str, Callable[[Sketch], None]] = {
    "": lambda s: None,
    "pentagons": _pentagons,
    "basket": _basket_seams,
    "tennis": _tennis_seams,
    "wedges": _wedges,
    "volley": _volley_seams,
    "bowling": _finger_holes,
}


EMBLEMS: dict[str, tuple[Point, ...]] = {
    "arrow": ((-1, -0.2), (0.2, -0.2), (0.2, -0.55), (1, 0), (0.2, 0.55), (0.2, 0.2), (-1, 0.2)),
    "chevron": ((-0.8, -0.7), (-0.2, -0.7), (0.6, 0), (-0.2, 0.7), (-0.8, 0.7), (0, 0)),
    "bolt": ((0.1, -1), (-0.55, 0.1), (-0.08, 0.1), (-0.3, 1), (0.6, -0.2), (0.1, -0.2), (0.5, -1)),
    "shield": ((-0.75, -0.85), (0, -1), (0.75, -0.85), (0.7, 0.1), (0, 1), (-0.7, 0.1)),
    "house": ((-0.8, 0.8), (-0.8, -0.1), (0, -0.9), (0.8, -0.1), (0.8, 0.8)),
    "diamond": ((0, -1), (0.65, 0), (0, 1), (-0.65, 0)),
    "latin": (
        (-0.2, -1),
        (0.2, -1),
        (0.2, -0.5),
        (0.62, -0.5),
        (0.62, -0.1),
        (0.2, -0.1),
        (0.2, 1),
        (-0.2, 1),
        (-0.2, -0.1),
        (-0.62, -0.1),
        (-0.62, -0.5),
        (-0.2, -0.5),
    ),
    "plus": (
        (-0.3, -0.9),
        (0.3, -0.9),
        (0.3, -0.3),
        (0.9, -0.3),
        (0.9, 0.3),
        (0.3, 0.3),
        (0.3, 0.9),
        (-0.3, 0.9),
        (-0.3, 0.3),
        (-0.9, 0.3),
        (-0.9, -0.3),
        (-0.3, -0.3),
    ),
    "heart": tuple(
        (
            0.062 * 16 * math.sin(t / 3) ** 3,
            -0.06
            * (
                13 * math.cos(t / 3)
                - 5 * math.cos(2 * t / 3)
                - 2 * math.cos(t)
                - math.cos(4 * t / 3)
            ),
        )
        for t in range(19)
    ),
    "crescent": tuple(
        (math.cos(math.radians(a)), math.sin(math.radians(a))) for a in range(50, 311, 20)
    )
    + tuple(
        (0.3 + 0.75 * math.cos(math.radians(a)), 0.75 * math.sin(math.radians(a)))
        for a in range(290, 69, -20)
    ),
    "drop": (
        (0, -1),
        (0.3, -0.35),
        (0.58, 0.2),
        (0.5, 0.65),
        (0.2, 0.95),
        (-0.2, 0.95),
        (-0.5, 0.65),
        (-0.58, 0.2),
        (-0.3, -0.35),
    ),
    "hourglass": ((-0.7, -1), (0.7, -1), (0.08, 0), (0.7, 1), (-0.7, 1), (-0.08, 0)),
    "semicircle": tuple(
        (math.cos(math.radians(a)), 0.5 + math.sin(math.radians(a))) for a in range(180, 361, 15)
    ),
    "trapezium": ((-0.45, -0.6), (0.45, -0.6), (0.95, 0.6), (-0.95, 0.6)),
    "ell": ((-0.7, -1), (-0.15, -1), (-0.15, 0.45), (0.7, 0.45), (0.7, 1), (-0.7, 1)),
    "pennant": ((-0.8, -1), (0.9, -0.55), (-0.65, -0.1), (-0.65, 1), (-0.8, 1)),
}


class Emblem(NamedTuple):
    """What a class chooses of `emblem`."""

    shape: str = ""
    star: int = 0
    inner: float = 0.4
    frame: str = ""
    charge: str = ""
    bars: int = 0
    hole: float = 0.0
    teeth: int = 0


def emblem(s: Sketch, moves: list[float], traits: Emblem) -> None:
    """Flat signs: one outline, perhaps on a plate, perhaps with a charge on it."""
    if traits.frame:
        _outline(s, traits.frame, 1.35, SECOND)
        _outline(s, traits.frame, 1.15, LIGHT)
    if traits.teeth:
        for k in range(traits.teeth):
            a = 360 * k / traits.teeth
            s.limb((0, 0), toward((0, 0), a, 1), 0.28, 0.22)
        s.circle((0, 0), 0.78)
    elif traits.star:
        s.star((0, 0), traits.star, 1, traits.inner)
    elif traits.shape:
        _outline(s, traits.shape, 1, MAIN)
    for k in range(traits.bars):
        y = -0.6 + 1.2 * k / max(1, traits.bars - 1)
        s.bar((-0.55, y), (0.55, y), 0.18, SECOND)
    if traits.charge:
        s.polygon([(0.45 * x, 0.45 * y) for x, y in EMBLEMS[traits.charge]], ACCENT)
    if traits.hole:
        s.circle((0, 0), traits.hole, HOLE)


def _outline(s: Sketch, shape: str, size: float, material: int) -> None:
    if shape in EMBLEMS:
        s.polygon([(size * x, size * y) for x, y in EMBLEMS[shape]], material)
    elif shape == "circle":
        s.circle((0, 0), size, material)
    else:
        sides = {"triangle": 3, "square": 4, "pentagon": 5, "hexagon": 6, "octagon": 8}[shape]
        turn = 180 / sides if sides % 2 == 0 else 0
        points = [toward((0, 0), 180 + turn + 360 * k / sides, size) for k in range(sides)]
        s.polygon(points, material)


class Coil(NamedTuple):
    """What a class chooses of `coil`."""

    turns: float = 3.0
    grow: float = 1.0
    width: float = 0.13
    square: bool = False
    knot: bool = False


def coil(s: Sketch, moves: list[float], traits: Coil) -> None:
    """Spirals and knots."""
    n = int(traits.turns * (4 if traits.square else 9))
    if traits.knot:
        path = [
            (math.sin(2 * math.pi * k / 24), 0.5 * math.sin(4 * math.pi * k / 24))
            for k in range(25)
        ]
    else:
        step = 90 if traits.square else 40
        path = [
            toward((0, 0), step * k + 45, 0.1 + 0.9 * traits.grow * k / n) for k in range(n + 1)
        ]
    s.chain(path, traits.width, traits.width)


class Anchor(NamedTuple):
    """What a class chooses of `anchor`."""

    flukes: int = 2
    ring: float = 0.2
    stock: float = 0.5
    arms: float = 0.7


def anchor(s: Sketch, moves: list[float], traits: Anchor) -> None:
    """Anchors and grapnels."""
    s.ring((0, -0.95), traits.ring, 0.08)
    s.limb((0, -0.8), (0, 0.85), 0.15, 0.17)
    if traits.stock:
        s.bar((-traits.stock, -0.55), (traits.stock, -0.55), 0.12, SECOND)
    for k in range(traits.flukes):
        side = (-1, 1, -0.45, 0.45)[k]
        tip = (side * traits.arms, 0.35)
        s.chain([(0, 0.85), (side * traits.arms * 0.75, 0.72), tip], 0.15, 0.1)
        s.star(tip, 3, 0.2, 0.5)


class Snowman(NamedTuple):
    """What a class chooses of `snowman`."""

    balls: int = 3
    hat: bool = True
    arms: bool = True


def snowman(s: Sketch, moves: list[float], traits: Snowman) -> None:
    """Balls of snow one upon another."""
    y, r = 0.0, 0.5
    for k in range(traits.balls):
        if traits.arms and k == 1:
            for side in (-1, 1):
                s.limb(
                    (side * r * 0.7, y),
                    (side * (r + 0.45), y - 0.3 + 0.1 * moves[k]),
                    0.06,
                    0.03,
                    DARK,
                )
        s.circle((0, y), r, MAIN)
        y, r = y - r * 1.45, r * 0.76
    y, r = y + r / 0.76 * 1.45, r / 0.76
    for side in (-1, 1):
        s.circle((side * r * 0.35, y - r * 0.25), 0.05, DARK)
    s.polygon(((0, y - 0.05), (0.34, y + 0.05), (0, y + 0.07)), ACCENT)
    if traits.hat:
        s.box(-r * 0.7, y - r * 1.9, r * 0.7, y - r * 0.75, DARK)
        s.bar((-r, y - r * 0.75), (r, y - r * 0.75), 0.09, DARK)


class Robot(NamedTuple):
    """What a class chooses of `robot`."""

    head: float = 0.3
    body: float = 0.45
    arms: bool = True
    tracks: bool = False
    dish: bool = False
    claw: bool = True


def robot(s: Sketch, moves: list[float], traits: Robot) -> None:
    """A boxy machine with a face."""
    if traits.tracks:
        s.bar((-0.4, 0.75), (0.4, 0.75), 0.34, DARK)
    else:
        for side in (-1, 1):
            s.box(side * 0.24 - 0.11, 0.3, side * 0.24 + 0.11, 0.9, SECOND)
            s.box(side * 0.28 - 0.17, 0.84, side * 0.28 + 0.17, 0.98, DARK)
    for side in (-1, 1) if traits.arms else ():
        elbow = (side * (traits.body + 0.25), 0.1 + 0.1 * moves[0])
        s.chain(
            [
                (side * traits.body, -0.2),
                elbow,
                (side * (traits.body + 0.3), -0.2 - 0.2 * moves[side]),
            ],
            0.13,
            0.13,
            METAL,
        )
    s.box(-traits.body, -0.4, traits.body, 0.4)
    s.box(-traits.body * 0.6, -0.2, traits.body * 0.6, 0.15, GLASS)
    s.bar((0, -0.4), (0, -0.55), 0.16, METAL)
    s.box(-traits.head, -1.0, traits.head, -0.52, SECOND + FAR * 0)
    for side in (-1, 1):
        s.circle((side * traits.head * 0.5, -0.8), 0.09, LIGHT)
    s.box(-traits.head * 0.6, -0.66, traits.head * 0.6, -0.6, DARK)
    s.bar((0, -1), (0, -1.25), 0.04, METAL)
    s.ellipse((0, -1.28), 0.16 if traits.dish else 0.07, 0.08, ACCENT)
