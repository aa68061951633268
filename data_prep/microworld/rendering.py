"""From a scene to pixels, and to boxes, masks and keypoints that are read off those pixels.

Conventions:
- An object owns a pixel if it covers at least half of it and nothing nearer does.
- A box encloses the pixels that the object owns: the box of what is *visible*, as in COCO. An object
  that owns none has no box, though it is part of the truth.
- A keypoint is visible (2) if it lies in a pixel that the figure owns and its own limb is uppermost there;
  hidden (1) if it lies in the frame, but behind something or on the figure's far side; outside the frame
  it is 0, and its coordinates are 0, as COCO has it.
- Coordinates are shares of the side: a pixel's left edge is x / side, its right edge (x + 1) / side.
"""

import colorsys
import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

from data_prep.microworld import palettes, patterns, scenes
from data_prep.microworld.figures import KEYPOINTS
from data_prep.microworld.recipes import MASK_CLASSES, RECIPES, jittered
from data_prep.microworld.scenes import Ground, Light, Scene, Thing
from data_prep.microworld.sketch import FAR, HOLE, MAIN, NUM_MATERIALS, SECOND, Sketch

SAMPLES = 2  # subpixels a side
OUTLINE = 128  # added to a part's number along its edge
MAX_PARTS = OUTLINE - 1
EDGE_SHADE, FAR_SHADE = 0.62, 0.72

Floats = npt.NDArray[np.float32]
Indices = npt.NDArray[np.uint8]


class Rendered(NamedTuple):
    """A picture and what is known of it.

    Attributes:
      image: [S, S, 3] uint8.
      owner: [S, S] uint8, place of the pixel's object in the scene's things plus 1; 0: none.
      boxes: [N, 4] float32 (ymin, xmin, ymax, xmax) in [0, 1].
      labels: [N] class names.
      mask: [S, S] uint8, indices into MASK_CLASSES.
      person_boxes: [P, 4] float32.
      keypoints: [P, 17, 3] float32 (y, x in [0, 1], visibility).
    """

    image: npt.NDArray[np.uint8]
    owner: npt.NDArray[np.uint8]
    boxes: Floats
    labels: tuple[str, ...]
    mask: npt.NDArray[np.uint8]
    person_boxes: Floats
    keypoints: Floats


class Canvas:
    """The picture while it is painted, back to front."""

    def __init__(self, pixels: Floats, light: Light) -> None:
        self.pixels = pixels  # [S, S, 3] float32 in [0, 1]
        self.size = pixels.shape[0]
        self.light = light
        self.owner = np.zeros(pixels.shape[:2], np.uint8)


class Region(NamedTuple):
    """Part of the canvas, in pixels: rows y0 to y1, columns x0 to x1."""

    y0: int
    x0: int
    y1: int
    x1: int


class Drawing(NamedTuple):
    """The parts of one object in subpixels of a region: number of the uppermost part, 0 for none."""

    region: Region
    parts: Indices


def _draw(points: Floats, sketch: Sketch, size: int) -> Drawing | None:
    """Polygons to part numbers. points: [n, 2] float32 (x, y) in subpixels, of all parts in turn."""
    low = np.floor(points.min(0) / SAMPLES).astype(int)
    high = np.ceil(points.max(0) / SAMPLES).astype(int) + 1
    (x0, y0), (x1, y1) = np.clip(low, 0, size).tolist(), np.clip(high, 0, size).tolist()
    if x0 >= x1 or y0 >= y1:
        return None
    image = Image.new("L", (SAMPLES * (x1 - x0), SAMPLES * (y1 - y0)))
    draw = ImageDraw.Draw(image)
    flat = (points - np.array((SAMPLES * x0, SAMPLES * y0), np.float32)).ravel().tolist()
    start = 0
    for number, part in enumerate(sketch.parts, 1):
        end = start + 2 * len(part.points)
        if part.material == HOLE:
            draw.polygon(flat[start:end], fill=0)
        else:
            draw.polygon(flat[start:end], fill=number, outline=number + OUTLINE)
        start = end
    return Drawing(Region(y0, x0, y1, x1), np.asarray(image))


def _pool(subpixels: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Mean over the subpixels of each pixel."""
    rows = subpixels[0::2] + subpixels[1::2]
    return (rows[:, 0::2] + rows[:, 1::2]) * np.float32(0.25)


def _colors_of_parts(sketch: Sketch, colors: Floats) -> tuple[Floats, Floats]:
    """[256, 3] colour of each part number, and how far a pattern can move it toward the second."""
    first, second = np.zeros((2, 2 * OUTLINE, 3), np.float32)
    materials = np.array([part.material for part in sketch.parts])
    shade = np.where(materials >= FAR, np.float32(FAR_SHADE), np.float32(1))[:, None]
    n, base = len(materials), materials % FAR
    first[1 : n + 1] = colors[base] * shade
    second[1 : n + 1] = np.where((base == MAIN)[:, None], colors[SECOND] * shade, first[1 : n + 1])
    first[OUTLINE:] = first[:OUTLINE] * EDGE_SHADE
    second[OUTLINE:] = second[:OUTLINE] * EDGE_SHADE
    return first, second - first


def _pattern(
    name: str, thing: Thing, drawing: Drawing, to_local: npt.NDArray[np.float64]
) -> npt.NDArray[np.float32]:
    """[h, w] float32: the pattern's tile, laid over the object in the object's own coordinates."""
    scale, turn, offset = thing.pattern
    c, s = math.cos(math.radians(turn)), math.sin(math.radians(turn))
    local = np.array(((c, -s), (s, c))) @ to_local * (scale * patterns.SIZE)
    h, w = drawing.parts.shape
    y = np.arange(h) + SAMPLES * drawing.region.y0
    x = np.arange(w) + SAMPLES * drawing.region.x0
    shift = 1024 + offset * patterns.SIZE
    u = (local[0, 0] * x[None] + (local[0, 1] * y + local[0, 2] + shift)[:, None]).astype(np.intp)
    v = (local[1, 0] * x[None] + (local[1, 1] * y + local[1, 2] + shift)[:, None]).astype(np.intp)
    last = patterns.SIZE - 1
    return patterns.pattern_tile(name)[v & last, u & last]


def _relief(alpha: Floats, radius: float, light: Light) -> tuple[Floats, Floats]:
    """Shading of a rounded body, and its blurred silhouette, from how much of each pixel it covers."""
    image = Image.fromarray((alpha * 255).astype(np.uint8))
    soft = np.asarray(image.filter(ImageFilter.BoxBlur(radius)), np.float32) / 255
    c, s = math.cos(math.radians(light.angle)), math.sin(math.radians(light.angle))
    slope = np.zeros_like(soft)
    slope[:, 1:-1] -= c * (soft[:, 2:] - soft[:, :-2])
    slope[1:-1] -= s * (soft[2:] - soft[:-2])
    return np.clip(1 + light.relief * (slope * radius), 0.5, 1.45), soft


def _cast_shadow(canvas: Canvas, region: Region, soft: Floats, reach: float) -> None:
    """Darkens what lies behind an object, away from the light."""
    dx = round(-reach * math.cos(math.radians(canvas.light.angle)))
    dy = round(-reach * math.sin(math.radians(canvas.light.angle)))
    y0, x0 = max(0, region.y0 + dy), max(0, region.x0 + dx)
    y1, x1 = min(canvas.size, region.y1 + dy), min(canvas.size, region.x1 + dx)
    if y0 >= y1 or x0 >= x1:
        return
    top, left = y0 - region.y0 - dy, x0 - region.x0 - dx
    dark = soft[top : top + y1 - y0, left : left + x1 - x0, None]
    canvas.pixels[y0:y1, x0:x1] *= 1 - canvas.light.shadow * dark


def _paint(canvas: Canvas, drawing: Drawing, colors: Floats, radius: float, owner: int) -> None:
    """Lays an object on the canvas. colors: [h, w, 3] float32 of its subpixels, 0 where it is not."""
    y0, x0, y1, x1 = drawing.region
    alpha = _pool((drawing.parts > 0).astype(np.float32))
    shading, soft = _relief(alpha, radius, canvas.light)
    _cast_shadow(canvas, drawing.region, soft, 0.9 * radius)
    below = canvas.pixels[y0:y1, x0:x1]
    below *= 1 - alpha[:, :, None]
    below += _pool(colors) * shading[:, :, None]
    canvas.owner[y0:y1, x0:x1][alpha >= 0.5] = owner


def _affine(thing: Thing, points: Floats, size: int) -> npt.NDArray[np.float64]:
    """[2, 3] from a sketch's coordinates to the canvas' subpixels."""
    low, high = points.min(0).astype(np.float64), points.max(0).astype(np.float64)
    scale = thing.size * size * SAMPLES / max(high - low)
    c, s = math.cos(math.radians(thing.turn)), math.sin(math.radians(thing.turn))
    across = scale * thing.stretch * (-1 if thing.flip else 1)
    linear = np.array(((c * across, -s * scale), (s * across, c * scale)))
    center = np.array(thing.center) * size * SAMPLES - linear @ ((low + high) / 2)
    return np.concatenate((linear, center[:, None]), 1)


def _to_local(affine: npt.NDArray[np.float64], extent: float) -> npt.NDArray[np.float64]:
    """[2, 3] from subpixels back to a sketch's coordinates, in units of its longest side."""
    inverse = np.linalg.inv(affine[:, :2]) / extent
    return np.concatenate((inverse, -inverse @ affine[:, 2:]), 1)


def sketch_of(thing: Thing) -> Sketch:
    """The parts of an object in its pose and proportions, in its own coordinates."""
    sketch = Sketch()
    numbers = jittered(thing.leaf.numbers, thing.factors)
    RECIPES[thing.leaf.recipe].draw(sketch, thing.moves, **numbers)
    return sketch


def _paint_thing(canvas: Canvas, thing: Thing, owner: int) -> "Placed | None":
    sketch = sketch_of(thing)
    points = np.array([point for part in sketch.parts for point in part.points], np.float32)
    affine = _affine(thing, points, canvas.size)
    placed = (points @ affine[:, :2].T + affine[:, 2]).astype(np.float32)
    drawing = _draw(placed, sketch, canvas.size)
    if drawing is None:
        return None
    palette = RECIPES[thing.leaf.recipe].palette
    first, toward_second = _colors_of_parts(sketch, palettes.materials(palette, thing.colors))
    colors = first[drawing.parts]
    if thing.leaf.pattern != "plain":
        extent = float(np.ptp(points, axis=0).max())
        amount = _pattern(thing.leaf.pattern, thing, drawing, _to_local(affine, extent))
        colors += toward_second[drawing.parts] * amount[:, :, None]
    _paint(canvas, drawing, colors, max(1.0, 0.055 * thing.size * canvas.size), owner)
    return Placed(sketch, affine, drawing)


class Placed(NamedTuple):
    """An object that was painted: what its keypoints are read from."""

    sketch: Sketch
    affine: npt.NDArray[np.float64]
    drawing: Drawing


def _keypoints(placed: Placed, flip: bool, owned: npt.NDArray[np.bool_]) -> Floats:
    """[17, 3] float32 (y, x, visibility) of a figure. owned: [S, S], the pixels that it owns."""
    keypoints = np.zeros((len(KEYPOINTS), 3), np.float32)
    size = owned.shape[0]
    numbers: dict[str, list[int]] = {}
    for number, part in enumerate(placed.sketch.parts, 1):
        numbers.setdefault(part.name, []).append(number)
    for k, name in enumerate(KEYPOINTS):
        x, y, limbs = placed.sketch.joints[_other_side(name) if flip else name]
        x, y = placed.affine[:, :2] @ (x, y) + placed.affine[:, 2]
        column, row = math.floor(x / SAMPLES), math.floor(y / SAMPLES)
        if 0 <= column < size and 0 <= row < size:
            region = placed.drawing.region
            part = placed.drawing.parts[int(y) - SAMPLES * region.y0, int(x) - SAMPLES * region.x0]
            own = any(part % OUTLINE in numbers.get(limb, ()) for limb in limbs)
            visible = own and owned[row, column]
            keypoints[k] = y / SAMPLES / size, x / SAMPLES / size, 2 if visible else 1
    return keypoints


def _other_side(name: str) -> str:
    """A mirrored figure's left is what was its right."""
    if name.startswith("left_"):
        return name.replace("left_", "right_")
    return name.replace("right_", "left_")


def _box(owned: npt.NDArray[np.bool_]) -> tuple[float, float, float, float]:
    rows, columns = np.flatnonzero(owned.any(1)), np.flatnonzero(owned.any(0))
    h, w = owned.shape
    return rows[0] / h, columns[0] / w, (rows[-1] + 1) / h, (columns[-1] + 1) / w


def _background(ground: Ground, size: int) -> Floats:
    """[S, S, 3] float32: two planes with gradients and textures that meet at a horizon."""
    step = patterns.SIZE // (2 * size) or 1
    rows = (np.arange(size) * step + ground.offset[0]) % patterns.SIZE
    columns = (np.arange(size) * step + ground.offset[1]) % patterns.SIZE
    ends = np.array([_ground_color(*row) for row in ground.colors.tolist()], np.float32)
    y = np.arange(size, dtype=np.float32)[:, None] / size
    split = min(size, round(ground.horizon * size))
    pixels = np.empty((size, size, 3), np.float32)
    for plane, (top, bottom) in enumerate(((0, split), (split, size))):
        share = (y[top:bottom] - top / size) / max(1 / size, (bottom - top) / size)
        gradient = ends[2 * plane] + (ends[2 * plane + 1] - ends[2 * plane]) * share
        tile = patterns.ground_tile(ground.tiles[plane])[rows[top:bottom, None], columns]
        texture = 1 + ground.textures[plane] * tile
        np.multiply(gradient[:, None, :], texture[:, :, None], out=pixels[top:bottom])
    return pixels


def _ground_color(h: float, s: float, v: float) -> tuple[float, float, float]:
    return colorsys.hsv_to_rgb(h, 0.1 + 0.5 * s * s, 0.25 + 0.65 * v)


def _clutter_sketch(pieces: list[list[float]], reach: float) -> Sketch:
    """Shapes of no class, in units of the picture. Each piece: 12 uniform numbers."""
    s = Sketch()
    for kind, x, y, r, a, turn, *_ in pieces:
        radius = reach * (0.25 + r * r)
        spin, flat = 360 * turn, 0.25 + 0.75 * a
        if kind < 0.25:
            s.ellipse((x, y), radius, radius * flat, turn=spin)
        elif kind < 0.45:
            end = x + radius * 2.4 * math.cos(spin), y + radius * 2.4 * math.sin(spin)
            s.limb((x, y), end, radius * 0.35, radius * 0.12)
        elif kind < 0.65:
            s.star((x, y), 2, radius, flat, turn=spin)
        elif kind < 0.8:
            s.star((x, y), 3 + int(5 * a), radius, 0.5 + 0.4 * turn, turn=spin)
        elif kind < 0.9:
            s.lathe(((y - radius, radius * a), (y, radius * turn), (y + radius, radius * flat)), x=x)
        else:
            s.chain([(x, y), (x + radius, y - radius * a), (x + radius * turn * 2, y + radius)], radius * 0.3, radius * 0.2)
    return s


def _paint_clutter(canvas: Canvas, pieces: npt.NDArray[np.float64], reach: float) -> None:
    if not len(pieces):
        return
    rows = pieces.tolist()
    sketch = _clutter_sketch(rows, reach)
    scale = canvas.size * SAMPLES
    points = np.array([p for part in sketch.parts for p in part.points], np.float32) * scale
    drawing = _draw(points, sketch, canvas.size)
    if drawing is None:
        return
    table = np.zeros((2 * OUTLINE, 3), np.float32)
    table[1 : len(sketch.parts) + 1] = [
        colorsys.hsv_to_rgb(rows[k % len(rows)][7], 0.8 * rows[k % len(rows)][8], 0.2 + 0.7 * rows[k % len(rows)][9])
        for k in range(len(sketch.parts))
    ]
    table[OUTLINE:] = table[:OUTLINE] * EDGE_SHADE
    _paint(canvas, drawing, table[drawing.parts], max(1.0, 0.02 * canvas.size), 0)


def _develop(canvas: Canvas, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Light over the whole picture, exposure, grain; [S, S, 3] uint8."""
    light, size = canvas.light, canvas.size
    ramp = np.linspace(-1, 1, size, dtype=np.float32)
    c, s = math.cos(math.radians(light.angle)), math.sin(math.radians(light.angle))
    fall = 1 + light.fall * 0.5 * (c * ramp[None] + s * ramp[:, None])
    scale = (255 * light.exposure * np.array(light.tint)).astype(np.float32)
    pixels = canvas.pixels * (fall[:, :, None] * scale)
    pixels += rng.standard_normal((size, size, 1), np.float32) * np.float32(light.grain)
    return np.clip(pixels, 0, 255).astype(np.uint8)


def render(scene: Scene, size: int) -> Rendered:
    """Paints a scene at `size` pixels a side."""
    canvas = Canvas(_background(scene.ground, size), scene.light)
    _paint_clutter(canvas, scene.clutter, 0.16)
    placed = [_paint_thing(canvas, thing, k) for k, thing in enumerate(scene.things, 1)]
    _paint_clutter(canvas, scene.front, 0.1)
    rng = scenes.random_stream(*scene.key, scenes.PIXELS_STREAM)
    image = _develop(canvas, rng)
    groups = np.array([0] + [MASK_CLASSES.index(RECIPES[t.leaf.recipe].group) for t in scene.things])
    boxes, labels, person_boxes, keypoints = [], [], [], []
    for k, (thing, object_) in enumerate(zip(scene.things, placed), 1):
        owned = canvas.owner == k
        if object_ is None or not owned.any():
            continue
        boxes.append(_box(owned))
        labels.append(thing.leaf.name)
        if thing.leaf.recipe == "figure":
            person_boxes.append(boxes[-1])
            keypoints.append(_keypoints(object_, thing.flip, owned))
    return Rendered(
        image,
        canvas.owner,
        np.array(boxes, np.float32).reshape(-1, 4),
        tuple(labels),
        groups.astype(np.uint8)[canvas.owner],
        np.array(person_boxes, np.float32).reshape(-1, 4),
        np.array(keypoints, np.float32).reshape(-1, len(KEYPOINTS), 3),
    )
