"""Recipes of plants, fruits and fungi."""

import math
from typing import NamedTuple

from data_prep.microworld.sketch import (
    ACCENT,
    DARK,
    FAR,
    LIGHT,
    MAIN,
    SECOND,
    Sketch,
    toward,
)


class Tree(NamedTuple):
    """What a class chooses of `tree`."""

    crown: str = "round"
    trunk: float = 0.6
    width: float = 0.14
    spread: float = 0.6
    height: float = 0.9
    tiers: int = 4
    dots: int = 0


def tree(s: Sketch, moves: list[float], traits: Tree) -> None:
    """Trees by the shape of their crown; ACCENT is the bark, MAIN the leaves."""
    top = -traits.trunk
    if traits.crown == "palm":
        s.chain(
            [(0, 0), (0.06, top * 0.6), (0.14 + 0.1 * moves[0], top - traits.height * 0.3)],
            traits.width,
            traits.width * 0.7,
            ACCENT,
        )
        head = (0.14 + 0.1 * moves[0], top - traits.height * 0.3)
        for k in range(7):
            middle = toward(head, 180 + (k - 3) * 42, traits.spread * 0.5)
            s.chain(
                [head, middle, (middle[0] + (middle[0] - head[0]) * 0.9, middle[1] + 0.3)],
                0.15,
                0.04,
                MAIN if k % 2 else MAIN + FAR,
            )
    elif traits.crown in ("bare", "boab"):
        s.limb(
            (0, 0),
            (0, top),
            traits.width * 1.4,
            traits.width * (1 if traits.crown == "bare" else 1.2),
            ACCENT,
        )
        for k in range(traits.tiers):
            angle = 180 + (k - (traits.tiers - 1) / 2) * 130 / traits.tiers + 6 * moves[k % 12]
            elbow = toward((0, top + 0.04), angle, traits.height * 0.55)
            s.limb((0, top + 0.1), elbow, traits.width * 0.7, traits.width * 0.4, ACCENT)
            for fork in (-26, 26):
                tip = toward(elbow, angle + fork, traits.height * 0.4)
                s.limb(elbow, tip, traits.width * 0.35, 0.02, ACCENT)
                if traits.crown == "boab":
                    s.ellipse(tip, 0.2, 0.1, MAIN)
    else:
        s.limb(
            (0, 0), (0, top - traits.height * 0.3), traits.width * 1.2, traits.width * 0.7, ACCENT
        )
        _crown(s, moves, traits.crown, (top, traits.spread, traits.height, traits.tiers))
    for k in range(traits.dots):
        turn = 2.4 * k  # the golden angle, nearly: spreads evenly
        reach = 0.8 * traits.spread * math.sqrt((k + 0.5) / traits.dots)
        dot = reach * math.cos(turn), top - traits.height * 0.45 + reach * math.sin(turn) * 0.8
        s.circle(dot, 0.07, SECOND)


def _crown(
    s: Sketch, moves: list[float], crown: str, size: tuple[float, float, float, int]
) -> None:
    top, spread, height, tiers = size
    if crown == "tiers":
        for k in range(tiers):
            y = top - k * height / tiers * 0.8 + 0.1
            w = spread * (1 - 0.8 * k / tiers)
            s.lathe(((y - height / tiers * 1.5, 0.01), (y, w), (y - 0.06, 0.02)), MAIN)
    elif crown == "cone":
        s.lathe(
            (
                (top - height, 0.01),
                (top - height * 0.4, spread * 0.66),
                (top + 0.05, spread),
                (top + 0.15, 0.04),
            )
        )
    elif crown == "column":
        s.ellipse((0, top - height * 0.4), spread, height * 0.6)
    elif crown == "shelf":
        for k in range(tiers):
            x = spread * 0.5 * (-1) ** k * (0.6 + 0.3 * moves[k])
            y = top - height * k / tiers
            s.limb((0, y + 0.25), (x, y), 0.07, 0.05, ACCENT)
            s.ellipse((x, y), spread * 0.75, 0.14, MAIN if k % 2 else MAIN + FAR)
    elif crown == "umbrella":
        for k in range(5):
            s.limb((0, top + 0.1), ((k / 2 - 1) * spread, top - height * 0.3), 0.05, 0.03, ACCENT)
        s.lathe(
            (
                (top - height * 0.55, spread * 0.6),
                (top - height * 0.3, spread),
                (top - height * 0.18, spread * 0.9),
            )
        )
    elif crown == "weeping":
        s.ellipse((0, top - height * 0.3), spread * 0.8, height * 0.4)
        for k in range(9):
            x = (k / 4 - 1) * spread
            s.chain(
                [
                    (x * 0.6, top - height * 0.4),
                    (x, top - height * 0.1),
                    (x * 1.06, top + 0.4 + 0.08 * moves[k]),
                ],
                0.13,
                0.05,
                MAIN if k % 2 else MAIN + FAR,
            )
    elif crown == "blobs":
        for k in range(7):
            a, r = 2.4 * k, spread * 0.62 * math.sqrt(k / 6)
            blob = (r * math.cos(a), top - height * 0.4 + r * math.sin(a) * 0.8)
            s.ellipse(blob, spread * 0.42, spread * 0.38, MAIN if k % 2 else MAIN + FAR)
    else:
        s.ellipse((0, top - height * 0.4), spread, height * 0.58)


class Flower(NamedTuple):
    """What a class chooses of `flower`."""

    petals: int = 8
    reach: float = 0.34
    width: float = 0.14
    center: float = 0.14
    stem: float = 0.9
    leaves: int = 2
    form: str = "open"
    tip: float = 0.4
    blooms: int = 1


def flower(s: Sketch, moves: list[float], traits: Flower) -> None:
    """Flowers by their petals. SECOND is the green of stem and leaves."""
    for b in range(traits.blooms):
        lean = (b - (traits.blooms - 1) / 2) * 0.5 + 0.12 * moves[0]
        head = (lean, -traits.stem * (1 - 0.16 * (b % 2)))
        s.chain([(0, 0), (lean * 0.3, -traits.stem * 0.5), head], 0.06, 0.05, SECOND)
        _bloom(
            s,
            head,
            (traits.petals, traits.reach, traits.width, traits.center, traits.tip),
            traits.form,
        )
    for k in range(traits.leaves):
        side = -1 if k % 2 else 1
        y = -0.12 - 0.14 * k
        s.limb((0, y), (side * (0.3 + 0.05 * moves[k]), y - 0.22), 0.1, 0.02, SECOND)


def _bloom(s: Sketch, head: tuple[float, float], size: tuple, form: str) -> None:
    petals, reach, width, center, tip = size
    x, y = head
    if form == "cup":
        for dx in (-0.5, 0.5, 0.0):
            s.polygon(
                (
                    (x + dx * width * 0.5 - width, y - reach * 0.3),
                    (x + dx * width * 1.9, y - reach * 1.3),
                    (x + dx * width * 0.5 + width, y - reach * 0.3),
                    (x, y + 0.06),
                ),
                MAIN if dx else MAIN + FAR,
            )
    elif form == "bell":
        for k in range(petals):
            c = (x + (0.12 if k % 2 else -0.12), y + k * 0.16)
            s.lathe(
                ((c[1] - 0.08, 0.03), (c[1] + 0.02, width * 0.7), (c[1] + reach * 0.5, width)),
                MAIN,
                c[0],
            )
    elif form == "spike":
        for k in range(petals):
            s.ellipse(
                (x + (0.07 if k % 2 else -0.07), y + 0.5 - k * reach * 0.4),
                width,
                width * 0.8,
                MAIN if k % 3 else ACCENT,
            )
    elif form == "globe":
        for k in range(petals * 2):
            p = toward(head, 360 * k / petals / 2, reach)
            s.bar(head, p, 0.02, LIGHT)
            s.circle(p, 0.035, MAIN)
    elif form == "whorl":
        for k, share in enumerate((1, 0.8, 0.6, 0.4, 0.22)):
            for j in range(4):
                a = 90 * j + 40 * k
                s.ellipse(
                    toward(head, a, reach * share * 0.35),
                    reach * share * 0.75,
                    reach * share * 0.65,
                    MAIN if (j + k) % 2 else MAIN + FAR,
                    turn=a,
                )
    else:
        for k in range(petals):
            a = 360 * k / petals
            s.limb(
                toward(head, a, center * 0.5),
                toward(head, a, reach),
                width * (1.4 - tip),
                width * (0.3 + tip),
                MAIN if k % 2 else MAIN + FAR,
            )
        s.circle(head, center, ACCENT)


class Succulent(NamedTuple):
    """What a class chooses of `succulent`."""

    body: tuple[float, float] = (0.2, 0.9)
    arms: int = 2
    ribs: int = 2
    pads: int = 0
    rosette: int = 0
    pot: bool = False
    bloom: bool = False


def succulent(s: Sketch, moves: list[float], traits: Succulent) -> None:
    """Cacti, agaves and pot plants."""
    rx, high = traits.body
    if traits.pads:
        for k in range(traits.pads):
            x, y = ((0, -0.3), (-0.3, -0.72), (0.3, -0.66), (0.02, -0.98), (0.5, -1.02))[k % 5]
            s.ellipse((x, y), 0.2, 0.3, MAIN, turn=30 * (k % 3 - 1))
    elif traits.rosette:
        for k in range(traits.rosette):
            a = 180 + (k - (traits.rosette - 1) / 2) * 170 / traits.rosette
            s.limb(
                (0, 0),
                toward((0, 0), a + 4 * moves[k % 12], high),
                rx,
                0.02,
                MAIN if k % 2 else MAIN + FAR,
            )
    else:
        for k in range(traits.arms):
            side = -1 if k % 2 else 1
            y = -high * (0.4 + 0.16 * k)
            s.chain(
                [(0, y), (side * rx * 2.4, y), (side * rx * 2.5, y - high * 0.36)], rx * 1.1, rx
            )
        s.limb((0, 0), (0, -high), rx * 2, rx * 1.8)
        for k in range(traits.ribs):
            x = rx * 1.3 * (k / max(1, traits.ribs - 1) - 0.5)
            s.bar((x, -0.02), (x, -high), 0.025, DARK)
        if traits.bloom:
            s.star((0, -high - rx), 6, 0.16, 0.5, ACCENT)
    if traits.pot:
        s.lathe(((-0.08, 0.34), (0.06, 0.34), (0.06, 0.28), (0.5, 0.2)), ACCENT)


class Frond(NamedTuple):
    """What a class chooses of `frond`."""

    fronds: int = 5
    length: float = 1.0
    leaflets: int = 6
    blade: float = 0.24
    spread: float = 140.0
    ears: float = 0.0


def frond(s: Sketch, moves: list[float], traits: Frond) -> None:
    """Ferns, grasses, reeds and ears of corn: stems that rise from one root."""
    for k in range(traits.fronds):
        a = (
            180
            + (k - (traits.fronds - 1) / 2) * traits.spread / max(1, traits.fronds)
            + 5 * moves[k % 12]
        )
        tip = toward((0, 0), a, traits.length)
        s.limb((0, 0), tip, 0.06, 0.03, SECOND if traits.leaflets else MAIN)
        for j in range(traits.leaflets):
            at = toward((0, 0), a, traits.length * (j + 1.5) / (traits.leaflets + 1))
            for side in (-62, 62):
                s.limb(
                    at,
                    toward(at, a + side, traits.blade * (1 - 0.6 * j / traits.leaflets)),
                    0.09,
                    0.02,
                )
        if traits.ears:
            s.limb(
                toward((0, 0), a, traits.length * 0.86),
                toward((0, 0), a, traits.length + traits.ears),
                0.14,
                0.1,
                ACCENT,
            )


class Fruit(NamedTuple):
    """What a class chooses of `fruit`."""

    form: tuple = ((-0.5, 0.1), (-0.4, 0.34), (0.0, 0.5), (0.4, 0.36), (0.5, 0.1))
    cluster: tuple = ((0.0, 0.0),)
    stem: float = 0.2
    leaves: int = 1
    tuft: int = 0
    ribs: int = 0
    bend: float = 0.0
    slice_: bool = False
    caps: bool = False
    seeds: int = 0


def fruit(s: Sketch, moves: list[float], traits: Fruit) -> None:
    """Fruits and vegetables: a lathe of knots (y, half width), alone or in clusters."""
    top = traits.form[0][0]
    for k in range(traits.tuft):
        a = 180 + (k - (traits.tuft - 1) / 2) * 120 / max(1, traits.tuft)
        s.limb((0, top + 0.08), toward((0, top), a + 4 * moves[k], 0.5), 0.12, 0.02, SECOND)
    for cx, cy in traits.cluster:
        if traits.stem:
            s.limb((cx, cy + top + 0.06), (cx * 0.2, top - traits.stem), 0.05, 0.06, DARK)
        if traits.bend:
            knots = [(r, y) for y, r in traits.form]
            path = [(traits.bend * (1 - (2 * y) ** 2), y) for _, y in knots]
            s.chain(path, traits.form[0][1] * 2, traits.form[-1][1] * 2)
            for (x0, y0), (x1, y1), (r, _) in zip(path, path[1:], knots):
                s.bar((x0, y0), (x1, y1), r * 2)
        else:
            s.lathe([(y + cy, r) for y, r in traits.form], MAIN, cx)
        for k in range(traits.ribs):
            share = (k + 0.5) / traits.ribs - 0.5
            s.lathe(
                [(y * 0.9 + cy, r * 0.12) for y, r in traits.form],
                MAIN + FAR,
                cx + share * 1.5 * max(r for _, r in traits.form),
            )
        for k in range(traits.seeds):
            a, r = 2.4 * k, 0.7 * math.sqrt((k + 0.5) / traits.seeds)
            widest = max(r for _, r in traits.form)
            s.ellipse(
                (cx + widest * r * math.cos(a), cy + 0.42 * r * math.sin(a)), 0.04, 0.055, LIGHT
            )
    if traits.slice_:
        s.lathe([(y * 0.86, r * 0.86) for y, r in traits.form], ACCENT)
        s.lathe([(y * 0.3, r * 0.3) for y, r in traits.form], DARK)
    if traits.caps:
        s.star((0, top + 0.06), 6, 0.3, 0.45, SECOND)
    for k in range(traits.leaves):
        side = 1 if k % 2 == 0 else -1
        s.limb(
            (0.02, top - traits.stem * 0.6),
            (side * 0.34, top - traits.stem - 0.1),
            0.16,
            0.03,
            SECOND,
        )


class Fungus(NamedTuple):
    """What a class chooses of `fungus`."""

    cap: tuple[float, float] = (0.5, 0.36)
    stalk: tuple[float, float] = (0.16, 0.5)
    ring: bool = False
    spots: int = 0
    bell: bool = False
    group: int = 1


def fungus(s: Sketch, moves: list[float], traits: Fungus) -> None:
    """Mushrooms."""
    for g in range(traits.group):
        x, scale = (0.0, 1.0) if g == 0 else ((-0.5, 0.55) if g == 1 else (0.5, 0.65))
        w, h = traits.stalk[0] * scale, traits.stalk[1] * scale
        s.lathe(((-h, w * 0.8), (-h * 0.4, w * 0.9), (0, w * 1.3)), LIGHT, x)
        if traits.ring:
            s.ellipse((x, -h * 0.7), w * 1.8, 0.05, LIGHT)
        rx, ry = traits.cap[0] * scale, traits.cap[1] * scale
        if traits.bell:
            s.lathe(((-h - ry * 1.8, 0.05), (-h - ry, rx * 0.7), (-h + 0.1, rx)), MAIN, x)
        else:
            s.lathe(
                (
                    (-h - ry, rx * 0.4),
                    (-h - ry * 0.75, rx * 0.75),
                    (-h - ry * 0.2, rx),
                    (-h + 0.05, rx * 0.95),
                ),
                MAIN,
                x,
            )
        for k in range(traits.spots):
            a = 2.4 * k + g
            s.ellipse(
                (x + rx * 0.6 * math.cos(a), -h - ry * 0.45 + ry * 0.3 * math.sin(a)),
                0.07 * scale,
                0.055 * scale,
                LIGHT,
            )
