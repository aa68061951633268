"""Recipes of plants, fruits and fungi."""

import math
from collections.abc import Callable
from typing import NamedTuple

from data_prep.microworld.sketch import (
    ACCENT,
    DARK,
    FAR,
    LIGHT,
    MAIN,
    SECOND,
    Point,
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
    CROWNS[traits.crown](s, moves, traits)
    for k in range(traits.dots):
        turn = 2.4 * k  # the golden angle, nearly: spreads evenly
        reach = 0.8 * traits.spread * math.sqrt((k + 0.5) / traits.dots)
        dot = reach * math.cos(turn), top - traits.height * 0.45 + reach * math.sin(turn) * 0.8
        s.circle(dot, 0.07, SECOND)


def _palm(s: Sketch, moves: list[float], traits: Tree) -> None:
    top = -traits.trunk
    head = (0.14 + 0.1 * moves[0], top - traits.height * 0.3)
    s.chain([(0, 0), (0.06, top * 0.6), head], traits.width, traits.width * 0.7, ACCENT)
    for k in range(7):
        middle = toward(head, 180 + (k - 3) * 42, traits.spread * 0.5)
        tip = (middle[0] + (middle[0] - head[0]) * 0.9, middle[1] + 0.3)
        s.chain([head, middle, tip], 0.15, 0.04, _shaded(k))


def _branches(s: Sketch, moves: list[float], traits: Tree) -> None:
    """A trunk whose branches fork once; a boab's end in tufts."""
    is_boab, top = traits.crown == "boab", -traits.trunk
    foot = traits.width * 1.4
    s.limb((0, 0), (0, top), foot, traits.width * (1.2 if is_boab else 1), ACCENT)
    for k in range(traits.tiers):
        angle = 180 + (k - (traits.tiers - 1) / 2) * 130 / traits.tiers + 6 * moves[k % 12]
        elbow = toward((0, top + 0.04), angle, traits.height * 0.55)
        s.limb((0, top + 0.1), elbow, traits.width * 0.7, traits.width * 0.4, ACCENT)
        for fork in (-26, 26):
            tip = toward(elbow, angle + fork, traits.height * 0.4)
            s.limb(elbow, tip, traits.width * 0.35, 0.02, ACCENT)
            if is_boab:
                s.ellipse(tip, 0.2, 0.1, MAIN)


def _shaded(k: int) -> int:
    """Leaves in turns before and behind."""
    return MAIN if k % 2 else MAIN + FAR


def _stem(s: Sketch, traits: Tree) -> float:
    """Draws the trunk below a crown of leaves; gives the y of its upper end."""
    top, width = -traits.trunk, traits.width
    s.limb((0, 0), (0, top - traits.height * 0.3), width * 1.2, width * 0.7, ACCENT)
    return top


def _tiers(s: Sketch, moves: list[float], traits: Tree) -> None:
    top, height, tiers = _stem(s, traits), traits.height, traits.tiers
    for k in range(tiers):
        y = top - k * height / tiers * 0.8 + 0.1
        w = traits.spread * (1 - 0.8 * k / tiers)
        s.lathe(((y - height / tiers * 1.5, 0.01), (y, w), (y - 0.06, 0.02)), MAIN)


def _cone(s: Sketch, moves: list[float], traits: Tree) -> None:
    top, spread = _stem(s, traits), traits.spread
    upper = (top - traits.height, 0.01), (top - traits.height * 0.4, spread * 0.66)
    s.lathe((*upper, (top + 0.05, spread), (top + 0.15, 0.04)))


def _column(s: Sketch, moves: list[float], traits: Tree) -> None:
    top = _stem(s, traits)
    s.ellipse((0, top - traits.height * 0.4), traits.spread, traits.height * 0.6)


def _round(s: Sketch, moves: list[float], traits: Tree) -> None:
    top = _stem(s, traits)
    s.ellipse((0, top - traits.height * 0.4), traits.spread, traits.height * 0.58)


def _shelves(s: Sketch, moves: list[float], traits: Tree) -> None:
    top = _stem(s, traits)
    for k in range(traits.tiers):
        x = traits.spread * 0.5 * (-1) ** k * (0.6 + 0.3 * moves[k])
        y = top - traits.height * k / traits.tiers
        s.limb((0, y + 0.25), (x, y), 0.07, 0.05, ACCENT)
        s.ellipse((x, y), traits.spread * 0.75, 0.14, _shaded(k))


def _umbrella(s: Sketch, moves: list[float], traits: Tree) -> None:
    top, spread, height = _stem(s, traits), traits.spread, traits.height
    for k in range(5):
        s.limb((0, top + 0.1), ((k / 2 - 1) * spread, top - height * 0.3), 0.05, 0.03, ACCENT)
    knots = ((0.55, 0.6), (0.3, 1), (0.18, 0.9))
    s.lathe([(top - height * up, spread * wide) for up, wide in knots])


def _weeping(s: Sketch, moves: list[float], traits: Tree) -> None:
    top, spread, height = _stem(s, traits), traits.spread, traits.height
    s.ellipse((0, top - height * 0.3), spread * 0.8, height * 0.4)
    for k in range(9):
        x = (k / 4 - 1) * spread
        upper = (x * 0.6, top - height * 0.4), (x, top - height * 0.1)
        s.chain([*upper, (x * 1.06, top + 0.4 + 0.08 * moves[k])], 0.13, 0.05, _shaded(k))


def _blobs(s: Sketch, moves: list[float], traits: Tree) -> None:
    top, spread = _stem(s, traits), traits.spread
    for k in range(7):
        a, r = 2.4 * k, spread * 0.62 * math.sqrt(k / 6)
        blob = (r * math.cos(a), top - traits.height * 0.4 + r * math.sin(a) * 0.8)
        s.ellipse(blob, spread * 0.42, spread * 0.38, _shaded(k))


CROWNS: dict[str, Callable[[Sketch, list[float], Tree], None]] = {
    "palm": _palm,
    "bare": _branches,
    "boab": _branches,
    "tiers": _tiers,
    "cone": _cone,
    "column": _column,
    "round": _round,
    "shelf": _shelves,
    "umbrella": _umbrella,
    "weeping": _weeping,
    "blobs": _blobs,
}


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
        BLOOMS[traits.form](s, head, traits)
    for k in range(traits.leaves):
        side = -1 if k % 2 else 1
        y = -0.12 - 0.14 * k
        s.limb((0, y), (side * (0.3 + 0.05 * moves[k]), y - 0.22), 0.1, 0.02, SECOND)


def _cup(s: Sketch, head: Point, traits: Flower) -> None:
    (x, y), reach, width = head, traits.reach, traits.width
    for dx in (-0.5, 0.5, 0.0):
        foot = y - reach * 0.3
        left, right = x + dx * width * 0.5 - width, x + dx * width * 0.5 + width
        tip = (x + dx * width * 1.9, y - reach * 1.3)
        s.polygon(((left, foot), tip, (right, foot), (x, y + 0.06)), MAIN if dx else MAIN + FAR)


def _bells(s: Sketch, head: Point, traits: Flower) -> None:
    x, y = head
    for k in range(traits.petals):
        middle, top = x + (0.12 if k % 2 else -0.12), y + k * 0.16
        upper = (top - 0.08, 0.03), (top + 0.02, traits.width * 0.7)
        s.lathe((*upper, (top + traits.reach * 0.5, traits.width)), MAIN, x=middle)


def _spike(s: Sketch, head: Point, traits: Flower) -> None:
    x, y = head
    for k in range(traits.petals):
        place = (x + (0.07 if k % 2 else -0.07), y + 0.5 - k * traits.reach * 0.4)
        s.ellipse(place, traits.width, traits.width * 0.8, MAIN if k % 3 else ACCENT)


def _globe(s: Sketch, head: Point, traits: Flower) -> None:
    for k in range(traits.petals * 2):
        p = toward(head, 360 * k / traits.petals / 2, traits.reach)
        s.bar(head, p, 0.02, LIGHT)
        s.circle(p, 0.035, MAIN)


def _whorl(s: Sketch, head: Point, traits: Flower) -> None:
    for k, share in enumerate((1, 0.8, 0.6, 0.4, 0.22)):
        size = traits.reach * share
        for j in range(4):
            a = 90 * j + 40 * k
            place = toward(head, a, size * 0.35)
            s.ellipse(place, size * 0.75, size * 0.65, _shaded(j + k), turn=a)


def _open(s: Sketch, head: Point, traits: Flower) -> None:
    root_width, tip_width = (traits.width * each for each in (1.4 - traits.tip, 0.3 + traits.tip))
    for k in range(traits.petals):
        a = 360 * k / traits.petals
        root, end = toward(head, a, traits.center * 0.5), toward(head, a, traits.reach)
        s.limb(root, end, root_width, tip_width, _shaded(k))
    s.circle(head, traits.center, ACCENT)


BLOOMS: dict[str, Callable[[Sketch, Point, Flower], None]] = {
    "cup": _cup,
    "bell": _bells,
    "spike": _spike,
    "globe": _globe,
    "whorl": _whorl,
    "open": _open,
}


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
            s.lathe([(y + cy, r) for y, r in traits.form], MAIN, x=cx)
        for k in range(traits.ribs):
            share = (k + 0.5) / traits.ribs - 0.5
            s.lathe(
                [(y * 0.9 + cy, r * 0.12) for y, r in traits.form],
                MAIN + FAR,
                x=cx + share * 1.5 * max(r for _, r in traits.form),
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
        s.lathe(((-h, w * 0.8), (-h * 0.4, w * 0.9), (0, w * 1.3)), LIGHT, x=x)
        if traits.ring:
            s.ellipse((x, -h * 0.7), w * 1.8, 0.05, LIGHT)
        rx, ry = traits.cap[0] * scale, traits.cap[1] * scale
        if traits.bell:
            s.lathe(((-h - ry * 1.8, 0.05), (-h - ry, rx * 0.7), (-h + 0.1, rx)), MAIN, x=x)
        else:
            s.lathe(
                (
                    (-h - ry, rx * 0.4),
                    (-h - ry * 0.75, rx * 0.75),
                    (-h - ry * 0.2, rx),
                    (-h + 0.05, rx * 0.95),
                ),
                MAIN,
                x=x,
            )
        for k in range(traits.spots):
            a = 2.4 * k + g
            s.ellipse(
                (x + rx * 0.6 * math.cos(a), -h - ry * 0.45 + ry * 0.3 * math.sin(a)),
                0.07 * scale,
                0.055 * scale,
                LIGHT,
            )
