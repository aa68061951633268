"""Recipes of animals: each draws one kind of body plan; rows of the taxonomy give the numbers.

Every recipe takes the sketch and twelve `moves` in [-1, 1] that pose the animal. All animals look
to the right.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

from data_prep.microworld.sketch import (
    ACCENT,
    DARK,
    FAR,
    HOLE,
    LIGHT,
    MAIN,
    METAL,
    SECOND,
    Point,
    Sketch,
    toward,
)

GAITS = {  # angles of thigh and shin of: far hind, near hind, far fore, near fore leg
    "stand": ((4, -2), (-6, 2), (3, 2), (-4, 2)),
    "walk": ((22, -6), (-18, -22), (20, 8), (-22, -16)),
    "run": ((-52, -60), (-38, -66), (52, 40), (66, 30)),
    "rear": ((-14, 4), (12, 22), (70, -20), (86, 0)),
}


def _leg(s: Sketch, hip: Point, angles: Point, size: tuple[float, float], material: int) -> None:
    length, width = size
    knee = toward(hip, angles[0], length * 0.52)
    foot = toward(knee, angles[1], length * 0.48)
    s.limb(hip, knee, width * 1.5, width, material)
    s.limb(knee, foot, width, width * 0.7, material)
    s.ellipse((foot[0] + width * 0.2, foot[1]), width * 0.55, width * 0.4, DARK)


def _thin_tail(s: Sketch, root: Point, sway: float) -> None:
    x, y = root
    s.chain([root, (x - 0.16, y + 0.12), (x - 0.2 - sway, y + 0.42)], 0.06, 0.04)
    s.ellipse((x - 0.2 - sway, y + 0.46), 0.05, 0.09, DARK)


def _horse_tail(s: Sketch, root: Point, sway: float) -> None:
    x, y = root
    s.chain([root, (x - 0.18, y + 0.12), (x - 0.26 - sway, y + 0.55)], 0.11, 0.15, DARK)


def _bushy_tail(s: Sketch, root: Point, sway: float) -> None:
    x, y = root
    s.limb(root, (x - 0.3, y + 0.05 + sway), 0.1, 0.22)
    s.limb((x - 0.3, y + 0.05 + sway), (x - 0.5, y + 0.02 + sway), 0.22, 0.05, LIGHT)


def _plume_tail(s: Sketch, root: Point, sway: float) -> None:
    x, y = root
    s.chain([root, (x - 0.22, y - 0.1), (x - 0.3, y - 0.55), (x - 0.08, y - 0.75)], 0.14, 0.3)


def _curl_tail(s: Sketch, root: Point, sway: float) -> None:
    x, y = root
    s.chain([root, (x - 0.12, y - 0.08), (x - 0.06, y - 0.2), (x + 0.04, y - 0.12)], 0.06, 0.05)


def _stub_tail(s: Sketch, root: Point, sway: float) -> None:
    x, y = root
    s.ellipse((x - 0.03, y), 0.08, 0.07, LIGHT)


def _long_tail(s: Sketch, root: Point, sway: float) -> None:
    x, y = root
    points = [
        root,
        (x - 0.25, y + 0.14),
        (x - 0.5, y + 0.08 - sway),
        (x - 0.62, y - 0.2 - sway),
    ]
    s.chain(points, 0.09, 0.05)


def _whip_tail(s: Sketch, root: Point, sway: float) -> None:
    x, y = root
    s.chain([root, (x - 0.3, y + 0.12), (x - 0.7, y + 0.16 + sway)], 0.06, 0.02, ACCENT)


def _thick_tail(s: Sketch, root: Point, sway: float) -> None:
    x, y = root
    s.chain([(x + 0.1, y + 0.08), (x - 0.4, y + 0.24), (x - 0.85, y + 0.3 + sway)], 0.32, 0.04)


def _paddle_tail(s: Sketch, root: Point, sway: float) -> None:
    x, y = root
    s.ellipse((x - 0.22, y + 0.14), 0.28, 0.1, DARK, turn=-20)


TAILS: dict[str, Callable[[Sketch, Point, float], None]] = {
    "": lambda *_: None,
    "thin": _thin_tail,
    "horse": _horse_tail,
    "bushy": _bushy_tail,
    "plume": _plume_tail,
    "curl": _curl_tail,
    "stub": _stub_tail,
    "long": _long_tail,
    "whip": _whip_tail,
    "thick": _thick_tail,
    "paddle": _paddle_tail,
}


def _round_ears(s: Sketch, root: Point, size: float) -> None:
    x, y = root
    s.circle((x, y - size * 0.12), size * 0.26, SECOND)


def _point_ears(s: Sketch, root: Point, size: float) -> None:
    x, y = root
    s.polygon(((x - size * 0.25, y + 0.04), (x, y - size * 0.55), (x + size * 0.3, y)), MAIN)


def _long_ears(s: Sketch, root: Point, size: float) -> None:
    x, y = root
    s.ellipse((x - size * 0.15, y - size * 0.65), size * 0.16, size * 0.75, turn=-12)
    s.ellipse((x + size * 0.2, y - size * 0.6), size * 0.13, size * 0.7, SECOND, turn=8)


def _flap_ears(s: Sketch, root: Point, size: float) -> None:
    x, y = root
    s.ellipse((x - size * 0.05, y + size * 0.5), size * 0.22, size * 0.55, SECOND, turn=8)


def _sail_ears(s: Sketch, root: Point, size: float) -> None:
    x, y = root
    s.ellipse((x - size * 0.25, y + size * 0.4), size * 0.62, size * 0.75, SECOND, turn=10)


def _disc_ears(s: Sketch, root: Point, size: float) -> None:
    x, y = root
    s.circle((x, y - size * 0.25), size * 0.5, SECOND)


EARS: dict[str, Callable[[Sketch, Point, float], None]] = {
    "": lambda *_: None,
    "round": _round_ears,
    "point": _point_ears,
    "long": _long_ears,
    "flap": _flap_ears,
    "sail": _sail_ears,
    "disc": _disc_ears,
}


def _brow(head: Point, size: float) -> Point:
    """Where most horns begin."""
    return head[0] - size * 0.1, head[1] - size * 0.5


def _short_horns(s: Sketch, head: Point, size: float) -> None:
    x, y = _brow(head, size)
    s.chain([(x, y), (x + 0.08, y - 0.12)], 0.07, 0.03, LIGHT)


def _bull_horns(s: Sketch, head: Point, size: float) -> None:
    x, y = _brow(head, size)
    s.chain([(x, y), (x + 0.16, y - 0.02), (x + 0.22, y - 0.2)], 0.09, 0.02, LIGHT)
    s.chain([(x - 0.06, y), (x - 0.2, y - 0.06), (x - 0.16, y - 0.24)], 0.09, 0.02, LIGHT)


def _swept_horns(s: Sketch, head: Point, size: float) -> None:
    x, y = _brow(head, size)
    s.chain([(x, y), (x - 0.12, y - 0.3), (x - 0.38, y - 0.42)], 0.08, 0.02, LIGHT)


def _straight_horns(s: Sketch, head: Point, size: float) -> None:
    x, y = _brow(head, size)
    s.limb((x, y), (x - 0.1, y - 0.62), 0.07, 0.015, DARK)


def _ram_horns(s: Sketch, head: Point, size: float) -> None:
    x, y = _brow(head, size)
    s.ring((x - 0.08, y + 0.06), 0.2, 0.1, LIGHT)
    s.circle((x - 0.08, y + 0.06), 0.06, LIGHT)


def _nose_horns(s: Sketch, head: Point, size: float) -> None:
    x, (_, y) = head[0] + size * 0.85, _brow(head, size)
    s.polygon(((x - 0.1, y + 0.12), (x + 0.12, y - 0.24), (x + 0.06, y + 0.2)), LIGHT)


def _antlers(s: Sketch, head: Point, size: float) -> None:
    x, y = _brow(head, size)
    tip = (x - 0.18, y - 0.5)
    s.chain([(x, y), (x + 0.06, y - 0.25), tip], 0.06, 0.035, LIGHT)
    for along, reach in ((0.35, 0.2), (0.65, 0.24), (0.95, 0.16)):
        root = (x - 0.1 * along, y - 0.5 * along)
        s.limb(root, (root[0] + reach, root[1] - 0.14), 0.05, 0.025, LIGHT)


def _palmate_antlers(s: Sketch, head: Point, size: float) -> None:
    x, y = _brow(head, size)
    _antlers(s, head, size)
    s.ellipse((x - 0.02, y - 0.38), 0.26, 0.15, LIGHT, turn=-20)


def _spire_horns(s: Sketch, head: Point, size: float) -> None:
    x, y = _brow(head, size)
    s.limb((x + 0.12, y + 0.06), (x + 0.3, y - 0.5), 0.06, 0.01, LIGHT)


HORNS: dict[str, Callable[[Sketch, Point, float], None]] = {
    "": lambda *_: None,
    "short": _short_horns,
    "bull": _bull_horns,
    "swept": _swept_horns,
    "straight": _straight_horns,
    "ram": _ram_horns,
    "nose": _nose_horns,
    "antlers": _antlers,
    "palmate": _palmate_antlers,
    "spire": _spire_horns,
}


def _trunk(s: Sketch, nose: Point, sway: float) -> None:
    tip = (nose[0] + 0.12 + sway, nose[1] + 0.75)
    s.chain([nose, (nose[0] + 0.16, nose[1] + 0.3), tip], 0.2, 0.09)
    s.chain(
        [nose, (nose[0] + 0.2, nose[1] + 0.26), (nose[0] + 0.4, nose[1] + 0.2)],
        0.08,
        0.02,
        LIGHT,
    )


def _shell(s: Sketch, length: float, girth: float) -> None:
    s.lathe(((-girth * 0.95, 0.2 * length), (-girth * 0.55, 0.55 * length)), SECOND)
    s.lathe(((-girth * 0.56, 0.54 * length), (girth * 0.25, 0.72 * length)), SECOND)


class Quadruped(NamedTuple):
    """What a class chooses of `quadruped`."""

    gait: str = "walk"
    length: float = 1.0
    girth: float = 0.42
    leg: float = 0.55
    thick: float = 0.11
    neck: float = 0.35
    rise: float = 45.0
    head: float = 0.24
    snout: float = 0.25
    ears: str = "point"
    tail: str = "thin"
    horns: str = ""
    humps: int = 0
    mane: str = ""
    shell: bool = False
    trunk: bool = False


_BEHIND_THE_SKULL = ("antlers", "palmate", "straight", "swept")  # horns


def quadruped(s: Sketch, moves: list[float], traits: Quadruped) -> None:
    """A four-legged animal; lengths in units of a horse's trunk, rise of the neck in degrees."""
    length, girth = traits.length, traits.girth
    _legs(s, moves, traits, is_far=True)
    TAILS[traits.tail](s, (-length / 2 - girth * 0.36, -girth * 0.22), 0.1 * moves[4])
    pitch = 16 if traits.gait == "rear" else 0
    withers = (length / 2, -girth * 0.15 - 0.01 * pitch)
    throat = toward(withers, 90 + traits.rise, traits.neck)
    skull = (throat[0] + traits.head * 0.2, throat[1] - traits.head * 0.1 + 0.05 * moves[5])
    s.limb((length / 2, -girth * 0.08), throat, girth * 0.85, traits.head * 0.8)
    _body(s, traits)
    _mane(s, throat, skull, (length, girth, traits.head), traits.mane)
    _head(s, skull, 0.12 * moves[6], traits)
    _legs(s, moves, traits, is_far=False)


def _legs(s: Sketch, moves: list[float], traits: Quadruped, is_far: bool) -> None:
    """A hind leg and a fore leg, those on the far side or the near ones."""
    first, behind, ahead = (0, 0.1, -0.02) if is_far else (1, 0.02, -0.1)
    hips = (-traits.length / 2 + behind, traits.length / 2 + ahead)
    for k, hip in enumerate(hips):
        upper, lower = GAITS[traits.gait][2 * k + first]
        swing = 10 * moves[k + 2 * first]
        size, material = (traits.leg, traits.thick), MAIN + FAR if is_far else MAIN
        _leg(s, (hip, traits.girth * 0.18), (upper + swing, lower + swing), size, material)


def _body(s: Sketch, traits: Quadruped) -> None:
    length, girth = traits.length, traits.girth
    s.ellipse((0, 0), length / 2 + girth * 0.3, girth / 2, MAIN)
    s.ellipse((length / 2 - girth * 0.06, 0), girth * 0.46, girth * 0.56)
    s.ellipse((-length / 2 + girth * 0.06, -0.01), girth * 0.46, girth * 0.54)
    for k in range(traits.humps):
        x = (k - (traits.humps - 1) / 2) * length * 0.42
        s.ellipse((x, -girth * 0.5), length * 0.19, girth * 0.42)
    if traits.shell:
        _shell(s, length, girth)


def _head(s: Sketch, skull: Point, sway: float, traits: Quadruped) -> None:
    """All of the head, back to front; `sway` is the trunk's."""
    (x, y), size, snout = skull, traits.head, traits.snout
    if traits.horns in _BEHIND_THE_SKULL:
        HORNS[traits.horns](s, skull, size)
    s.ellipse(skull, size * 0.58, size * 0.5)
    s.limb(skull, (x + size * 0.3 + snout, y + size * 0.24), size * 0.8, size * 0.42)
    s.ellipse((x + size * 0.36 + snout, y + size * 0.2), size * 0.13, size * 0.12, DARK)
    if traits.trunk:
        _trunk(s, (x + size * 0.45, y + size * 0.2), sway)
    if traits.horns not in _BEHIND_THE_SKULL:
        HORNS[traits.horns](s, skull, size)
    EARS[traits.ears](s, (x - size * 0.35, y - size * 0.5), size)
    s.ellipse((x + size * 0.16, y - size * 0.1), size * 0.1, size * 0.11, DARK)


def _mane(
    s: Sketch, throat: Point, skull: Point, size: tuple[float, float, float], kind: str
) -> None:
    length, girth, head = size
    if kind == "crest":
        back = (length / 2 - girth * 0.5, -girth * 0.5)
        s.chain(
            [
                back,
                (throat[0] - head * 0.5, throat[1]),
                (skull[0] - head * 0.3, skull[1] - head * 0.6),
            ],
            0.13,
            0.12,
            DARK,
        )
    elif kind == "full":
        s.star((skull[0] - head * 0.25, skull[1] + head * 0.1), 11, head * 1.25, 0.8, SECOND)
    elif kind == "beard":
        s.ellipse((length / 2 + girth * 0.2, girth * 0.1), girth * 0.42, girth * 0.6, DARK)
    elif kind == "wool":
        for k in range(9):
            x = (k / 8 - 0.5) * (length + girth * 0.5)
            s.ellipse((x, -girth * 0.38), girth * 0.24, girth * 0.22, LIGHT)
            s.ellipse((x, girth * 0.26), girth * 0.22, girth * 0.2, LIGHT)
        s.ellipse((0, 0), length / 2 + girth * 0.3, girth * 0.45, LIGHT)
    elif kind == "spines":
        for k in range(12):
            x = (k / 11 - 0.6) * (length + girth * 0.4)
            s.limb((x, -girth * 0.3), (x - 0.14, -girth * 0.5 - 0.24), 0.06, 0.01, DARK)
    elif kind == "plates":
        for k in range(7):
            x = (k / 6 - 0.5) * (length + girth * 0.3)
            s.star((x, -girth * 0.55), 4, 0.15, 0.6, ACCENT)


WINGS = {  # outline from the shoulder, in units of the body's length
    "broad": ((0.3, 0), (0.1, -0.9), (-0.2, -1.15), (-0.4, -0.95), (-0.55, -0.6), (-0.35, 0)),
    "slim": ((0.2, 0), (0.15, -0.7), (-0.35, -1.4), (-0.2, -0.6), (-0.25, 0)),
    "swallow": ((0.2, 0), (0.25, -0.5), (-0.6, -1.2), (-0.15, -0.45), (-0.2, 0)),
    "leather": (
        (0.2, 0),
        (0.3, -0.7),
        (0, -1.1),
        (-0.3, -0.55),
        (-0.5, -0.85),
        (-0.6, -0.2),
        (-0.3, 0),
    ),
}


class Bird(NamedTuple):
    """What a class chooses of `bird`."""

    flying: str = ""
    length: float = 0.5
    girth: float = 0.34
    upright: float = 20.0
    neck: float = 0.15
    head: float = 0.15
    beak: float = 0.16
    bill: str = "cone"
    leg: float = 0.3
    tail: float = 0.35
    fan: str = "wedge"
    crest: str = ""
    discs: bool = False


def bird(s: Sketch, moves: list[float], traits: Bird) -> None:
    """A bird: standing or swimming (leg 0), or flying with a kind of wings."""
    a = 90 + traits.upright
    front, rear = toward((0, 0), a, traits.length / 2), toward((0, 0), a, -traits.length / 2)
    if traits.flying:
        wing = [
            (x * traits.length * 1.3 + 0.05, y * 0.6 + 0.08 * moves[0])
            for x, y in WINGS[traits.flying]
        ]
        s.polygon([(x + 0.12, y * 0.9) for x, y in wing], MAIN + FAR)
    _fan(s, rear, a, traits.tail, traits.fan)
    if traits.leg and not traits.flying:
        for k, shift in enumerate((0.05, -0.05)):
            foot = (shift + 0.04 * moves[k], traits.girth * 0.3 + traits.leg)
            s.limb((shift, traits.girth * 0.25), foot, 0.045, 0.03, ACCENT)
            s.limb((foot[0] - 0.05, foot[1]), (foot[0] + 0.1, foot[1]), 0.035, 0.03, ACCENT)
    s.ellipse((0, 0), traits.length * 0.62, traits.girth / 2, MAIN, turn=-traits.upright)
    belly = toward((0.0, traits.girth * 0.12), a, traits.length * 0.15)
    s.ellipse(belly, traits.length * 0.4, traits.girth * 0.3, LIGHT, turn=-traits.upright)
    throat = toward(front, 150 + 10 * moves[2], traits.neck)
    bend = (throat[0] - traits.neck * 0.16, (front[1] + throat[1]) / 2)
    s.chain(
        [toward((0, 0), a, traits.length * 0.3), bend, throat],
        traits.girth * 0.5,
        traits.head * 0.9,
    )
    CRESTS[traits.crest](s, throat, traits.head)
    s.ellipse(throat, traits.head, traits.head * 0.92)
    if traits.discs:
        s.circle((throat[0] + traits.head * 0.45, throat[1]), traits.head * 0.5, LIGHT)
    BILLS[traits.bill](s, (throat[0] + traits.head * 0.8, throat[1]), (traits.head, traits.beak))
    s.ellipse(
        (throat[0] + traits.head * 0.42, throat[1] - traits.head * 0.15),
        traits.head * 0.22,
        traits.head * 0.24,
        DARK,
    )
    if traits.flying:
        s.polygon(wing, SECOND)
    else:
        s.ellipse(
            (-traits.length * 0.12, -traits.girth * 0.02),
            traits.length * 0.46,
            traits.girth * 0.3,
            SECOND,
            turn=-traits.upright,
        )


def _fan(s: Sketch, rear: Point, a: float, tail: float, fan: str) -> None:
    if fan == "wedge":
        s.limb(rear, toward(rear, a - 180 - 6, tail), 0.14, 0.18, SECOND)
    elif fan == "fork":
        for spread in (-16, 14):
            s.limb(rear, toward(rear, a - 180 + spread, tail), 0.1, 0.02, SECOND)
    elif fan == "sickle":
        for spread in (20, 40, 60):
            middle = toward(rear, a - 180 - spread, tail * 0.7)
            s.chain([rear, middle, (middle[0] - 0.16, middle[1] + 0.2)], 0.1, 0.03, SECOND)
    elif fan == "wheel":
        for spread in range(-20, 100, 15):
            tip = toward(rear, a - 180 - spread, tail)
            s.limb(rear, tip, 0.05, 0.16, SECOND)
            s.circle(tip, 0.06, ACCENT)
    elif fan == "train":
        s.chain(
            [rear, (rear[0] - tail * 0.6, rear[1] + 0.1), (rear[0] - tail, rear[1] + 0.4)],
            0.12,
            0.2,
            SECOND,
        )


def _comb_crest(s: Sketch, skull: Point, head: float) -> None:
    x, y = skull
    for k in range(3):
        s.ellipse((x - head * 0.5 + k * head * 0.5, y - head), head * 0.3, head * 0.4, ACCENT)
    s.ellipse((x + head * 0.9, y + head * 0.8), head * 0.2, head * 0.4, ACCENT)


def _tuft_crest(s: Sketch, skull: Point, head: float) -> None:
    x, y = skull
    s.chain([(x, y - head * 0.6), (x - head, y - head * 1.6)], head * 0.5, 0.02, SECOND)


def _horns_crest(s: Sketch, skull: Point, head: float) -> None:
    x, y = skull
    for side in (-0.6, 0.5):
        s.limb(
            (x + side * head, y - head * 0.6),
            (x + side * head * 1.5, y - head * 1.5),
            head * 0.4,
            0.01,
        )


def _fan_crest(s: Sketch, skull: Point, head: float) -> None:
    x, y = skull
    for k in range(4):
        s.limb((x, y), (x - head * (1.6 - k * 0.6), y - head * 1.7), 0.05, 0.08, ACCENT)


CRESTS: dict[str, Callable[[Sketch, Point, float], None]] = {
    "": lambda *_: None,
    "comb": _comb_crest,
    "tuft": _tuft_crest,
    "horns": _horns_crest,
    "fan": _fan_crest,
}


def _cone_bill(s: Sketch, root: Point, size: tuple[float, float]) -> None:
    (x, y), (head, beak) = root, size
    s.polygon(((x, y - head * 0.35), (x + beak, y + head * 0.1), (x, y + head * 0.4)), ACCENT)


def _hook_bill(s: Sketch, root: Point, size: tuple[float, float]) -> None:
    (x, y), (head, beak) = root, size
    points = ((x, y - head * 0.4), (x + beak, y - head * 0.1), (x + beak * 0.9, y + head * 0.6))
    s.polygon((*points, (x + beak * 0.5, y + head * 0.2), (x, y + head * 0.3)), ACCENT)


def _flat_bill(s: Sketch, root: Point, size: tuple[float, float]) -> None:
    (x, y), (head, beak) = root, size
    s.limb((x, y + head * 0.15), (x + beak, y + head * 0.35), head * 0.5, head * 0.45, ACCENT)


def _spear_bill(s: Sketch, root: Point, size: tuple[float, float]) -> None:
    (x, y), (head, beak) = root, size
    s.limb((x - 0.02, y), (x + beak, y + beak * 0.12), head * 0.4, 0.02, ACCENT)


def _great_bill(s: Sketch, root: Point, size: tuple[float, float]) -> None:
    (x, y), (head, beak) = root, size
    points = (
        (x - 0.03, y - head * 0.5),
        (x + beak * 0.7, y - head * 0.5),
        (x + beak, y + head * 0.3),
    )
    s.polygon((*points, (x, y + head * 0.5)), ACCENT)


def _pouch_bill(s: Sketch, root: Point, size: tuple[float, float]) -> None:
    (x, y), (head, beak) = root, size
    s.ellipse((x + beak * 0.4, y + head * 0.5), beak * 0.5, head * 0.7, SECOND)
    s.limb((x, y), (x + beak, y + head * 0.4), head * 0.4, head * 0.2, ACCENT)


def _bent_bill(s: Sketch, root: Point, size: tuple[float, float]) -> None:
    (x, y), (head, beak) = root, size
    s.chain(
        [(x, y), (x + beak * 0.5, y + 0.02), (x + beak * 0.6, y + beak * 0.6)],
        head * 0.6,
        head * 0.3,
        ACCENT,
    )


BILLS: dict[str, Callable[[Sketch, Point, tuple[float, float]], None]] = {
    "": lambda *_: None,
    "cone": _cone_bill,
    "hook": _hook_bill,
    "flat": _flat_bill,
    "spear": _spear_bill,
    "great": _great_bill,
    "pouch": _pouch_bill,
    "bent": _bent_bill,
}


TAILFINS = {
    "fork": ((0, 0), (-0.35, -0.34), (-0.22, 0), (-0.35, 0.34)),
    "fan": ((0.05, 0), (-0.26, -0.26), (-0.34, 0), (-0.26, 0.26)),
    "crescent": ((0, 0), (-0.18, -0.46), (-0.16, 0), (-0.14, 0.3)),
    "fluke": ((0, 0.05), (-0.2, -0.12), (-0.46, -0.3), (-0.34, -0.02), (-0.5, 0.12), (-0.2, 0.1)),
    "veil": ((0.1, 0), (-0.4, -0.5), (-0.62, -0.2), (-0.45, 0), (-0.66, 0.24), (-0.38, 0.5)),
}


def _dorsal(s: Sketch, dorsal: str, length: float, depth: float) -> None:
    top = -depth / 2
    if dorsal == "long":
        s.lathe(((top - depth * 0.3, length * 0.12), (top + depth * 0.4, length * 0.36)), SECOND)
    elif dorsal == "shark":
        s.polygon(((0.14, top + 0.08), (-0.14, top - 0.28), (-0.12, top + 0.08)), MAIN)
    elif dorsal == "sail":
        s.polygon(
            ((0.3, top + 0.1), (0.22, top - 0.42), (-0.3, top - 0.3), (-0.34, top + 0.12)), SECOND
        )
    elif dorsal == "wings":
        s.polygon(((0.2, top + 0.1), (-0.22, top - 0.5), (-0.12, top + 0.1)), SECOND)
        s.polygon(((0.2, -top - 0.1), (-0.22, -top + 0.5), (-0.12, -top - 0.1)), SECOND)


def _whiskers(s: Sketch, h: float) -> None:
    for y in (0.05, 0.15, 0.24):
        s.limb((h * 0.92, 0.02), (h * 1.15, y + 0.06), 0.025, 0.01, DARK)


def _spout(s: Sketch, h: float, d: float) -> None:
    for x in (-0.14, 0.14):
        s.chain(
            [(h * 0.4, -d * 0.9), (h * 0.4 + x, -d - 0.25), (h * 0.4 + 2 * x, -d - 0.2)],
            0.05,
            0.05,
            LIGHT,
        )


class Fish(NamedTuple):
    """What a class chooses of `fish`."""

    length: float = 1.0
    depth: float = 0.4
    tailfin: str = "fan"
    dorsal: str = "long"
    snout: float = 0.0
    blunt: float = 0.0
    belly: bool = True
    spines: int = 0
    whiskers: bool = False
    spout: bool = False


def fish(s: Sketch, moves: list[float], traits: Fish) -> None:
    """A swimmer, from goldfish to whale."""
    wag = 0.08 * moves[0]
    tail = (-traits.length / 2 + 0.08, wag)
    s.polygon(
        [
            (tail[0] + x * (0.6 + traits.depth), tail[1] + y * (0.55 + traits.depth))
            for x, y in TAILFINS[traits.tailfin]
        ],
        SECOND,
    )
    _dorsal(s, traits.dorsal, traits.length, traits.depth)
    for k in range(traits.spines):
        a = 360 * k / traits.spines
        s.limb((0, 0), toward((0, 0), a, traits.depth * 0.72), 0.05, 0.01, DARK)
    h, d = traits.length / 2, traits.depth / 2
    nose = (h, -d * traits.blunt), (h, d * traits.blunt)
    upper = [
        (-h, wag - 0.05),
        (-h * 0.4, -d * 0.8),
        (h * 0.15, -d),
        (h * 0.7, -d * (0.66 + traits.blunt / 4)),
        nose[0],
    ]
    lower = [
        nose[1],
        (h * 0.7, d * (0.6 + traits.blunt / 4)),
        (h * 0.1, d),
        (-h * 0.4, d * 0.72),
        (-h, wag + 0.05),
    ]
    if traits.snout:
        s.limb((h * 0.8, 0), (h + traits.snout, -0.02), d * 0.5, 0.02, METAL)
    s.polygon(upper + lower)
    if traits.belly:
        s.polygon(
            [(x, y * 0.9) for x, y in lower] + [(-h * 0.2, d * 0.3), (h * 0.5, d * 0.3)], LIGHT
        )
    s.polygon(
        ((h * 0.3, d * 0.2), (-0.02, d * 0.5 + 0.24 + 0.08 * moves[1]), (h * 0.02, d * 0.3)), SECOND
    )
    s.circle((h * 0.68, -d * 0.2), 0.05, LIGHT)
    s.ellipse((h * 0.69, -d * 0.2), 0.028, 0.03, DARK)
    s.bar((h * 0.46, -d * 0.55), (h * 0.42, d * 0.5), 0.03, DARK)
    if traits.whiskers:
        _whiskers(s, h)
    if traits.spout:
        _spout(s, h, d)


INSECT_WINGS = {  # ellipses: middle x (from the axis), y, half axes, turn
    "butterfly": ((0.42, -0.24, 0.4, 0.3, -35), (0.34, 0.26, 0.28, 0.24, 35)),
    "swallowtail": ((0.46, -0.3, 0.46, 0.22, -40), (0.28, 0.36, 0.16, 0.4, -25)),
    "moth": ((0.46, 0.05, 0.46, 0.24, 28), (0.28, 0.3, 0.28, 0.2, 50)),
    "bee": ((0.3, 0.02, 0.3, 0.12, 30), (0.22, 0.12, 0.22, 0.09, 50)),
    "dragonfly": ((0.5, -0.18, 0.5, 0.075, -6), (0.48, 0.02, 0.48, 0.085, 10)),
    "fly": ((0.3, 0.22, 0.38, 0.14, 58),),
}


def _claw(s: Sketch, side: int, head: tuple[float, float, float], claws: float) -> None:
    y = head[0] - head[2] * 0.3
    elbow = (side * (head[1] + claws * 0.4), y - 0.02)
    s.chain([(side * head[1] * 0.7, y + 0.08), elbow, (elbow[0], y - claws * 0.5)], 0.09, 0.08)
    s.ellipse((elbow[0], y - claws * 0.75), claws * 0.26, claws * 0.36, ACCENT)
    s.polygon(
        (
            (elbow[0] - 0.03, y - claws * 1.15),
            (elbow[0], y - claws * 0.7),
            (elbow[0] + 0.06, y - claws * 1.15),
        ),
        HOLE,
    )


class Arthropod(NamedTuple):
    """What a class chooses of `arthropod`."""

    segments: tuple = ((0.0, 0.2, 0.2), (0.4, 0.24, 0.3))
    legs: int = 6
    reach: float = 0.5
    knee: float = 0.25
    wings: str = ""
    antennae: float = 0.3
    claws: float = 0.0
    sting: bool = False
    split: bool = False
    eyes: float = 0.05


def arthropod(s: Sketch, moves: list[float], traits: Arthropod) -> None:
    """Insects, spiders, crabs, from above. segments: (y, half width, half length), head first."""
    first, last = traits.segments[0], traits.segments[-1]
    middle = traits.segments[min(1, len(traits.segments) - 1)]
    for side in (-1, 1):
        for k in range(traits.legs // 2):
            share = k / max(1, traits.legs // 2 - 1)
            root = (0, middle[0] + middle[2] * (share - 0.5))
            out = 0.1 * moves[(2 * k + (side > 0)) % 12]
            joint = (side * traits.reach * 0.55, root[1] + (share - 0.5) * traits.knee - 0.06 + out)
            foot = (side * traits.reach, root[1] + (share - 0.5) * 3 * traits.knee + out)
            s.chain([root, joint, foot], 0.07, 0.025, DARK)
        for x, y, rx, ry, turn in INSECT_WINGS.get(traits.wings, ()):
            s.ellipse((side * x, y), rx, ry, SECOND, turn=side * turn)
            if traits.wings in ("butterfly", "swallowtail", "moth"):
                s.ellipse((side * x * 1.05, y), rx * 0.35, ry * 0.4, ACCENT, turn=side * turn)
        if traits.antennae:
            y = first[0] - first[2] * 0.6
            s.chain(
                [
                    (0, y),
                    (side * 0.1, y - traits.antennae * 0.6),
                    (side * 0.22, y - traits.antennae),
                ],
                0.03,
                0.03,
                DARK,
            )
        if traits.claws:
            _claw(s, side, first, traits.claws)
    if traits.sting:
        y = last[0] + last[2]
        points = [(0, y - 0.05), (0.04, y + 0.2), (0.2, y + 0.36), (0.36, y + 0.2), (0.3, y + 0.02)]
        s.chain(points, 0.13, 0.05)
    for k, (y, rx, ry) in enumerate(reversed(traits.segments)):
        s.ellipse(
            (0, y),
            rx,
            ry,
            DARK if k == len(traits.segments) - 1 and len(traits.segments) > 1 else MAIN,
        )
    if traits.split:
        s.bar((0, middle[0] - middle[2]), (0, middle[0] + middle[2]), 0.03, DARK)
    for side in (-1, 1):
        s.circle((side * first[1] * 0.55, first[0] - first[2] * 0.5), traits.eyes, LIGHT)


class Serpent(NamedTuple):
    """What a class chooses of `serpent`."""

    waves: float = 1.6
    amplitude: float = 0.16
    width: float = 0.13
    taper: float = 0.2
    beads: int = 0
    hood: float = 0.0
    fin: bool = False
    legs: int = 0
    head: float = 1.0


def serpent(s: Sketch, moves: list[float], traits: Serpent) -> None:
    """A long body along a wave: snakes, eels, caterpillars, lizards with few legs."""
    n = traits.beads or 12
    phase = 3 * moves[0]
    path = [
        (-1 + 2 * k / n, traits.amplitude * math.sin(2 * math.pi * traits.waves * k / n + phase))
        for k in range(n + 1)
    ]
    for k in range(traits.legs):
        x, y = path[3 + (k * (n - 4)) // max(1, traits.legs)]
        s.limb(
            (x, y),
            (x + 0.05 * moves[k % 12], y + traits.width * 1.1),
            traits.width * 0.35,
            traits.width * 0.2,
            DARK,
        )
    if traits.fin:
        s.chain(
            [(x, y - traits.width * 0.45) for x, y in path[2:-1]],
            traits.width * 0.7,
            traits.width * 0.7,
            SECOND,
        )
    if traits.beads:
        for k, (x, y) in enumerate(path):
            s.circle((x, y), traits.width * 0.62, SECOND if k % 2 else MAIN)
    else:
        s.chain(path, traits.width * traits.taper, traits.width)
    x, y = path[-1]
    if traits.hood:
        s.ellipse((x - 0.02, y), traits.width * 0.7, traits.hood, MAIN)
    s.ellipse(
        (x + traits.width * 0.4, y),
        traits.width * 0.8 * traits.head,
        traits.width * 0.6 * traits.head,
        MAIN,
    )
    s.circle((x + traits.width * 0.5, y - traits.width * 0.25), traits.width * 0.18, DARK)


class Mollusc(NamedTuple):
    """What a class chooses of `mollusc`."""

    dome: tuple[float, float] = (0.4, 0.4)
    arms: int = 8
    reach: float = 0.7
    width: float = 0.1
    curl: float = 0.2
    eyes: bool = True
    pointed: bool = False


def mollusc(s: Sketch, moves: list[float], traits: Mollusc) -> None:
    """A head with hanging arms: octopus, squid, jellyfish."""
    rx, ry = traits.dome
    for k in range(traits.arms):
        share = k / (traits.arms - 1) - 0.5
        x = 1.4 * rx * share
        sway = traits.curl * math.sin(2 * k + 3 * moves[k % 12])
        points = [
            (x, 0),
            (x * 1.25 + sway * 0.3, traits.reach * 0.4),
            (x * 1.4 + sway, traits.reach),
        ]
        s.chain(points, traits.width, traits.width * 0.4, SECOND if k % 2 else MAIN)
    if traits.pointed:
        s.lathe(
            ((-ry * 2.4, 0.02), (-ry * 1.7, rx * 1.4), (-ry * 1.3, rx * 0.8), (0.1, rx * 0.9)), MAIN
        )
    else:
        s.lathe(
            (
                (-ry * 1.25, rx * 0.4),
                (-ry, rx * 0.8),
                (-ry * 0.5, rx),
                (0.04, rx * 0.95),
                (0.1, rx * 0.6),
            ),
            MAIN,
        )
    if traits.eyes:
        for side in (-1, 1):
            s.circle((side * rx * 0.45, -ry * 0.1), 0.09, LIGHT)
            s.circle((side * rx * 0.45, -ry * 0.08), 0.05, DARK)


class Snail(NamedTuple):
    """What a class chooses of `snail`."""

    tall: float = 1.0
    whorls: int = 3
    foot: bool = True


def snail(s: Sketch, moves: list[float], traits: Snail) -> None:
    """A coiled shell, with or without its owner."""
    if traits.foot:
        s.limb((-0.6, 0.42), (0.6, 0.4), 0.1, 0.2, SECOND)
        s.limb((0.5, 0.4), (0.66, 0.1 + 0.05 * moves[0]), 0.18, 0.14, SECOND)
        for x in (0.62, 0.76):
            s.limb((0.66, 0.08), (x + 0.04 * moves[1], -0.16), 0.04, 0.05, SECOND)
    for k in range(traits.whorls):
        r = 0.44 * (1 - k / (traits.whorls + 0.5))
        material = (MAIN, SECOND)[k % 2]
        s.ellipse(
            (-0.05 + 0.05 * k, 0.06 - (traits.tall - 1) * 0.3 * k),
            r,
            r * (0.95 if traits.tall <= 1 else 0.8),
            material,
        )


class Starfish(NamedTuple):
    """What a class chooses of `starfish`."""

    arms: int = 5
    thick: float = 0.3
    spines: bool = False


def starfish(s: Sketch, moves: list[float], traits: Starfish) -> None:
    """Arms around a middle, or spines around a ball."""
    for k in range(traits.arms):
        a = 360 * k / traits.arms + 6 * moves[k % 12]
        tip = toward((0, 0), a, 1.0)
        s.limb(
            (0, 0),
            tip,
            traits.thick,
            0.03 if traits.spines else traits.thick * 0.4,
            DARK if traits.spines else MAIN,
        )
        if not traits.spines:
            for share in (0.35, 0.6, 0.82):
                s.circle(toward((0, 0), a, share), traits.thick * 0.14, SECOND)
    s.circle((0, 0), 0.6 if traits.spines else traits.thick * 0.8)
