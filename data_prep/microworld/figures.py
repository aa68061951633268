"""Articulated human figures with COCO's 17 keypoints.

Angles of limbs are absolute, in degrees: 0 hangs down, 90 points to the right of the picture, 180
up. In front view the figure's left side is at the right of the picture, as with any person who
faces us; in side view the figure looks to the right, so its right side is the near one.
"""

from collections.abc import Callable
from typing import NamedTuple

from data_prep.microworld.sketch import (
    ACCENT,
    DARK,
    FAR,
    GLASS,
    HAIR,
    LIGHT,
    MAIN,
    METAL,
    SECOND,
    SKIN,
    Point,
    Sketch,
    toward,
)
from revisit.data.records import KEYPOINTS

BONES = (
    ("left_ankle", "left_knee"),
    ("left_knee", "left_hip"),
    ("right_ankle", "right_knee"),
    ("right_knee", "right_hip"),
    ("left_hip", "right_hip"),
    ("left_shoulder", "left_hip"),
    ("right_shoulder", "right_hip"),
    ("left_shoulder", "right_shoulder"),
    ("left_shoulder", "left_elbow"),
    ("left_elbow", "left_wrist"),
    ("right_shoulder", "right_elbow"),
    ("right_elbow", "right_wrist"),
    ("nose", "left_eye"),
    ("nose", "right_eye"),
    ("left_eye", "left_ear"),
    ("right_eye", "right_ear"),
)


class Pose(NamedTuple):
    """Upper and lower angle of each limb, the lean of the trunk and the turn of the whole."""

    left_arm: Point
    right_arm: Point
    left_leg: Point
    right_leg: Point
    lean: float = 0.0  # of the trunk; positive to the right
    turn: float = 0.0  # of everything
    view: str = "front"  # or side, back


POSES = {
    "stand": Pose((14, 8), (-14, -8), (5, 3), (-5, -3)),
    "wave": Pose((130, 165), (-16, -8), (7, 3), (-7, -3)),
    "cheer": Pose((145, 165), (-145, -165), (20, 12), (-20, -12)),
    "akimbo": Pose((50, -40), (-50, 40), (14, 8), (-14, -8)),
    "spread": Pose((90, 90), (-90, -90), (35, 30), (-35, -30)),
    "tuck": Pose((30, -70), (-30, 70), (6, 3), (-6, -3)),
    "carry": Pose((38, 110), (-38, -110), (6, 3), (-6, -3)),
    "lift": Pose((140, 172), (-140, -172), (30, 4), (-30, -4)),
    "squat": Pose((130, 175), (-130, -175), (75, -12), (-75, 12)),
    "lotus": Pose((35, 25), (-35, -25), (82, -75), (-82, 75)),
    "leap": Pose((115, 125), (-115, -125), (82, 88), (-80, -86)),
    "tiptoe": Pose((150, -150), (-150, 150), (2, 1), (-55, 45)),
    "arabesque": Pose((100, 105), (-110, -100), (4, 2), (-95, -110), lean=18, view="side"),
    "kick": Pose((-30, 30), (40, 90), (-8, -4), (85, 95), lean=-15, view="side"),
    "walk": Pose((-24, -10), (24, 36), (26, 12), (-22, -34), lean=3, view="side"),
    "run": Pose((-60, 20), (50, 140), (62, -8), (-30, -88), lean=14, view="side"),
    "lunge": Pose((-100, -150), (88, 90), (-45, -45), (65, 4), lean=8, view="side"),
    "crouch": Pose((60, 40), (70, 50), (70, -40), (85, -30), lean=38, view="side"),
    "sit": Pose((25, 75), (35, 80), (86, 4), (90, 2), lean=0, view="side"),
    "recline": Pose((-40, -20), (15, 60), (80, 50), (88, 78), lean=-40, view="side"),
    "kneel": Pose((50, 130), (60, 130), (2, -88), (88, 2), lean=5, view="side"),
    "bend": Pose((30, 20), (40, 25), (4, -4), (-6, -2), lean=65, view="side"),
    "draw": Pose((88, 90), (-85, 95), (10, 8), (-22, -14), view="side"),
    "swing": Pose((120, 120), (95, 130), (16, 8), (-20, -12), lean=12, view="side"),
    "throw": Pose((80, 60), (-120, 170), (35, 8), (-28, -45), lean=-8, view="side"),
    "handstand": Pose((170, 176), (-170, -176), (24, 16), (-24, -16), turn=180),
    "swim": Pose((170, 165), (-20, 0), (-8, 4), (10, -6), turn=88, view="side"),
    "dive": Pose((178, 178), (182, 182), (2, 0), (-2, -4), turn=140, view="side"),
    "lie": Pose((12, 6), (-8, -4), (6, 4), (-4, -2), turn=-88, view="side"),
    "climb": Pose((150, 172), (-120, -175), (62, -14), (-28, -8), view="back"),
    "push": Pose((80, 88), (86, 94), (22, -18), (-42, -48), lean=24, view="side"),
    "pull": Pose((70, 85), (78, 88), (32, 18), (52, 8), lean=-26, view="side"),
    "march": Pose((-35, -28), (35, 50), (-3, -3), (78, 4), view="side"),
    "back": Pose((14, 6), (-14, -6), (8, 3), (-8, -3), view="back"),
    "slide": Pose((60, 85), (-50, -70), (32, -20), (-10, -40), lean=22, view="side"),
}

HEAD, TRUNK, UPPER_ARM, FOREARM, THIGH, SHIN = 0.15, 0.52, 0.27, 0.25, 0.38, 0.38
WIDTHS = {"front": (0.2, 0.11), "side": (0.05, 0.03), "back": (-0.2, -0.11)}  # left shoulder, hip


def _hat_cap(s: Sketch, head: Point, lean: float) -> None:
    s.lathe(((head[1] - 0.17, 0.1), (head[1] - 0.05, 0.16)), ACCENT, x=head[0])
    s.limb((head[0], head[1] - 0.06), (head[0] + 0.26, head[1] - 0.05), 0.05, 0.03, ACCENT)


def _hat_brim(s: Sketch, head: Point, lean: float) -> None:
    s.lathe(((head[1] - 0.24, 0.09), (head[1] - 0.08, 0.14)), ACCENT, x=head[0])
    s.ellipse((head[0], head[1] - 0.08), 0.3, 0.055, ACCENT)


def _hat_cone(s: Sketch, head: Point, lean: float) -> None:
    s.lathe(((head[1] - 0.55, 0.01), (head[1] - 0.07, 0.17)), ACCENT, x=head[0])
    s.ellipse((head[0], head[1] - 0.07), 0.24, 0.045, ACCENT)


def _hat_tall(s: Sketch, head: Point, lean: float) -> None:
    s.lathe(((head[1] - 0.3, 0.13), (head[1] - 0.06, 0.13)), LIGHT, x=head[0])
    s.ellipse((head[0], head[1] - 0.34), 0.2, 0.12, LIGHT)


def _hat_top(s: Sketch, head: Point, lean: float) -> None:
    s.box(head[0] - 0.12, head[1] - 0.4, head[0] + 0.12, head[1] - 0.07, DARK)
    s.ellipse((head[0], head[1] - 0.08), 0.24, 0.045, DARK)


def _hat_crown(s: Sketch, head: Point, lean: float) -> None:
    x, y = head
    points = [(-0.15, -0.07), (-0.17, -0.27), (-0.07, -0.17), (0, -0.3), (0.07, -0.17)]
    points += [(0.17, -0.27), (0.15, -0.07)]
    s.polygon([(x + px, y + py) for px, py in points], ACCENT)


def _hat_helmet(s: Sketch, head: Point, lean: float) -> None:
    s.ellipse((head[0], head[1] - 0.04), 0.18, 0.17, METAL)
    s.box(head[0] - 0.03, head[1] + 0.0, head[0] + 0.17, head[1] + 0.06, DARK)
    s.limb((head[0], head[1] - 0.2), (head[0] - 0.2, head[1] - 0.34), 0.1, 0.02, ACCENT)


def _hat_bun(s: Sketch, head: Point, lean: float) -> None:
    s.circle((head[0] - 0.04, head[1] - 0.19), 0.07, HAIR)


def _hat_hood(s: Sketch, head: Point, lean: float) -> None:
    s.polygon(
        [(head[0] + dx, head[1] + dy) for dx, dy in ((-0.2, 0.17), (-0.2, -0.1), (0.02, -0.27))]
        + [(head[0] + dx, head[1] + dy) for dx, dy in ((0.13, -0.1), (0.02, -0.08), (0.0, 0.17))],
        MAIN,
    )


def _hat_bearskin(s: Sketch, head: Point, lean: float) -> None:
    s.ellipse((head[0], head[1] - 0.2), 0.17, 0.24, DARK)


def _hat_curls(s: Sketch, head: Point, lean: float) -> None:
    for dx, dy in ((-0.16, -0.02), (0.16, -0.02), (-0.1, -0.14), (0.1, -0.14), (0, -0.18)):
        s.circle((head[0] + dx, head[1] + dy), 0.09, ACCENT)


Painter = Callable[[Sketch, Point, float], None]

HATS: dict[str, Painter] = {
    "cap": _hat_cap,
    "brim": _hat_brim,
    "cone": _hat_cone,
    "tall": _hat_tall,
    "top": _hat_top,
    "crown": _hat_crown,
    "helmet": _hat_helmet,
    "bun": _hat_bun,
    "hood": _hat_hood,
    "bearskin": _hat_bearskin,
    "curls": _hat_curls,
}

# What a hand can hold: bars (from, to along the forearm's direction turned by an angle; widths;
# material), and discs. Each row: kind, then numbers in units of the figure.
PROPS: dict[str, tuple[tuple, ...]] = {
    "sword": (("bar", 90, -0.06, 0.6, 0.05, 0.02, METAL), ("bar", 0, -0.1, 0.1, 0.05, 0.05, DARK)),
    "spear": (
        ("bar", 90, -0.5, 0.8, 0.045, 0.035, DARK),
        ("bar", 90, 0.78, 0.98, 0.13, 0.01, METAL),
    ),
    "staff": (("bar", 90, -0.75, 0.7, 0.05, 0.05, ACCENT), ("disc", 90, 0.72, 0.1, GLASS)),
    "rake": (
        ("bar", 90, -0.8, 0.6, 0.04, 0.04, ACCENT),
        ("cross", 90, 0.6, 0.2, 0.05, METAL),
        ("cross", 90, 0.68, 0.2, 0.02, METAL),
    ),
    "broom": (
        ("bar", 90, -0.4, 0.5, 0.04, 0.04, ACCENT),
        ("bar", 90, -0.75, -0.4, 0.26, 0.08, SECOND),
    ),
    "racket": (
        ("bar", 0, -0.02, 0.25, 0.045, 0.045, DARK),
        ("disc", 0, 0.4, 0.17, DARK),
        ("disc", 0, 0.4, 0.13, LIGHT),
    ),
    "bat": (("bar", 0, -0.05, 0.55, 0.05, 0.11, ACCENT),),
    "club": (("bar", 0, -0.05, 0.75, 0.03, 0.03, METAL), ("disc", 0, 0.76, 0.06, DARK)),
    "bow": (
        ("bar", 60, 0.0, 0.42, 0.05, 0.03, ACCENT),
        ("bar", -60, 0.0, 0.42, 0.05, 0.03, ACCENT),
        ("bar", 0, -0.55, 0.2, 0.025, 0.025, METAL),
    ),
    "ball": (("disc", 0, 0.15, 0.15, ACCENT),),
    "balls": (("disc", 0, 0.12, 0.07, ACCENT), ("disc", 20, 0.42, 0.07, GLASS)),
    "tray": (("flat", 0, 0.08, 0.3, 0.05, METAL), ("flat", 0, 0.16, 0.07, 0.16, GLASS)),
    "book": (("flat", 0, 0.06, 0.2, 0.2, LIGHT),),
    "umbrella": (("bar", 0, 0.0, 0.5, 0.03, 0.03, DARK), ("dome", 0, 0.42, 0.5, 0.26, ACCENT)),
    "torch": (("bar", 0, -0.1, 0.2, 0.05, 0.09, DARK), ("drop", 0, 0.32, 0.1, 0.17, ACCENT)),
    "pompom": (("disc", 0, 0.06, 0.17, ACCENT),),
    "glove": (("disc", 0, 0.03, 0.11, ACCENT),),
    "shield": (("disc", 0, 0.0, 0.27, SECOND), ("disc", 0, 0.0, 0.09, METAL)),
    "bag": (("flat", 0, 0.16, 0.3, 0.24, ACCENT),),
    "dumbbell": (("cross", 0, 0.04, 0.2, 0.05, METAL), ("ends", 0, 0.04, 0.2, 0.1, DARK)),
    "flag": (("bar", 0, -0.3, 0.75, 0.04, 0.04, DARK), ("cloth", 0, 0.42, 0.48, 0.3, ACCENT)),
    "pan": (("bar", 0, 0.0, 0.15, 0.04, 0.04, DARK), ("disc", 0, 0.27, 0.14, DARK)),
    "hammer": (("bar", 0, -0.1, 0.3, 0.05, 0.05, ACCENT), ("cross", 0, 0.3, 0.13, 0.11, METAL)),
    "pole": (("bar", 90, -1.0, 1.0, 0.04, 0.04, ACCENT),),
    "rod": (("bar", 50, 0.0, 1.0, 0.04, 0.02, ACCENT),),
    "kite": (("bar", 0, 0.0, 0.5, 0.02, 0.02, LIGHT), ("disc", 0, 0.6, 0.2, ACCENT)),
    "cup": (("flat", 0, 0.1, 0.13, 0.16, LIGHT),),
    "brush": (("bar", 0, -0.05, 0.25, 0.03, 0.05, ACCENT), ("flat", 60, 0.3, 0.5, 0.4, LIGHT)),
}


def _hold(s: Sketch, prop: str, hand: Point, forearm: float) -> None:
    for kind, angle, along, *rest in PROPS[prop]:
        a = forearm + angle
        center = toward(hand, a, along)
        if kind == "bar":
            to, w0, w1, material = rest
            s.limb(center, toward(hand, a, to), w0, w1, material)
        elif kind in ("cross", "ends"):
            half, width, material = rest
            ends = toward(center, a + 90, half), toward(center, a - 90, half)
            if kind == "cross":
                s.limb(*ends, width, width, material)
            else:
                for end in ends:
                    s.circle(end, width, material)
        elif kind == "disc":
            s.circle(center, rest[0], rest[1])
        elif kind == "drop":
            s.ellipse((center[0], center[1] - rest[1] / 2), rest[0], rest[1], rest[2])
        elif kind == "dome":
            x, y = center
            s.polygon(
                [(x - rest[0], y), (x - rest[0] * 0.7, y - rest[1] * 0.8), (x, y - rest[1])]
                + [(x + rest[0] * 0.7, y - rest[1] * 0.8), (x + rest[0], y)],
                rest[2],
            )
        elif kind == "cloth":
            x, y = center
            s.polygon(
                ((x, y - 0.15), (x + rest[0], y - 0.1), (x + rest[0], y + 0.2), (x, y + 0.15)),
                rest[2],
            )
        else:
            w, h, material = rest
            x, y = center
            s.box(x - w / 2, y - h / 2, x + w / 2, y + h / 2, material)


# Clothes below the waist: half widths at the waist and the hem, and the hem's place along the leg.
SKIRTS = {
    "skirt": (0.13, 0.26, 0.5),
    "dress": (0.13, 0.34, 0.85),
    "robe": (0.17, 0.3, 1.0),
    "tutu": (0.12, 0.46, 0.16),
    "kilt": (0.15, 0.22, 0.42),
    "coat": (0.17, 0.24, 0.62),
}
LEGS = {"trousers": SECOND, "shorts": SKIN, "bare": SKIN, "tights": ACCENT}


def _leg(s: Sketch, side: str, hip: Point, angles: Point, material: int, stout: float) -> None:
    knee = toward(hip, angles[0], THIGH)
    ankle = toward(knee, angles[1], SHIN)
    thigh, shin = f"{side}_thigh", f"{side}_shin"
    s.limb(knee, ankle, 0.12 * stout, 0.085 * stout, material, name=shin)
    s.limb(hip, knee, 0.18 * stout, 0.13 * stout, material, name=thigh)
    s.limb(ankle, toward(ankle, 62 + angles[1], 0.11), 0.08, 0.06, DARK, name=f"{side}_foot")
    s.joint(f"{side}_hip", hip, thigh, "trunk", "skirt")
    s.joint(f"{side}_knee", knee, thigh, shin, "skirt")
    s.joint(f"{side}_ankle", ankle, shin, f"{side}_foot", "skirt")


def _arm(
    s: Sketch, side: str, shoulder: Point, angles: Point, material: int, stout: float
) -> Point:
    elbow = toward(shoulder, angles[0], UPPER_ARM)
    wrist = toward(elbow, angles[1], FOREARM)
    upper, lower = f"{side}_upper_arm", f"{side}_forearm"
    skin = SKIN + (material & FAR)
    s.limb(shoulder, elbow, 0.13 * stout, 0.1 * stout, material, name=upper)
    s.limb(elbow, wrist, 0.1 * stout, 0.08, skin, name=lower)
    s.circle(wrist, 0.055, skin, name=f"{side}_hand")
    s.joint(f"{side}_shoulder", shoulder, upper, "trunk")
    s.joint(f"{side}_elbow", elbow, upper, lower)
    s.joint(f"{side}_wrist", wrist, lower, f"{side}_hand")
    return wrist


FACES = {  # offsets of nose, left eye, right eye, left ear, right ear from the middle of the head
    "front": ((0, 0.02), (0.055, -0.03), (-0.055, -0.03), (0.135, 0), (-0.135, 0)),
    "side": ((0.15, 0.02), (0.11, -0.035), (0.09, -0.035), (0.02, 0.0), (-0.02, 0.0)),
    "back": ((0, 0.02), (-0.055, -0.03), (0.055, -0.03), (-0.135, 0), (0.135, 0)),
}
HIDDEN = {"front": (), "side": ("left_eye", "left_ear"), "back": KEYPOINTS[:3]}


HAIRS = {  # offset from the middle of the head, half axes
    "front": (0.0, -0.09, 0.125, 0.075),
    "side": (-0.06, -0.06, 0.1, 0.12),
    "back": (0.0, 0.0, 0.13, 0.15),
}


def _head(s: Sketch, head: Point, turn: float, view: str, hat: str) -> None:
    def place(x: float, y: float) -> Point:
        right, down = toward(head, 90 + turn, x), toward((0, 0), turn, y)
        return right[0] + down[0], right[1] + down[1]

    s.ellipse(head, 0.125, HEAD, SKIN, turn=-turn, name="head")
    x, y, rx, ry = HAIRS[view]
    s.ellipse(place(x, y), rx, ry, HAIR, turn=-turn, name="hair")
    for name, offset in zip(KEYPOINTS[:5], FACES[view]):
        point = place(*offset)
        seen = () if name in HIDDEN[view] else ("head", "hair", name)
        if seen and name.endswith("eye"):
            s.ellipse(point, 0.026, 0.03, DARK, name=name)
        elif seen and name == "nose":
            s.ellipse(point, 0.025, 0.032, SKIN, name=name)
        s.joint(name, point, *seen)
    if hat:
        HATS[hat](s, head, turn)


class Figure(NamedTuple):
    """What a class chooses of `figure`."""

    pose: str = "stand"
    hat: str = ""
    left: str = ""
    right: str = ""
    wear: str = "trousers"
    stout: float = 1.0


def figure(s: Sketch, moves: list[float], traits: Figure) -> None:
    """A person. moves: twelve numbers in [-1, 1] that sway the pose by a few degrees."""
    p = POSES[traits.pose]
    sway = [9 * m for m in moves]
    t = p.turn
    limb = {
        name: (angles[0] + t + sway[2 * k], angles[1] + t + sway[2 * k] + sway[2 * k + 1])
        for k, (name, angles) in enumerate(zip(Pose._fields[:4], p[:4]))
    }
    up = 180 + t - p.lean + 0.5 * sway[8]
    shoulder_half, hip_half = WIDTHS[p.view]
    hips, across = (0.0, 0.0), up - 90
    neck = toward(hips, up, TRUNK)
    head = toward(neck, up, 0.2)
    hip = {"left": toward(hips, across, hip_half), "right": toward(hips, across, -hip_half)}
    top = toward(neck, up, -0.04)
    shoulder = {
        "left": toward(top, across, shoulder_half),
        "right": toward(top, across, -shoulder_half),
    }
    side_view = p.view == "side"
    sleeve, leg = MAIN, LEGS.get(traits.wear, SECOND)
    wrists: dict[str, Point] = {}
    _leg(s, "left", hip["left"], limb["left_leg"], leg + FAR * side_view, traits.stout)
    first_arm = side_view or p.view == "back"
    if first_arm:
        wrists["left"] = _arm(
            s, "left", shoulder["left"], limb["left_arm"], sleeve + FAR * side_view, traits.stout
        )
        if traits.left:
            _hold(s, traits.left, wrists["left"], limb["left_arm"][1])
    _leg(s, "right", hip["right"], limb["right_leg"], leg, traits.stout)
    _trunk(s, hips, neck, across, (abs(shoulder_half), abs(hip_half)), traits.stout)
    _clothes(s, traits.wear, hips, limb, across)
    s.bar(neck, head, 0.1, SKIN, name="neck")
    _head(s, head, up - 180, p.view, traits.hat)
    if not first_arm:
        wrists["left"] = _arm(s, "left", shoulder["left"], limb["left_arm"], sleeve, traits.stout)
        if traits.left:
            _hold(s, traits.left, wrists["left"], limb["left_arm"][1])
    wrists["right"] = _arm(s, "right", shoulder["right"], limb["right_arm"], sleeve, traits.stout)
    if traits.right:
        _hold(s, traits.right, wrists["right"], limb["right_arm"][1])


def _trunk(
    s: Sketch, hips: Point, neck: Point, across: float, halves: tuple[float, float], stout: float
) -> None:
    top, bottom = max(halves[0], 0.13) * stout, max(halves[1], 0.11) * stout
    s.polygon(
        (
            toward(neck, across, top),
            toward(hips, across, bottom + 0.03),
            toward(hips, across, -bottom - 0.03),
            toward(neck, across, -top),
        ),
        MAIN,
        name="trunk",
    )


def _clothes(
    s: Sketch, wear: str, hips: Point, limb: dict[str, tuple[float, float]], across: float
) -> None:
    if wear == "shorts":
        for side, shift in (("left", 0.06), ("right", -0.06)):
            start = toward(hips, across, shift)
            end = toward(start, limb[f"{side}_leg"][0], 0.22)
            s.limb(start, end, 0.21, 0.2, SECOND, name=f"{side}_thigh")
    if wear in SKIRTS:
        waist, hem, length = SKIRTS[wear]
        middle = (limb["left_leg"][0] + limb["right_leg"][0]) / 2
        end = toward(hips, middle, (THIGH + SHIN) * length)
        s.polygon(
            (
                toward(hips, middle + 90, waist),
                toward(end, middle + 90, hem),
                toward(end, middle - 90, hem),
                toward(hips, middle - 90, waist),
            ),
            MAIN,
            name="skirt",
        )
