"""Recipes of buildings and furniture."""

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
    Sketch,
    toward,
)

Roof = Callable[[Sketch, float, float, float, float], None]


def _gable(s: Sketch, x: float, y: float, w: float, h: float) -> None:
    s.polygon(((x - w * 1.12, y), (x, y - h), (x + w * 1.12, y)), SECOND)


def _hip(s: Sketch, x: float, y: float, w: float, h: float) -> None:
    s.polygon(
        ((x - w * 1.15, y), (x - w * 0.6, y - h), (x + w * 0.6, y - h), (x + w * 1.15, y)), SECOND
    )


def _gambrel(s: Sketch, x: float, y: float, w: float, h: float) -> None:
    s.lathe(((y - h, w * 0.12), (y - h * 0.7, w * 0.7), (y, w * 1.1)), SECOND, x=x)


def _dome(s: Sketch, x: float, y: float, w: float, h: float) -> None:
    s.lathe(
        ((y - h, w * 0.1), (y - h * 0.85, w * 0.5), (y - h * 0.5, w * 0.86), (y, w * 0.95)),
        SECOND,
        x=x,
    )
    s.limb((x, y - h), (x, y - h - 0.16), 0.04, 0.02, METAL)


def _onion(s: Sketch, x: float, y: float, w: float, h: float) -> None:
    knots = ((-1.4, 0.02), (-1.05, 0.2), (-0.8, 0.75), (-0.45, 1.15), (-0.15, 0.95), (0, 0.6))
    s.lathe([(y + k * h, r * w) for k, r in knots], SECOND, x=x)


def _spire(s: Sketch, x: float, y: float, w: float, h: float) -> None:
    s.polygon(((x - w * 1.1, y), (x, y - h * 2.0), (x + w * 1.1, y)), SECOND)


def _cross(s: Sketch, x: float, y: float, w: float, h: float) -> None:
    _spire(s, x, y, w, h)
    s.bar((x, y - h * 1.95), (x, y - h * 2.0 - 0.3), 0.045, METAL)
    s.bar((x - 0.09, y - h * 2.0 - 0.2), (x + 0.09, y - h * 2.0 - 0.2), 0.045, METAL)


def _battlement(s: Sketch, x: float, y: float, w: float, h: float) -> None:
    for k in range(4):
        left = x - w * 1.1 + k * w * 2.2 / 4
        s.box(left, y - h, left + w * 0.34, y + 0.02, MAIN)
    s.box(x - w * 1.1, y - h * 0.4, x + w * 1.1, y + 0.02, MAIN)


def _pagoda(s: Sketch, x: float, y: float, w: float, h: float) -> None:
    s.polygon(
        (
            (x - w * 1.5, y - h * 0.25),
            (x - w * 0.5, y - h),
            (x + w * 0.5, y - h),
            (x + w * 1.5, y - h * 0.25),
            (x + w * 1.1, y),
            (x - w * 1.1, y),
        ),
        SECOND,
    )


def _flat(s: Sketch, x: float, y: float, w: float, h: float) -> None:
    s.box(x - w * 1.06, y - h * 0.2, x + w * 1.06, y, SECOND)


def _thatch(s: Sketch, x: float, y: float, w: float, h: float) -> None:
    s.lathe(((y - h, w * 0.1), (y - h * 0.4, w * 0.8), (y + 0.1, w * 1.3)), ACCENT, x=x)


def _saw(s: Sketch, x: float, y: float, w: float, h: float) -> None:
    for k in range(3):
        left = x - w + k * w * 2 / 3
        s.polygon(((left, y), (left, y - h), (left + w * 2 / 3, y)), SECOND)


ROOFS: dict[str, Roof] = {
    "gable": _gable,
    "hip": _hip,
    "gambrel": _gambrel,
    "dome": _dome,
    "onion": _onion,
    "spire": _spire,
    "cross": _cross,
    "battlement": _battlement,
    "pagoda": _pagoda,
    "flat": _flat,
    "thatch": _thatch,
    "saw": _saw,
}


def _sails(s: Sketch, hub: tuple[float, float], turn: float) -> None:
    for k in range(4):
        tip = toward(hub, turn + 90 * k, 0.85)
        s.limb(hub, tip, 0.05, 0.04, DARK)
        s.limb(
            toward(hub, turn + 90 * k + 9, 0.25),
            toward(hub, turn + 90 * k + 9, 0.85),
            0.13,
            0.16,
            LIGHT,
        )


def _bands(s: Sketch, block: tuple[float, float, float, float], bands: int) -> None:
    x, top, half, height = block
    for k in range(bands):
        high = height / bands / 2
        s.lathe(
            (
                (top + 2 * k * high, half),
                (top + (2 * k + 1) * high, half * 1.03),
            ),
            SECOND,
            x=x,
        )


class Building(NamedTuple):
    """What a class chooses of `building`."""

    blocks: tuple = ((0.0, 0.6, 0.7, "gable"),)
    roof: float = 0.5
    windows: int = 2
    storeys: int = 1
    door: float = 0.34
    arch: bool = False
    chimneys: int = 0
    bands: int = 0
    sails: bool = False
    columns: int = 0
    stilts: float = 0.0
    taper: float = 1.0
    smoke: bool = False
    dish: bool = False


def building(s: Sketch, moves: list[float], traits: Building) -> None:
    """Blocks side by side or one upon another. blocks: (middle, half width, height, roof), where a
    middle of None stacks the block upon the last."""
    y = -traits.stilts
    last = 0.0
    for k in range(traits.chimneys):
        x = traits.blocks[0][1] * (0.5 - 0.5 * k)
        s.box(
            x - 0.08,
            -traits.blocks[0][2] - traits.roof * 1.25,
            x + 0.08,
            -traits.blocks[0][2] * 0.5,
            DARK,
        )
        if traits.smoke:
            s.ellipse((x - 0.1, -traits.blocks[0][2] - traits.roof * 1.4), 0.16, 0.1, LIGHT)
    for x in (-0.8, -0.3, 0.3, 0.8) if traits.stilts else ():
        s.bar((x * traits.blocks[0][1], 0), (x * traits.blocks[0][1], y), 0.05, DARK)
    for middle, half, height, kind in traits.blocks:
        base = last if middle is None else y
        x = middle or 0.0
        top = base - height
        s.lathe(((top, half * traits.taper), (base, half)), MAIN, x=x)
        _bands(s, (x, top, half * traits.taper, height), traits.bands)
        _windows(s, (x, base, half * traits.taper, height), traits.windows, traits.storeys)
        if kind:
            ROOFS[kind](s, x, top, half * traits.taper, traits.roof)
        last = top - (traits.roof * 0.9 if kind == "pagoda" else 0)
    for k in range(traits.columns):
        x = traits.blocks[0][1] * (2 * (k + 0.5) / traits.columns - 1)
        s.box(x - 0.055, y - traits.blocks[0][2], x + 0.055, y, LIGHT)
    if traits.door:
        half = traits.door * 0.32
        s.box(-half, y - traits.door, half, y, HOLE if traits.arch else DARK)
        if traits.arch:
            s.circle((0, y - traits.door), half, HOLE)
    if traits.sails:
        _sails(s, (0.0, last - traits.roof * 0.2), 45 + 30 * moves[0])
    if traits.dish:
        s.ellipse((0.1, last - traits.roof * 0.5), 0.3, 0.18, METAL, turn=-40)


def _windows(
    s: Sketch, block: tuple[float, float, float, float], across: int, storeys: int
) -> None:
    x, base, half, height = block
    for r in range(storeys if across else 0):
        top = base - height + height * (r + 0.25) / storeys
        for k in range(across):
            left = x - half + 2 * half * (k + 0.28) / across
            s.box(left, top, left + 0.9 * half / across, top + height * 0.5 / storeys, GLASS)


class Bridge(NamedTuple):
    """What a class chooses of `bridge`."""

    arches: int = 3
    deck: float = 0.12
    high: float = 0.5
    towers: int = 0
    rise: float = 0.0
    aqueduct: bool = False
    truss: bool = False


def bridge(s: Sketch, moves: list[float], traits: Bridge) -> None:
    """Bridges by what holds them."""
    s.box(-1.2, -traits.high, 1.2, -traits.high + traits.deck, SECOND)
    if traits.towers:
        for x in (-0.55, 0.55):
            s.box(x - 0.07, -traits.high - 0.6, x + 0.07, 0.1, MAIN)
        for x0, x1, sag in ((-1.2, -0.55, 0), (-0.55, 0.55, 1), (0.55, 1.2, 0)):
            if sag:
                s.chain(
                    [
                        (x0, -traits.high - 0.55),
                        (0, -traits.high - 0.06),
                        (x1, -traits.high - 0.55),
                    ],
                    0.05,
                    0.05,
                    DARK,
                )
            else:
                outer, inner = (x0, x1) if x0 < -1 else (x1, x0)
                s.bar((outer, -traits.high), (inner, -traits.high - 0.55), 0.05, DARK)
        for k in range(11):
            x = -0.45 + 0.09 * k
            s.bar((x, -traits.high), (x, -traits.high - 0.1 - abs(x) * 0.8), 0.025, DARK)
        return
    if traits.truss:
        for k in range(6):
            x = -1.2 + 0.4 * k
            s.bar((x, -traits.high), (x + 0.2, -traits.high - 0.4), 0.05, MAIN)
            s.bar((x + 0.2, -traits.high - 0.4), (x + 0.4, -traits.high), 0.05, MAIN)
        s.bar((-1, -traits.high - 0.4), (1, -traits.high - 0.4), 0.05, MAIN)
        for x in (-0.9, 0.9):
            s.box(x - 0.08, -traits.high, x + 0.08, 0.1, DARK)
        return
    for level in range(2 if traits.aqueduct else 1):
        base = 0.1 - level * (traits.high + 0.1)
        top = base - traits.high - 0.1
        s.polygon(((-1.2, base), (-1.2, top), (0, top - traits.rise), (1.2, top), (1.2, base)))
        n = traits.arches * (1 + level)
        for k in range(n):
            x = -1.2 + 2.4 * (k + 0.5) / n
            r = 0.9 / n
            s.box(x - r, base - traits.high * 0.4, x + r, base + 0.02, HOLE)
            s.ellipse((x, base - traits.high * 0.4), r, min(r, traits.high * 0.45), HOLE)


class Tent(NamedTuple):
    """What a class chooses of `tent`."""

    peaks: int = 1
    width: float = 0.9
    height: float = 0.9
    round_: bool = False
    poles: int = 0
    flag: bool = False
    walls: float = 0.0


def tent(s: Sketch, moves: list[float], traits: Tent) -> None:
    """Tents, igloos and tepees."""
    if traits.round_:
        s.lathe(
            (
                (-traits.height, traits.width * 0.3),
                (-traits.height * 0.8, traits.width * 0.66),
                (-traits.height * 0.4, traits.width * 0.95),
                (0, traits.width),
            )
        )
        s.ellipse((traits.width * 0.35, -0.05), 0.26, 0.28, SECOND)
        s.ellipse((traits.width * 0.38, -0.02), 0.15, 0.18, DARK)
        s.box(-traits.width, 0, traits.width, 0.25, HOLE)
        return
    for k in range(traits.poles):
        s.bar(
            (0.1 * (k - 1), -traits.height * 1.25), (-0.5 * traits.width * (k - 1), 0), 0.035, DARK
        )
    if traits.walls:
        s.box(-traits.width, -traits.walls, traits.width, 0, SECOND)
    for k in range(traits.peaks):
        x = (k - (traits.peaks - 1) / 2) * 2 * traits.width / traits.peaks
        half = traits.width / traits.peaks
        s.polygon(
            (
                (x - half, -traits.walls),
                (x, -traits.height - traits.walls),
                (x + half, -traits.walls),
            )
        )
        if traits.flag:
            s.bar(
                (x, -traits.height - traits.walls),
                (x, -traits.height - traits.walls - 0.3),
                0.03,
                DARK,
            )
            s.polygon(
                (
                    (x, -traits.height - traits.walls - 0.3),
                    (x + 0.22, -traits.height - traits.walls - 0.22),
                    (x, -traits.height - traits.walls - 0.14),
                ),
                ACCENT,
            )
    s.polygon(((-0.14, 0), (0, -traits.height * 0.62 - traits.walls * 0.4), (0.14, 0)), DARK)


def _shelves(s: Sketch, w: float, seat: float, shelves: int) -> None:
    s.box(-w, -seat, w, 0, DARK)
    for k in range(shelves):
        y = -seat * (k + 0.12) / shelves
        for j in range(6):
            x = -w + 0.08 + j * (2 * w - 0.12) / 6
            s.box(x, y - seat * 0.6 / shelves, x + 0.09, y, (MAIN, SECOND, LIGHT)[(j + k) % 3])
        s.box(-w, y, w, y + 0.06, ACCENT)
    for x in (-w, w):
        s.box(x - 0.04, -seat, x + 0.04, 0, ACCENT)


def _drawers(s: Sketch, w: float, seat: float, drawers: int) -> None:
    s.box(-w, -seat, w, -0.06)
    for k in range(drawers):
        y = -seat + 0.08 + k * (seat - 0.16) / drawers
        s.box(-w * 0.86, y, w * 0.86, y + (seat - 0.3) / drawers, SECOND)
        s.ellipse((0, y + (seat - 0.3) / drawers / 2), 0.05, 0.04, METAL)


def _slats(s: Sketch, w: float, seat: float, back: float, slats: int) -> None:
    for k in range(slats):
        x = w * (2 * (k + 0.5) / slats - 1)
        s.box(x - 0.035, -seat - back, x + 0.035, -seat, MAIN)
    s.box(-w, -seat - back, w, -seat - back + 0.1, MAIN)


def _legs(s: Sketch, w: float, seat: float, stand: tuple[int, float], pedestal: bool) -> None:
    legs, splay = stand
    if pedestal:
        s.limb((0, 0), (0, -seat), 0.1, 0.08, METAL)
        s.lathe(((-0.1, 0.06), (0, w * 0.6)), DARK)
    else:
        for k in range(legs):
            x = w * 0.9 * (2 * k / max(1, legs - 1) - 1)
            far = legs > 2 and k in (1, 2)
            s.limb(
                (x * 0.85 if far else x, -seat),
                (x * (1 + splay), -0.06 if far else 0),
                0.08,
                0.06,
                ACCENT + FAR * far,
            )


def _rockers(s: Sketch, w: float) -> None:
    s.chain(
        [(-w * 1.3, -0.06), (-w * 0.5, 0.05), (w * 0.5, 0.05), (w * 1.3, -0.06)],
        0.07,
        0.07,
        ACCENT,
    )


class Furniture(NamedTuple):
    """What a class chooses of `furniture`."""

    width: float = 0.8
    seat: float = 0.5
    slab: float = 0.1
    back: float = 0.0
    slats: int = 0
    arms: float = 0.0
    legs: int = 4
    splay: float = 0.0
    pedestal: bool = False
    drawers: int = 0
    shelves: int = 0
    rockers: bool = False
    cushion: float = 0.0
    pillow: bool = False
    rails: float = 0.0
    wheels: bool = False
    round_: bool = False


def furniture(s: Sketch, moves: list[float], traits: Furniture) -> None:
    """Seats, tables, beds and cupboards. seat: height of the slab above the floor."""
    half = traits.width / 2
    _legs(s, half, traits.seat, (traits.legs, traits.splay), traits.pedestal)
    _back(s, half, traits)
    if traits.shelves:
        _shelves(s, half, traits.seat, traits.shelves)
    if traits.drawers:
        _drawers(s, half, traits.seat, traits.drawers)
    _slab(s, half, traits)
    _sides(s, half, traits)
    _ground(s, half, traits)


def _back(s: Sketch, half: float, traits: Furniture) -> None:
    seat, back = traits.seat, traits.back
    if back and traits.slats:
        _slats(s, half, seat, back, traits.slats)
    elif back and traits.round_:
        s.ellipse((0, -seat - back * 0.5), half, back * 0.65)
    elif back:
        s.box(-half, -seat - back, half, -seat)


def _slab(s: Sketch, half: float, traits: Furniture) -> None:
    """What one sits, lies or eats on, and what is soft on it."""
    seat, slab, cushion = traits.seat, traits.slab, traits.cushion
    material = ACCENT if cushion else MAIN
    s.box(-half * 1.04, -seat - slab / 2, half * 1.04, -seat + slab, material)
    if cushion:
        y = -seat - cushion * 0.5
        s.bar((-half * 0.85, y), (half * 0.85, y), cushion, SECOND)
    if traits.pillow:
        s.ellipse((-half * 0.72, -seat - 0.16), 0.2, 0.1, LIGHT)


def _sides(s: Sketch, half: float, traits: Furniture) -> None:
    if traits.arms:
        for x in (-half, half):
            s.limb((x, -traits.seat + 0.1), (x, -traits.seat - traits.arms), 0.14, 0.16, MAIN)
    if traits.rails:
        for x in (-half, half):
            s.box(x - 0.05, -traits.seat - traits.rails, x + 0.05, 0, ACCENT)


def _ground(s: Sketch, half: float, traits: Furniture) -> None:
    """What it rocks or rolls on."""
    if traits.rockers:
        _rockers(s, half)
    if traits.wheels:
        for side in (-1, 1):
            s.ring((side * half * 0.6, -0.26), 0.36, 0.06, DARK)


class Lamp(NamedTuple):
    """What a class chooses of `lamp`."""

    shade: tuple[float, float, float] = (0.2, 0.4, 0.4)
    stalk: float = 0.8
    base: float = 0.3
    arm: float = 0.0
    hanging: bool = False
    arms: int = 0
    lantern: bool = False


def lamp(s: Sketch, moves: list[float], traits: Lamp) -> None:
    """Lamps: shade is (upper half width, lower half width, height)."""
    up, low, high = traits.shade
    if traits.arms:
        s.limb((0, 0), (0, -traits.stalk), 0.07, 0.06, METAL)
        s.lathe(((-0.12, 0.06), (0, traits.base)), METAL) if not traits.hanging else None
        for k in range(traits.arms):
            x = (2 * k / (traits.arms - 1) - 1) * 0.6
            y = (-traits.stalk * 0.55) if not traits.hanging else 0.0
            s.chain([(0, y), (x, y + 0.06), (x, y - 0.2)], 0.06, 0.06, METAL)
            s.limb((x, y - 0.2), (x, y - 0.42), 0.09, 0.08, LIGHT)
            s.ellipse((x, y - 0.52), 0.05, 0.09, ACCENT)
        return
    top = (traits.arm, -traits.stalk + abs(traits.arm) * 0.2)
    if traits.hanging:
        s.bar((0, -traits.stalk - 0.7), (0, -traits.stalk), 0.03, DARK)
    elif traits.arm:
        s.chain(
            [(0, 0), (-traits.arm * 0.5, -traits.stalk * 0.6), (top[0], top[1] - high * 0.6)],
            0.06,
            0.06,
            METAL,
        )
    else:
        s.limb((0, 0), (0, -traits.stalk), 0.08, 0.06, METAL)
    if traits.base and not traits.hanging:
        s.lathe(((-0.1, traits.base * 0.3), (0, traits.base)), DARK)
    if traits.lantern:
        s.box(-low, -traits.stalk - high, low, -traits.stalk, GLASS)
        s.ellipse((0, -traits.stalk - high * 0.4), low * 0.3, high * 0.25, ACCENT)
        s.lathe(((-traits.stalk - high - 0.24, 0.04), (-traits.stalk - high, up * 1.3)), DARK)
        s.box(-low * 1.1, -traits.stalk - 0.06, low * 1.1, -traits.stalk + 0.04, DARK)
    else:
        s.lathe(((top[1] - high, up), (top[1], low)), MAIN, x=top[0])
