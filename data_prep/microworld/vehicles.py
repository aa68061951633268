"""Recipes of vehicles, all heading to the right."""

from collections.abc import Callable
from typing import NamedTuple

from data_prep.microworld.sketch import (
    ACCENT,
    DARK,
    GLASS,
    LIGHT,
    MAIN,
    METAL,
    SECOND,
    Point,
    Sketch,
    toward,
)


def _wheel(s: Sketch, at: Point, radius: float, spokes: int = 0) -> None:
    x, y = at
    if spokes:
        s.ring(at, radius, radius * 0.16, DARK)
        for k in range(spokes):
            s.bar(at, toward(at, 360 * k / spokes, radius * 0.9), 0.03, METAL)
        s.circle(at, radius * 0.16, DARK)
    else:
        s.circle(at, radius, DARK)
        s.circle(at, radius * 0.5, METAL)


def _panes(s: Sketch, box: tuple[float, float, float, float], n: int, gap: float = 0.2) -> None:
    x0, y0, x1, y1 = box
    step = (x1 - x0) / max(1, n)
    for k in range(n):
        s.box(x0 + step * (k + gap / 2), y0, x0 + step * (k + 1 - gap / 2), y1, GLASS)


def _box_cargo(s: Sketch, span: tuple[float, float, float]) -> None:
    x0, x1, h = span
    s.box(x0, -h, x1, 0.0, SECOND)


def _tank_cargo(s: Sketch, span: tuple[float, float, float]) -> None:
    x0, x1, h = span
    s.ellipse((x0 + 0.12, -h / 2), 0.12, h / 2, SECOND)
    s.ellipse((x1 - 0.12, -h / 2), 0.12, h / 2, SECOND)
    s.box(x0 + 0.1, -h, x1 - 0.1, 0, SECOND)


def _logs_cargo(s: Sketch, span: tuple[float, float, float]) -> None:
    x0, x1, h = span
    for k in range(3):
        s.bar((x0, -0.08 - 0.15 * k), (x1, -0.08 - 0.15 * k), 0.15, ACCENT)


def _tip_cargo(s: Sketch, span: tuple[float, float, float]) -> None:
    x0, x1, h = span
    s.polygon(((x0 - 0.05, -h), (x1, -h * 0.85), (x1 - 0.08, 0), (x0 + 0.12, 0)), SECOND)


def _bed_cargo(s: Sketch, span: tuple[float, float, float]) -> None:
    x0, x1, h = span
    s.box(x0, -h, x1, 0.02, MAIN)


def _cover_cargo(s: Sketch, span: tuple[float, float, float]) -> None:
    x0, x1, h = span
    s.lathe(
        ((-h, (x1 - x0) * 0.35), (-h * 0.75, (x1 - x0) * 0.5), (0, (x1 - x0) * 0.5)),
        LIGHT,
        x=(x0 + x1) / 2,
    )


def _mixer_cargo(s: Sketch, span: tuple[float, float, float]) -> None:
    x0, x1, h = span
    s.ellipse(((x0 + x1) / 2, -h * 0.6), (x1 - x0) / 2, h * 0.42, SECOND, turn=-18)


def _hay_cargo(s: Sketch, span: tuple[float, float, float]) -> None:
    x0, x1, h = span
    s.lathe(
        ((-h, (x1 - x0) * 0.2), (-h * 0.6, (x1 - x0) * 0.48), (0, (x1 - x0) * 0.55)),
        ACCENT,
        x=(x0 + x1) / 2,
    )


CARGOES: dict[str, Callable[[Sketch, tuple[float, float, float]], None]] = {
    "": lambda *_: None,
    "box": _box_cargo,
    "tank": _tank_cargo,
    "logs": _logs_cargo,
    "tip": _tip_cargo,
    "bed": _bed_cargo,
    "cover": _cover_cargo,
    "mixer": _mixer_cargo,
    "hay": _hay_cargo,
}


def _siren_extra(s: Sketch, top: Point) -> None:
    x, y = top
    s.box(x - 0.08, y - 0.08, x + 0.08, y + 0.01, ACCENT)
    s.ellipse((x, y - 0.1), 0.06, 0.05, GLASS)


def _sign_extra(s: Sketch, top: Point) -> None:
    x, y = top
    s.box(x - 0.14, y - 0.11, x + 0.14, y + 0.01, LIGHT)


def _cross_extra(s: Sketch, top: Point) -> None:
    s.box(-0.62, -0.34, -0.5, -0.06, ACCENT)
    s.box(-0.7, -0.26, -0.42, -0.14, ACCENT)


def _ladder_extra(s: Sketch, top: Point) -> None:
    for dy in (0, 0.12):
        s.bar((-0.95, -0.5 - dy), (0.35, -0.66 - dy), 0.04, METAL)
    for k in range(7):
        s.bar(
            (-0.9 + 0.19 * k, -0.5 - 0.023 * k),
            (-0.9 + 0.19 * k, -0.64 - 0.023 * k),
            0.03,
            METAL,
        )


def _chimney_extra(s: Sketch, top: Point) -> None:
    s.lathe(((-0.82, 0.1), (-0.72, 0.07), (-0.2, 0.07)), DARK, x=0.55)
    s.ellipse((0.45, -0.95), 0.16, 0.1, LIGHT)


def _exhaust_extra(s: Sketch, top: Point) -> None:
    s.limb((0.35, -0.3), (0.35, -0.7), 0.07, 0.06, DARK)


def _blade_extra(s: Sketch, top: Point) -> None:
    s.polygon(((0.85, -0.3), (1.05, -0.34), (0.98, 0.1), (1.06, 0.34), (0.88, 0.3)), METAL)
    s.bar((0.5, 0.05), (0.92, 0.1), 0.08, DARK)


def _arm_extra(s: Sketch, top: Point) -> None:
    s.chain([(0.1, -0.3), (0.6, -0.85), (1.05, -0.45)], 0.14, 0.1, ACCENT)
    s.polygon(((0.95, -0.5), (1.18, -0.42), (1.1, -0.12), (0.88, -0.2)), METAL)


def _crane_extra(s: Sketch, top: Point) -> None:
    s.limb((-0.2, -0.4), (0.95, -1.15), 0.13, 0.08, ACCENT)
    s.bar((0.93, -1.12), (0.93, -0.55), 0.03, DARK)
    s.circle((0.93, -0.5), 0.07, METAL)


def _gun_extra(s: Sketch, top: Point) -> None:
    s.lathe(((-0.66, 0.22), (-0.4, 0.36)), MAIN, x=-0.05)
    s.limb((0.1, -0.56), (0.95, -0.62), 0.1, 0.08, MAIN)


def _rack_extra(s: Sketch, top: Point) -> None:
    x, y = top
    s.box(x - 0.35, y - 0.06, x + 0.3, y - 0.02, DARK)
    s.ellipse((x, y - 0.14), 0.28, 0.09, ACCENT)


def _trolley_extra(s: Sketch, top: Point) -> None:
    x, y = top
    s.bar((x, y), (x - 0.3, y - 0.35), 0.035, DARK)


def _wing_extra(s: Sketch, top: Point) -> None:
    s.polygon(((-0.98, -0.42), (-0.66, -0.42), (-0.7, -0.36), (-0.95, -0.34)), ACCENT)
    s.bar((-0.82, -0.38), (-0.8, -0.1), 0.04, DARK)


EXTRAS: dict[str, Callable[[Sketch, Point], None]] = {
    "": lambda *_: None,
    "siren": _siren_extra,
    "sign": _sign_extra,
    "cross": _cross_extra,
    "ladder": _ladder_extra,
    "chimney": _chimney_extra,
    "exhaust": _exhaust_extra,
    "blade": _blade_extra,
    "arm": _arm_extra,
    "crane": _crane_extra,
    "gun": _gun_extra,
    "rack": _rack_extra,
    "trolley": _trolley_extra,
    "wing": _wing_extra,
}


class Wheeled(NamedTuple):
    """What a class chooses of `wheeled`."""

    length: float = 2.0
    body: float = 0.3
    cabin: tuple[float, float, float, float] = (-0.5, 0.4, 0.3, 0.2)
    cargo: tuple[float, float, float] = (0.0, 0.0, 0.0)
    load: str = ""
    wheels: tuple = (-0.6, 0.6)
    wheel: float = 0.19
    rear: float = 0.0
    spokes: int = 0
    windows: int = 2
    rows: int = 1
    nose: float = 0.08
    extra: str = ""
    track: bool = False
    shaft: float = 0.0
    open_top: bool = False


def wheeled(s: Sketch, moves: list[float], traits: Wheeled) -> None:
    """Anything on wheels, from the side. cabin: (from, to, height, slant), cargo: all but slant."""
    h = traits.length / 2
    x0, x1, high, slant = traits.cabin
    if traits.load:
        CARGOES[traits.load](s, traits.cargo)
    if high and not traits.open_top:
        s.polygon(((x0, 0.02), (x0 + slant * 0.6, -high), (x1 - slant, -high), (x1, 0.02)), MAIN)
        for r in range(traits.rows):
            top = -high + 0.06 + r * (high / traits.rows)
            width = x1 - x0 - slant * 1.4
            left = x0 + slant * 0.6 + 0.02
            _panes(
                s,
                (left, top, left + width + slant * 0.3, top + high / traits.rows * 0.55),
                traits.windows,
            )
    elif traits.open_top:
        s.polygon(((x1 - 0.22, 0), (x1 - 0.32, -0.24), (x1 - 0.27, -0.24), (x1 - 0.1, 0)), GLASS)
        s.ellipse((x0 + 0.2, 0), 0.09, 0.14, DARK)
    if traits.body:
        s.polygon(
            (
                (-h, 0),
                (h - traits.nose * 1.2, 0),
                (h, traits.nose),
                (h, traits.body),
                (-h, traits.body),
            ),
            MAIN,
        )
        s.box(-h, traits.body * 0.55, h, traits.body * 0.72, SECOND)
        s.circle((h - 0.06, traits.nose + 0.06), 0.05, LIGHT)
        s.box(-h, 0.04, -h + 0.06, 0.12, ACCENT)
    if traits.shaft:
        s.limb(
            (h * 0.9, traits.body * 0.7), (h + traits.shaft, traits.body * 0.3), 0.06, 0.05, DARK
        )
    if traits.extra:
        EXTRAS[traits.extra](s, ((x0 + x1) / 2, -high))
    if traits.track:
        s.bar((-h * 0.7, traits.body + 0.1), (h * 0.7, traits.body + 0.1), 0.42, DARK)
        for x in traits.wheels:
            s.circle((x, traits.body + 0.1), 0.13, METAL)
    else:
        for k, x in enumerate(traits.wheels):
            radius = traits.rear if traits.rear and k == 0 else traits.wheel
            _wheel(s, (x, traits.body + traits.wheel * 0.9 - radius), radius, traits.spokes)


class Cycle(NamedTuple):
    """What a class chooses of `cycle`."""

    front: float = 0.4
    rear: float = 0.4
    base: float = 1.1
    seat: float = 0.65
    bars: float = 0.7
    engine: bool = False
    deck: bool = False
    saddles: int = 1
    third: bool = False
    spokes: int = 8
    basket: bool = False


def cycle(s: Sketch, moves: list[float], traits: Cycle) -> None:
    """Bicycles and their kin; sizes in units of a bicycle's wheel base."""
    back, fore = (-traits.base / 2, -traits.rear), (traits.base / 2, -traits.front)
    if traits.base:
        _wheel(s, fore, traits.front, traits.spokes)
    if traits.third:
        _wheel(s, (back[0] - 0.14, back[1]), traits.rear, traits.spokes)
    _wheel(s, back, traits.rear, traits.spokes)
    saddle, handle = (
        (-traits.base * 0.22, -traits.seat - 0.2),
        (traits.base * 0.34, -traits.bars - 0.2),
    )
    crank = (-traits.base * 0.05, -traits.rear * 0.8)
    if traits.deck:
        s.chain([back, (back[0] + 0.1, -0.12), (fore[0] - 0.12, -0.14), handle], 0.1, 0.06, MAIN)
    elif traits.base:
        for a, b in (
            (back, crank),
            (back, saddle),
            (crank, saddle),
            (crank, handle),
            (saddle, handle),
        ):
            s.bar(a, b, 0.065, MAIN)
    else:
        s.bar(back, (0, -traits.seat - 0.2), 0.07, MAIN)
        saddle = (0, -traits.seat - 0.2)
    if traits.base:
        s.bar(fore, handle, 0.06, MAIN)
        s.bar(handle, (handle[0] - 0.14, handle[1] - 0.07), 0.05, DARK)
    if traits.engine:
        s.ellipse((0.05, -0.42), 0.24, 0.18, METAL)
        s.ellipse((0.12, -0.72), 0.28, 0.13, SECOND, turn=8)
        s.limb((-0.05, -0.3), (-0.7, -0.26), 0.08, 0.12, METAL)
    if traits.basket:
        s.box(handle[0] + 0.02, handle[1], handle[0] + 0.3, handle[1] + 0.24, ACCENT)
    for k in range(traits.saddles):
        x = saddle[0] - 0.4 * k
        s.limb((x - 0.14, saddle[1] - 0.03), (x + 0.12, saddle[1]), 0.1, 0.06, DARK)


SAILS = {
    "lateen": lambda x, h, w: ((x + 0.03, -h), (x + w, -0.2), (x + 0.03, -0.16)),
    "square": lambda x, h, w: (
        (x - w / 2, -h),
        (x + w / 2, -h),
        (x + w * 0.62, -0.3),
        (x - w * 0.62, -0.3),
    ),
    "gaff": lambda x, h, w: ((x, -h * 0.75), (x - w * 0.9, -h), (x - w, -0.2), (x, -0.2)),
    "junk": lambda x, h, w: (
        (x - w * 0.3, -h),
        (x + w * 0.7, -h * 0.8),
        (x + w * 0.8, -0.2),
        (x - w * 0.4, -0.25),
    ),
}


def _mast(s: Sketch, x: float, material: int, rig: tuple[str, float, float], drift: float) -> None:
    sail, tall, spread = rig
    s.limb((x, 0), (x, -tall - 0.08), 0.05, 0.04, DARK)
    s.polygon([(px + drift, py) for px, py in SAILS[sail](x, tall, spread)], material)
    if sail == "square":
        upper = SAILS[sail](x, tall * 1.28, spread * 0.55)[:2]
        s.polygon(upper + SAILS[sail](x, tall, spread)[1::-1], LIGHT)


def _submarine_hull(s: Sketch, h: float, depth: float) -> None:
    s.ellipse((0, 0.1), h, depth * 0.6)
    s.box(-0.18, -0.32, 0.18, 0, MAIN)
    s.bar((0.08, -0.3), (0.08, -0.55), 0.05, DARK)
    for x in (-0.5, -0.25, 0.3, 0.55):
        s.circle((x, 0.08), 0.06, GLASS)


def _hull(s: Sketch, h: float, depth: float, rake: float, stern: float) -> None:
    s.polygon(
        (
            (-h, -stern),
            (-h * 0.7, 0),
            (h * 0.75, 0),
            (h + rake * 0.4, -rake * 0.6),
            (h - rake, depth),
            (-h + rake * 0.7, depth),
        )
    )
    s.polygon(
        (
            (-h + rake * 0.5, depth * 0.65),
            (h - rake * 0.7, depth * 0.65),
            (h - rake, depth),
            (-h + rake * 0.7, depth),
        ),
        SECOND,
    )


def _containers(s: Sketch, h: float, cargo: int) -> None:
    for k in range(cargo):
        x = -h * 0.5 + k * (h * 1.35 / cargo)
        s.box(x, -0.2, x + h * 1.2 / cargo, 0.02, (ACCENT, SECOND, METAL)[k % 3])
        if k % 2:
            s.box(x, -0.4, x + h * 1.2 / cargo, -0.2, (SECOND, METAL, ACCENT)[k % 3])


def _oars(s: Sketch, h: float, depth: float, strokes: list[float]) -> None:
    for k, stroke in enumerate(strokes):
        x = -h * 0.5 + k * h / max(1, len(strokes) - 1)
        s.limb((x + 0.16, -0.08), (x - 0.2 + 0.1 * stroke, depth + 0.2), 0.045, 0.1, ACCENT)


class Ship(NamedTuple):
    """What a class chooses of `ship`."""

    length: float = 2.0
    depth: float = 0.3
    rake: float = 0.25
    masts: tuple = ()
    sail: str = "lateen"
    height: float = 1.3
    spread: float = 0.6
    jib: bool = False
    decks: tuple = ()
    funnels: tuple = ()
    cargo: int = 0
    oars: int = 0
    stern: float = 0.0
    sub: bool = False
    flat: bool = False
    crane: bool = False


def ship(s: Sketch, moves: list[float], traits: Ship) -> None:
    """Anything that floats, from the side. decks: (from, to, height) bottom up."""
    h = traits.length / 2
    for k, x in enumerate(traits.masts):
        _mast(
            s,
            x,
            (SECOND, LIGHT)[k % 2],
            (traits.sail, traits.height * (1 - 0.1 * (k % 2)), traits.spread),
            0.06 * moves[k],
        )
    if traits.jib and traits.masts:
        s.polygon(
            (
                (traits.masts[-1] + 0.08, -traits.height * 0.9),
                (h + 0.1, -0.1),
                (traits.masts[-1] + 0.1, -0.15),
            ),
            LIGHT,
        )
    _containers(s, h, traits.cargo)
    y = 0.0
    for x in traits.funnels:
        s.box(x - 0.09, -0.75, x + 0.09, 0, ACCENT)
        s.box(x - 0.09, -0.75, x + 0.09, -0.64, DARK)
    for x0, x1, high in traits.decks:
        s.box(x0, y - high, x1, y + 0.02, LIGHT)
        _panes(
            s,
            (x0 + 0.03, y - high * 0.75, x1 - 0.03, y - high * 0.3),
            max(2, int((x1 - x0) * 5)),
            0.5,
        )
        y -= high
    if traits.crane:
        s.limb((0.4, 0), (0.4, -0.8), 0.06, 0.05, DARK)
        s.limb((0.4, -0.15), (-0.3, -0.75), 0.05, 0.04, DARK)
    if traits.sub:
        _submarine_hull(s, h, traits.depth)
    elif traits.flat:
        s.box(-h, 0, h, traits.depth)
        s.circle((-h, traits.depth / 2), traits.depth / 2, SECOND)
        s.circle((h, traits.depth / 2), traits.depth / 2, SECOND)
    else:
        _hull(s, h, traits.depth, traits.rake, traits.stern)
    _oars(s, h, traits.depth, moves[: traits.oars])


def _helicopter(s: Sketch, h: float, girth: float, rotor: float, sway: float) -> None:
    r = girth / 2
    s.limb((h * 0.2, 0), (-h * 1.1, -0.12), girth * 0.5, 0.08)
    s.ring((-h * 1.1, -0.12), 0.16, 0.05, DARK)
    s.bar((h * 0.35, -r), (h * 0.35, -r - 0.2), 0.06, DARK)
    s.bar(
        (h * 0.35 - rotor, -r - 0.2 - sway),
        (h * 0.35 + rotor, -r - 0.2 + sway),
        0.05,
        METAL,
    )
    s.ellipse((h * 0.42, 0), h * 0.5, r)
    s.ellipse((h * 0.66, -r * 0.15), h * 0.24, r * 0.7, GLASS)


def _fuselage(s: Sketch, h: float, r: float, fin: float, plane: tuple[float, float, float]) -> None:
    wing, sweep, chord = plane
    s.polygon(
        (
            (-h + 0.36, -r * 0.3),
            (-h - 0.04, -r - fin),
            (-h + 0.14, -r - fin),
            (-h + 0.6, -r * 0.6),
        ),
        SECOND,
    )
    s.polygon(
        (
            (0.22, -r * 0.5),
            (-sweep * 0.5 - 0.1, -wing * 0.5),
            (-sweep * 0.5 - 0.28, -wing * 0.5),
            (0.22 - chord, -r * 0.4),
        ),
        SECOND,
    )
    s.polygon(
        (
            (-h, -r * 0.4),
            (h * 0.7, -r),
            (h * 0.94, -r * 0.5),
            (h, r * 0.2),
            (h * 0.8, r),
            (-h * 0.3, r),
            (-h, 0.02),
        )
    )
    s.polygon(
        ((h * 0.7, -r * 0.9), (h * 0.9, -r * 0.5), (h * 0.84, -r * 0.1), (h * 0.66, -r * 0.3)),
        GLASS,
    )


def _wing(s: Sketch, y: float, plane: tuple[float, float, float], delta: bool) -> None:
    wing, sweep, chord = plane
    root = 0.32 if not delta else 0.5
    s.polygon(
        (
            (root, y),
            (-sweep * 0.6, y + wing),
            (-sweep * 0.6 - chord * 0.4, y + wing),
            (root - chord * (1.9 if delta else 1), y + 0.02),
        )
    )


class Aircraft(NamedTuple):
    """What a class chooses of `aircraft`."""

    length: float = 2.0
    girth: float = 0.26
    wing: float = 0.8
    sweep: float = 0.5
    chord: float = 0.42
    planes: int = 1
    engines: int = 0
    propeller: bool = False
    rotor: float = 0.0
    fin: float = 0.4
    floats: bool = False
    windows: int = 6
    gear: bool = False
    delta: bool = False
    skids: bool = False


def aircraft(s: Sketch, moves: list[float], traits: Aircraft) -> None:
    """Aeroplanes and helicopters, from the side and a little above."""
    h, r = traits.length / 2, traits.girth / 2
    if traits.rotor:
        _helicopter(s, h, traits.girth, traits.rotor, 0.06 * moves[0])
    else:
        _fuselage(s, h, r, traits.fin, (traits.wing, traits.sweep, traits.chord))
        _panes(s, (-h * 0.4, -r * 0.4, h * 0.55, -r * 0.02), traits.windows, 0.5)
        for k in range(traits.planes):
            _wing(
                s,
                r * 0.4 - k * traits.girth * 1.5,
                (traits.wing, traits.sweep, traits.chord),
                traits.delta,
            )
            for x in (0.05, -0.1) if k else ():
                s.bar((x, r * 0.4 - k * traits.girth * 1.5 + 0.1), (x, r * 0.4), 0.03, DARK)
        for k in range(traits.engines):
            engine = 0.12 - 0.22 * k - traits.sweep * 0.2, r + 0.14 + 0.2 * k
            s.ellipse(engine, 0.16, 0.08, METAL)
        s.polygon(((-h + 0.25, 0), (-h - 0.05, 0.16), (-h - 0.16, 0.16), (-h, -0.02)), SECOND)
    if traits.propeller:
        s.bar((h + 0.02, -0.34), (h + 0.02, 0.34), 0.05, DARK)
        s.circle((h, 0), 0.07, METAL)
    if traits.floats:
        s.limb((-0.35, r + 0.4), (h * 0.8, r + 0.36), 0.16, 0.14, LIGHT)
        for x in (-0.1, 0.5):
            s.bar((x, r * 0.8), (x, r + 0.36), 0.04, DARK)
    if traits.skids:
        s.bar((0.0, r + 0.2), (h * 0.85, r + 0.2), 0.05, DARK)
        for x in (0.2, 0.6):
            s.bar((x, r * 0.8), (x, r + 0.2), 0.04, DARK)
    if traits.gear:
        for x in (0.25, h * 0.75):
            s.bar((x, r * 0.8), (x, r + 0.2), 0.05, DARK)
            s.circle((x, r + 0.24), 0.1, DARK)


class Lifter(NamedTuple):
    """What a class chooses of `lifter`."""

    bag: tuple[float, float] = (0.7, 0.8)
    gores: int = 5
    basket: float = 0.25
    drop: float = 0.5
    fins: bool = False
    canopy: bool = False


def lifter(s: Sketch, moves: list[float], traits: Lifter) -> None:
    """Balloons, airships and parachutes."""
    rx, ry = traits.bag
    base = ry + traits.drop
    for x in (-0.5, 0.5):
        s.bar(
            (x * rx, ry * (0.5 if not traits.canopy else 0.0)),
            (x * traits.basket * 0.8, base),
            0.03,
            DARK,
        )
    if traits.fins:
        for dy in (-1, 1):
            s.polygon(((-rx * 0.6, 0), (-rx * 1.15, dy * ry), (-rx * 0.9, 0)), SECOND)
    if traits.canopy:
        s.lathe(((-ry, rx * 0.3), (-ry * 0.8, rx * 0.7), (-ry * 0.3, rx), (0.06, rx)), MAIN)
    else:
        s.ellipse((0, 0), rx, ry)
    for k in range(traits.gores):
        x = (k / max(1, traits.gores - 1) - 0.5) * 2
        if k % 2 and not traits.fins:
            s.ellipse((x * rx * 0.62, -0.02), rx * 0.16, ry * (0.9 - 0.3 * abs(x)), SECOND)
    if traits.fins:
        s.bar((-rx * 0.3, base - 0.04), (rx * 0.35, base - 0.04), traits.basket, METAL)
    elif traits.basket:
        s.box(-traits.basket / 2, base, traits.basket / 2, base + traits.basket * 0.8, ACCENT)


class Rocket(NamedTuple):
    """What a class chooses of `rocket`."""

    girth: float = 0.3
    boosters: int = 0
    fins: float = 0.3
    flame: bool = True
    wings: bool = False


def rocket(s: Sketch, moves: list[float], traits: Rocket) -> None:
    """Upright flying tubes."""
    if traits.flame:
        s.lathe(
            ((0.95, traits.girth * 0.6), (1.2, traits.girth * 0.7), (1.5 + 0.1 * moves[0], 0.02)),
            ACCENT,
        )
    for k in range(traits.boosters):
        x = (-1, 1)[k % 2] * traits.girth * 1.25
        s.lathe(
            ((-0.3, 0.01), (-0.1, traits.girth * 0.45), (0.95, traits.girth * 0.45)), SECOND, x=x
        )
    for side in (-1, 1):
        if traits.fins:
            s.polygon(
                (
                    (side * traits.girth * 0.7, 0.4),
                    (side * (traits.girth + traits.fins), 1.1),
                    (side * traits.girth * 0.7, 0.9),
                ),
                SECOND,
            )
        if traits.wings:
            s.polygon(
                (
                    (side * traits.girth * 0.7, -0.2),
                    (side * (traits.girth + 0.7), 0.7),
                    (side * traits.girth * 0.7, 0.8),
                ),
                MAIN,
            )
    s.lathe(
        (
            (-1.15, 0.01),
            (-0.8, traits.girth * 0.65),
            (-0.4, traits.girth),
            (0.6, traits.girth),
            (0.95, traits.girth * 0.7),
        )
    )
    s.circle((0, -0.35), traits.girth * 0.42, GLASS)
