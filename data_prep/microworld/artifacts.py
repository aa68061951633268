"""Recipes of containers, tools, instruments, toys and signs."""

import math

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


def vessel(
    s: Sketch,
    moves: list[float],
    knots: tuple = ((-0.6, 0.4), (0.6, 0.3)),
    handles: int = 0,
    loop: float = 0.28,
    spout: float = 0.0,
    lip: bool = False,
    lid: bool = False,
    bail: bool = False,
    hoops: int = 0,
    cork: bool = False,
    label: bool = False,
    filled: float = 0.0,
    saucer: float = 0.0,
    straw: bool = False,
) -> None:
    """What a potter or a glass blower makes: a lathe of knots (y, half width) with fittings."""
    top, rim = knots[0]
    bottom = knots[-1][0]
    middle = (top + bottom) / 2 - 0.05
    widest = max(r for _, r in knots)
    if straw:
        s.limb((0.05, middle), (rim * 1.1, top - 0.5), 0.05, 0.05, ACCENT)
    for k in range(handles):
        side = 1 if k == 0 else -1
        s.ring((side * widest * 1.02, middle), loop, loop * 0.32, SECOND)
    if bail:
        s.ring((0, top), rim * 1.02, 0.05, METAL)
        s.box(-rim * 0.9, top, rim * 0.9, top + 0.3, HOLE)
    if spout:
        s.limb((widest * 0.6, middle + 0.15), (widest + spout, top + 0.05), 0.2, 0.1, SECOND)
    if saucer:
        s.ellipse((0, bottom + 0.02), saucer, 0.08, SECOND)
    s.lathe(knots)
    if filled:
        s.lathe(
            [(y, r * 0.8) for y, r in knots if y >= top + (bottom - top) * filled * 0.5] or knots,
            GLASS,
        )
    for k in range(hoops):
        y, r = knots[0][0] + (bottom - top) * (k + 0.5) / hoops, widest
        s.box(-r * 0.98, y - 0.04, r * 0.98, y + 0.04, METAL)
    if label:
        s.box(-widest * 0.8, middle - 0.02, widest * 0.8, middle + 0.42, LIGHT)
        s.box(-widest * 0.5, middle + 0.1, widest * 0.5, middle + 0.2, ACCENT)
    if lip:
        s.polygon(((rim * 0.3, top + 0.1), (rim * 1.5, top - 0.06), (rim * 0.8, top + 0.3)), MAIN)
    s.ellipse((0, top), rim, max(0.03, rim * 0.16), DARK)
    if lid:
        s.lathe(((top - 0.2, rim * 0.25), (top - 0.1, rim * 0.8), (top + 0.03, rim * 1.05)), SECOND)
        s.ellipse((0, top - 0.24), 0.07, 0.07, ACCENT)
    if cork:
        s.box(-rim * 0.7, top - 0.16, rim * 0.7, top + 0.02, ACCENT)


def basket(
    s: Sketch,
    moves: list[float],
    width: float = 0.7,
    depth: float = 0.5,
    flare: float = 0.8,
    handle: float = 0.6,
    lid: float = 0.0,
    clasp: bool = False,
    straps: int = 0,
    items: int = 0,
) -> None:
    """Baskets, bags, chests and boxes."""
    if handle:
        s.ellipse((0, 0), width * 0.6, handle, DARK)
        s.ellipse((0, 0), width * 0.6 - 0.09, handle - 0.09, HOLE)
        s.box(-width, 0, width, handle + 0.1, HOLE)
    for k in range(items):
        s.ellipse(
            (width * (1.4 * (k + 0.5) / items - 0.7), -0.08 + 0.05 * moves[k]), 0.2, 0.2, ACCENT
        )
    s.lathe(((0, width), (depth, width * flare)))
    if lid:
        s.lathe(((-lid, width * 0.7), (-lid * 0.6, width), (0.04, width)), SECOND)
    for k in range(straps):
        x = width * (1.2 * (k + 0.5) / straps - 0.6)
        s.box(x - 0.05, -lid * 0.8, x + 0.05, depth, ACCENT)
    if clasp:
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


def tool(
    s: Sketch,
    moves: list[float],
    head: str = "hammer",
    handle: float = 1.2,
    width: float = 0.13,
    grip: str = "",
    twice: bool = False,
) -> None:
    """A head on a handle."""
    s.limb((0, handle), (0, -0.04), width, width * 0.8, ACCENT)
    if grip == "ring":
        s.ring((0, handle + 0.16), 0.26, 0.1, METAL)
    elif grip == "tee":
        s.limb((-0.22, handle), (0.22, handle), 0.1, 0.1, ACCENT)
    elif grip == "knob":
        s.ellipse((0, handle), width * 0.9, width * 0.9, SECOND)
    elif grip == "fat":
        s.limb((0, handle), (0, handle * 0.4), width * 2.2, width * 1.9, SECOND)
    elif grip == "loop":
        s.ellipse((0.05, handle * 0.85), 0.3, 0.24, ACCENT)
        s.ellipse((0.05, handle * 0.85), 0.16, 0.1, HOLE)
    for points, material in TOOL_HEADS[head]:
        s.polygon(points, material)
        if twice:
            s.polygon([(-x, handle - y) for x, y in points], material)


def scissors(
    s: Sketch,
    moves: list[float],
    blade: float = 0.9,
    rings: float = 0.2,
    width: float = 0.14,
    jaw: bool = False,
) -> None:
    """Two levers that cross."""
    spread = 14 + 9 * moves[0]
    for side in (-1, 1):
        tip = toward((0, 0), 180 + side * spread, blade)
        s.limb((0, 0), tip, width, width if jaw else 0.03, METAL)
        hand = toward((0, 0), side * spread * 1.2, 0.75)
        s.limb((0, 0), hand, 0.1, 0.12, SECOND if jaw else METAL)
        if rings:
            s.ring((hand[0] + side * 0.06, hand[1] + 0.05), rings, rings * 0.36, ACCENT)
    s.ellipse((0, 0), 0.07, 0.07, DARK)


def umbrella(
    s: Sketch,
    moves: list[float],
    ribs: int = 4,
    rx: float = 0.9,
    ry: float = 0.62,
    stick: float = 0.9,
    hook: bool = True,
    closed: bool = False,
) -> None:
    """Umbrellas and parasols."""
    s.limb((0, -0.05), (0, stick), 0.06, 0.06, DARK)
    if hook:
        s.chain(
            [(0, stick), (0.08, stick + 0.12), (0.2, stick + 0.08), (0.2, stick - 0.02)],
            0.07,
            0.07,
            ACCENT,
        )
    if closed:
        s.lathe(((-0.6, 0.02), (-0.5, 0.12), (0.4, 0.2), (0.5, 0.05)))
        return
    step = 2 * rx / ribs
    rim = []
    for k in range(ribs):
        x = rx - k * step
        rim += [(x, 0.0), (x - step / 2, -0.12)]
    top = [
        (-rx, 0.0),
        (-rx * 0.75, -ry * 0.65),
        (-rx * 0.3, -ry * 0.97),
        (rx * 0.3, -ry * 0.97),
        (rx * 0.75, -ry * 0.65),
    ]
    s.polygon(top + rim)
    for k in range(1, ribs):
        s.limb((0, -ry), (-rx + k * step, -0.02), 0.03, 0.03, DARK)
    s.limb((0, -ry), (0, -ry - 0.14), 0.05, 0.03, DARK)


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


def stringed(
    s: Sketch,
    moves: list[float],
    upper: float = 0.34,
    lower: float = 0.44,
    waist: float = 0.26,
    body: float = 0.9,
    neck: float = 0.9,
    hole: float = 0.13,
    points: bool = False,
    bow: bool = False,
    spike: float = 0.0,
    pear: bool = False,
    pegs: int = 4,
) -> None:
    """Lutes, guitars and fiddles."""
    if spike:
        s.limb((0, body), (0, body + spike), 0.05, 0.03, METAL)
    s.limb((0, 0.1), (0, -neck), 0.13, 0.1, DARK)
    for k in range(pegs):
        side = -1 if k % 2 else 1
        s.limb(
            (0, -neck - 0.06 - 0.07 * k), (side * 0.15, -neck - 0.06 - 0.07 * k), 0.05, 0.06, ACCENT
        )
    s.box(-0.08, -neck - 0.32, 0.08, -neck, DARK)
    _sound_box(s, (upper, lower, waist, body), pear, points)
    if hole:
        s.ellipse((0, body * 0.42), hole, hole, DARK)
    else:
        for side in (-1, 1):
            s.limb(
                (side * waist * 0.7, body * 0.4),
                (side * waist * 0.8, body * 0.62),
                0.04,
                0.04,
                DARK,
            )
    s.box(-0.16, body * 0.74, 0.16, body * 0.79, DARK)
    s.limb((0, body * 0.76), (0, -neck), 0.025, 0.025, LIGHT)
    if bow:
        s.limb((-0.8, body * 0.3), (0.8, body * 0.62), 0.04, 0.04, ACCENT)


def horn(
    s: Sketch,
    moves: list[float],
    bell: float = 0.34,
    length: float = 1.4,
    loop: float = 0.3,
    valves: int = 3,
    straight: bool = False,
    bent: bool = False,
    keys: int = 0,
    width: float = 0.1,
) -> None:
    """Wind instruments."""
    h = length / 2
    if bent:
        s.chain(
            [(-0.5, -0.75), (-0.2, -0.78), (-0.1, 0.4), (0.12, 0.6), (0.36, 0.4)],
            width,
            width * 2.2,
        )
        s.lathe(((-0.2, bell), (0.42, width * 0.9)), MAIN, 0.38)
    else:
        s.limb((-h, 0), (h * 0.6, 0), width * 0.7, width)
        if bell:
            s.polygon(
                (
                    (h * 0.45, -width * 0.5),
                    (h * 0.75, -bell * 0.4),
                    (h, -bell),
                    (h, bell),
                    (h * 0.75, bell * 0.4),
                    (h * 0.45, width * 0.5),
                )
            )
        if loop:
            s.ring((0, loop * 0.8), loop, 0.09)
    for k in range(valves):
        x = -0.2 + 0.16 * k
        s.limb((x, -0.22), (x, 0.34), 0.1, 0.1, SECOND)
        s.ellipse((x, -0.24), 0.05, 0.04, LIGHT)
    for k in range(keys):
        x = (-h * 0.6 + k * h * 1.3 / keys) if not bent else -0.13
        y = 0.0 if not bent else -0.5 + 0.8 * k / keys
        s.ellipse((x, y), 0.055, 0.055, DARK)
    if straight:
        s.limb((-h, 0), (-h - 0.16, 0), 0.05, 0.08, DARK)


def drum(
    s: Sketch,
    moves: list[float],
    rx: float = 0.6,
    high: float = 0.6,
    taper: float = 1.0,
    laces: int = 5,
    sticks: bool = True,
    feet: bool = False,
    gongs: int = 0,
    waist: float = 1.0,
) -> None:
    """Drums and what else is struck."""
    if gongs:
        s.limb((-0.7, 0.8), (-0.7, -0.7), 0.08, 0.08, ACCENT)
        s.limb((0.7, 0.8), (0.7, -0.7), 0.08, 0.08, ACCENT)
        s.limb((-0.75, -0.7), (0.75, -0.7), 0.09, 0.09, ACCENT)
        for k in range(gongs):
            x = 0 if gongs == 1 else -0.55 + 1.1 * k / (gongs - 1)
            r = 0.5 if gongs == 1 else 0.1
            s.limb((x, -0.7), (x, 0), 0.025, 0.025, DARK)
            s.ellipse(
                (x, 0.05 if gongs == 1 else 0.0), r, r if gongs == 1 else 0.4 + 0.05 * k, METAL
            )
            s.ellipse((x, 0.05), r * 0.3, r * 0.3, SECOND)
        return
    if feet:
        for x in (-0.5, 0, 0.5):
            s.limb((x * rx, high * 0.5), (x * rx * 1.9, high + 0.3), 0.05, 0.05, METAL)
    s.lathe(((0, rx), (high / 2, rx * waist * (1 + taper) / 2), (high, rx * taper)))
    for k in range(laces):
        x = rx * (2 * (k + 0.5) / laces - 1)
        s.limb((x - 0.06, 0.08), (x * taper + 0.06, high - 0.02), 0.03, 0.03, LIGHT)
    s.ellipse((0, high), rx * taper, 0.1, SECOND)
    s.ellipse((0, 0), rx, rx * 0.25, SECOND)
    s.ellipse((0, 0), rx * 0.9, rx * 0.2, LIGHT)
    if sticks:
        for side in (-1, 1):
            s.limb((side * 0.1, -0.05), (side * (0.6 + 0.1 * moves[0]), -0.5), 0.05, 0.05, ACCENT)


def disc(
    s: Sketch,
    moves: list[float],
    rim: float = 0.12,
    ticks: int = 0,
    hands: bool = False,
    dots: int = 0,
    hole: float = 0.0,
    spokes: int = 0,
    bells: bool = False,
    feet: bool = False,
    cross: bool = False,
    seams: str = "",
    square: bool = False,
) -> None:
    """Round things seen from the front: balls, clocks, wheels, plates."""
    if bells:
        for side in (-1, 1):
            s.ellipse((side * 0.6, -0.95), 0.32, 0.24, METAL)
    if feet:
        for side in (-1, 1):
            s.limb((side * 0.5, 0.8), (side * 0.75, 1.15), 0.14, 0.1, DARK)
    if square:
        s.box(-1, -1, 1, 1, SECOND)
        s.box(-1 + rim, -1 + rim, 1 - rim, 1 - rim, MAIN)
    else:
        s.ellipse((0, 0), 1, 1, SECOND if rim else MAIN)
        if rim:
            s.ellipse((0, 0), 1 - rim, 1 - rim, MAIN)
    for k in range(ticks):
        a = 360 * k / ticks
        s.limb(toward((0, 0), a, 0.66), toward((0, 0), a, 0.8), 0.06, 0.06, DARK)
    if hands:
        for length, move, width in ((0.42, moves[0], 0.11), (0.66, moves[1], 0.07)):
            s.limb((0, 0), toward((0, 0), 180 * move, length), width, width * 0.6, DARK)
    if spokes:
        s.ellipse((0, 0), 1 - rim, 1 - rim, HOLE)
        for k in range(spokes):
            a = 360 * k / spokes
            s.limb((0, 0), toward((0, 0), a, 1.24 if cross else 0.95), 0.1, 0.08, ACCENT)
        s.ellipse((0, 0), 0.2, 0.2, DARK)
    _seams(s, seams)
    for k in range(dots):
        a, r = 2.4 * k, 0.68 * math.sqrt((k + 0.5) / max(1, dots))
        s.ellipse((r * math.cos(a), r * math.sin(a)), 0.13, 0.13, DARK)
    if hole:
        s.ellipse((0, 0), hole, hole, HOLE)


def _seams(s: Sketch, kind: str) -> None:
    if kind == "pentagons":
        s.star((0, 0), 5, 0.34, 0.82, DARK)
        for k in range(5):
            s.star(toward((0, 0), 180 + 72 * k, 0.82), 5, 0.24, 0.82, DARK)
            s.limb((0, 0), toward((0, 0), 180 + 72 * k, 0.7), 0.03, 0.03, DARK)
    elif kind == "basket":
        for a in (0, 90):
            s.limb(toward((0, 0), a, 0.98), toward((0, 0), a + 180, 0.98), 0.06, 0.06, DARK)
        for side in (-1, 1):
            s.chain([(side * 0.8, -0.6), (side * 0.4, 0), (side * 0.8, 0.6)], 0.06, 0.06, DARK)
    elif kind == "tennis":
        for side in (-1, 1):
            s.chain(
                [
                    (side * 0.75, -0.62),
                    (side * 0.25, -0.3),
                    (side * 0.25, 0.3),
                    (side * 0.75, 0.62),
                ],
                0.1,
                0.1,
                LIGHT,
            )
    elif kind == "wedges":
        for k in range(3):
            a = 120 * k
            s.polygon(
                (
                    (0, 0),
                    toward((0, 0), a, 0.98),
                    toward((0, 0), a + 30, 0.98),
                    toward((0, 0), a + 60, 0.98),
                ),
                (SECOND, ACCENT, LIGHT)[k],
            )
    elif kind == "volley":
        for k in range(3):
            a = 120 * k
            s.chain(
                [(0, 0), toward((0, 0), a + 20, 0.5), toward((0, 0), a + 50, 0.97)],
                0.06,
                0.06,
                DARK,
            )
            s.chain(
                [
                    toward((0, 0), a + 40, 0.3),
                    toward((0, 0), a + 70, 0.6),
                    toward((0, 0), a + 85, 0.97),
                ],
                0.05,
                0.05,
                DARK,
            )
    elif kind == "bowling":
        for x, y in ((-0.1, -0.5), (0.2, -0.55), (0.08, -0.25)):
            s.ellipse((x, y), 0.11, 0.11, DARK)


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


def emblem(
    s: Sketch,
    moves: list[float],
    shape: str = "",
    star: int = 0,
    inner: float = 0.4,
    frame: str = "",
    charge: str = "",
    bars: int = 0,
    hole: float = 0.0,
    teeth: int = 0,
) -> None:
    """Flat signs: one outline, perhaps on a plate, perhaps with a charge on it."""
    if frame:
        _outline(s, frame, 1.35, SECOND)
        _outline(s, frame, 1.15, LIGHT)
    if teeth:
        for k in range(teeth):
            a = 360 * k / teeth
            s.limb((0, 0), toward((0, 0), a, 1), 0.28, 0.22)
        s.ellipse((0, 0), 0.78, 0.78)
    elif star:
        s.star((0, 0), star, 1, inner)
    elif shape:
        _outline(s, shape, 1, MAIN)
    for k in range(bars):
        y = -0.6 + 1.2 * k / max(1, bars - 1)
        s.limb((-0.55, y), (0.55, y), 0.18, 0.18, SECOND)
    if charge:
        s.polygon([(0.45 * x, 0.45 * y) for x, y in EMBLEMS[charge]], ACCENT)
    if hole:
        s.ellipse((0, 0), hole, hole, HOLE)


def _outline(s: Sketch, shape: str, size: float, material: int) -> None:
    if shape in EMBLEMS:
        s.polygon([(size * x, size * y) for x, y in EMBLEMS[shape]], material)
    elif shape == "circle":
        s.ellipse((0, 0), size, size, material)
    else:
        sides = {"triangle": 3, "square": 4, "pentagon": 5, "hexagon": 6, "octagon": 8}[shape]
        turn = 180 / sides if sides % 2 == 0 else 0
        points = [toward((0, 0), 180 + turn + 360 * k / sides, size) for k in range(sides)]
        s.polygon(points, material)


def coil(
    s: Sketch,
    moves: list[float],
    turns: float = 3.0,
    grow: float = 1.0,
    width: float = 0.13,
    square: bool = False,
    knot: bool = False,
) -> None:
    """Spirals and knots."""
    n = int(turns * (4 if square else 9))
    if knot:
        path = [
            (math.sin(2 * math.pi * k / 24), 0.5 * math.sin(4 * math.pi * k / 24))
            for k in range(25)
        ]
    else:
        step = 90 if square else 40
        path = [toward((0, 0), step * k + 45, 0.1 + 0.9 * grow * k / n) for k in range(n + 1)]
    s.chain(path, width, width)


def anchor(
    s: Sketch,
    moves: list[float],
    flukes: int = 2,
    ring: float = 0.2,
    stock: float = 0.5,
    arms: float = 0.7,
) -> None:
    """Anchors and grapnels."""
    s.ring((0, -0.95), ring, 0.08)
    s.limb((0, -0.8), (0, 0.85), 0.15, 0.17)
    if stock:
        s.limb((-stock, -0.55), (stock, -0.55), 0.12, 0.12, SECOND)
    for k in range(flukes):
        side = (-1, 1, -0.45, 0.45)[k]
        tip = (side * arms, 0.35)
        s.chain([(0, 0.85), (side * arms * 0.75, 0.72), tip], 0.15, 0.1)
        s.star(tip, 3, 0.2, 0.5)


def snowman(
    s: Sketch, moves: list[float], balls: int = 3, hat: bool = True, arms: bool = True
) -> None:
    """Balls of snow one upon another."""
    y, r = 0.0, 0.5
    for k in range(balls):
        if arms and k == 1:
            for side in (-1, 1):
                s.limb(
                    (side * r * 0.7, y),
                    (side * (r + 0.45), y - 0.3 + 0.1 * moves[k]),
                    0.06,
                    0.03,
                    DARK,
                )
        s.ellipse((0, y), r, r, MAIN)
        y, r = y - r * 1.45, r * 0.76
    y, r = y + r / 0.76 * 1.45, r / 0.76
    for side in (-1, 1):
        s.ellipse((side * r * 0.35, y - r * 0.25), 0.05, 0.05, DARK)
    s.polygon(((0, y - 0.05), (0.34, y + 0.05), (0, y + 0.07)), ACCENT)
    if hat:
        s.box(-r * 0.7, y - r * 1.9, r * 0.7, y - r * 0.75, DARK)
        s.limb((-r, y - r * 0.75), (r, y - r * 0.75), 0.09, 0.09, DARK)


def robot(
    s: Sketch,
    moves: list[float],
    head: float = 0.3,
    body: float = 0.45,
    arms: bool = True,
    tracks: bool = False,
    dish: bool = False,
    claw: bool = True,
) -> None:
    """A boxy machine with a face."""
    if tracks:
        s.limb((-0.4, 0.75), (0.4, 0.75), 0.34, 0.34, DARK)
    else:
        for side in (-1, 1):
            s.box(side * 0.24 - 0.11, 0.3, side * 0.24 + 0.11, 0.9, SECOND)
            s.box(side * 0.28 - 0.17, 0.84, side * 0.28 + 0.17, 0.98, DARK)
    for side in (-1, 1) if arms else ():
        elbow = (side * (body + 0.25), 0.1 + 0.1 * moves[0])
        s.chain(
            [(side * body, -0.2), elbow, (side * (body + 0.3), -0.2 - 0.2 * moves[side])],
            0.13,
            0.13,
            METAL,
        )
    s.box(-body, -0.4, body, 0.4)
    s.box(-body * 0.6, -0.2, body * 0.6, 0.15, GLASS)
    s.limb((0, -0.4), (0, -0.55), 0.16, 0.16, METAL)
    s.box(-head, -1.0, head, -0.52, SECOND + FAR * 0)
    for side in (-1, 1):
        s.ellipse((side * head * 0.5, -0.8), 0.09, 0.09, LIGHT)
    s.box(-head * 0.6, -0.66, head * 0.6, -0.6, DARK)
    s.limb((0, -1), (0, -1.25), 0.04, 0.04, METAL)
    s.ellipse((0, -1.28), 0.16 if dish else 0.07, 0.08, ACCENT)
