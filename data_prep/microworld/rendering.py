"""From a scene to pixels, and to boxes, masks and keypoints that are read off those pixels.

Conventions:
- An object owns a pixel if it covers at least half of it and nothing nearer does.
- A box encloses the pixels that the object owns: the box of what is *visible*, as in COCO. An
  object that owns none has no box, though it is part of the truth.
- A keypoint is visible (2) if it lies in a pixel that the figure owns and its own limb is uppermost
  there; hidden (1) if it lies in the frame, but behind something or on the figure's far side;
  outside the frame it is 0, and its coordinates are 0, as COCO has it.
- Coordinates are shares of the side: pixel x reaches from x / side to (x + 1) / side.
"""

import colorsys
import functools
import math
from itertools import chain
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

from data_prep.microworld import palettes, patterns
from data_prep.microworld.figures import KEYPOINTS
from data_prep.microworld.recipes import MASK_CLASSES, RECIPES, jittered
from data_prep.microworld.scenes import Ground, Light, Scene, Thing
from data_prep.microworld.sketch import FAR, HOLE, MAIN, SECOND, Sketch

SAMPLES = 2  # subpixels a side
OUTLINE = 128  # added to a part's number along its edge
MAX_PARTS = OUTLINE - 1
EDGE_SHADE, FAR_SHADE = 0.62, 0.72

Floats = npt.NDArray[np.float32]
Affine = npt.NDArray[np.float64]  # [2, 3]: a linear map, and a shift in the last column
Indices = npt.NDArray[np.uint8]
RGBA = npt.NDArray[np.uint32]  # four bytes in memory's order: red, green, blue, opacity


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
        # [3, S, S] float32 in [0, 1]: channels first, as NumPy is slow on rows of three.
        self.pixels = pixels
        self.size = pixels.shape[1]
        self.light = light
        self.owner = np.zeros(pixels.shape[1:], np.uint8)


class Region(NamedTuple):
    """Part of the canvas, in pixels: rows y0 to y1, columns x0 to x1."""

    y0: int
    x0: int
    y1: int
    x1: int


class Drawing(NamedTuple):
    """The parts of one object in a region's subpixels: number of the uppermost part; 0: none."""

    region: Region
    parts: Indices


def _draw(points: Floats, sketch: Sketch, size: int) -> Drawing | None:
    """Polygons to part numbers. points: [n, 2] float32 (x, y) in subpixels, part by part."""
    (left, top), (right, bottom) = points.min(0).tolist(), points.max(0).tolist()
    x0, y0 = (max(0, math.floor(low / SAMPLES)) for low in (left, top))
    x1, y1 = (min(size, math.floor(high / SAMPLES) + 1) for high in (right, bottom))
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


def _points(sketch: Sketch) -> Floats:
    """[n, 2] float32 (x, y) of all parts in turn."""
    points = chain.from_iterable(part.points for part in sketch.parts)
    return np.fromiter(chain.from_iterable(points), np.float32).reshape(-1, 2)


def _packed(colors: Floats) -> RGBA:
    """[...] from [..., 3] in [0, 1]; opaque, but for the rows of part 0, which is nothing."""
    rgba = np.full((*colors.shape[:-1], 4), 255, np.uint8)
    rgba[..., :3] = colors * np.float32(255)
    rgba[0] = 0
    return rgba.view(np.uint32)[..., 0]


def _colors_of_parts(sketch: Sketch, colors: Floats, levels: int) -> RGBA:
    """[256, levels] colour of each part number at each level of a pattern, which moves what is of
    the main material toward the second colour."""
    materials = np.array([part.material for part in sketch.parts])
    shade = np.where(materials >= FAR, np.float32(FAR_SHADE), np.float32(1))
    n, base = len(materials), materials % FAR
    table = np.zeros((2 * OUTLINE, levels, 3), np.float32)
    table[1 : n + 1] = (colors[base] * shade[:, None])[:, None]
    if levels > 1:
        share = (base == MAIN)[:, None] * np.linspace(0, 1, levels, dtype=np.float32)
        second = (colors[SECOND] * shade[:, None])[:, None]
        table[1 : n + 1] += share[:, :, None] * (second - table[1 : n + 1])
    table[OUTLINE : OUTLINE + n + 1] = table[: n + 1] * np.float32(EDGE_SHADE)
    return _packed(table)


def _pattern(name: str, thing: Thing, drawing: Drawing, to_local: Affine) -> Indices:
    """[h, w] level of the pattern's tile, laid over the object in the object's own coordinates."""
    scale, turn, offset = thing.pattern
    c, s = math.cos(math.radians(turn)), math.sin(math.radians(turn))
    local = np.array(((c, -s), (s, c))) @ to_local * (scale * patterns.SIZE)
    local[:, 2] += offset * patterns.SIZE
    h, w = drawing.parts.shape
    y = np.arange(SAMPLES * drawing.region.y0, SAMPLES * drawing.region.y0 + h)
    x = np.arange(SAMPLES * drawing.region.x0, SAMPLES * drawing.region.x0 + w)
    last = patterns.SIZE - 1
    u, v = (np.add.outer(row[1] * y + row[2], row[0] * x).astype(np.int32) & last for row in local)
    v *= patterns.SIZE
    v += u
    return patterns.pattern_tile(name).ravel().take(v)


def _relief(opacity: Image.Image, radius: float, light: Light) -> tuple[Floats, Floats]:
    """Shading of a rounded body, and its blurred silhouette, from its opacity."""
    soft = np.asarray(opacity.filter(ImageFilter.BoxBlur(radius)), np.float32)
    soft *= np.float32(1 / 255)
    reach = light.relief * radius
    shading = np.ones_like(soft)
    across = np.float32(-reach * math.cos(math.radians(light.angle)))
    down = np.float32(-reach * math.sin(math.radians(light.angle)))
    shading[:, 1:-1] += across * (soft[:, 2:] - soft[:, :-2])
    shading[1:-1] += down * (soft[2:] - soft[:-2])
    np.maximum(shading, np.float32(0.5), out=shading)
    np.minimum(shading, np.float32(1.45), out=shading)
    return shading, soft


def _cast_shadow(canvas: Canvas, region: Region, soft: Floats, reach: float) -> None:
    """Darkens what lies behind an object, away from the light."""
    dx = round(-reach * math.cos(math.radians(canvas.light.angle)))
    dy = round(-reach * math.sin(math.radians(canvas.light.angle)))
    y0, x0 = max(0, region.y0 + dy), max(0, region.x0 + dx)
    y1, x1 = min(canvas.size, region.y1 + dy), min(canvas.size, region.x1 + dx)
    if y0 >= y1 or x0 >= x1:
        return
    top, left = y0 - region.y0 - dy, x0 - region.x0 - dx
    dark = soft[top : top + y1 - y0, left : left + x1 - x0]
    canvas.pixels[:, y0:y1, x0:x1] *= 1 - np.float32(canvas.light.shadow) * dark


def _paint(canvas: Canvas, region: Region, colors: RGBA, radius: float, owner: int) -> None:
    """Lays an object on the canvas. colors: [h, w] of its subpixels, 0 where it is not."""
    y0, x0, y1, x1 = region
    h, w = colors.shape
    # "RGBX": of "RGBA", PIL would take the opacity out; colours are to come out weighted by it.
    pooled = Image.frombuffer("RGBX", (w, h), colors, "raw", "RGBX", 0, 1).reduce(SAMPLES)
    shading, soft = _relief(pooled.getchannel("X"), radius, canvas.light)
    _cast_shadow(canvas, region, soft, 0.9 * radius)
    rgba = np.asarray(pooled).transpose(2, 0, 1).astype(np.float32, order="C")
    rgba *= np.float32(1 / 255)
    rgba[:3] *= shading
    below = canvas.pixels[:, y0:y1, x0:x1]
    below *= 1 - rgba[3]
    below += rgba[:3]
    np.copyto(canvas.owner[y0:y1, x0:x1], np.uint8(owner), where=rgba[3] >= 0.5)


def _affine(thing: Thing, points: Floats, size: int) -> tuple[Affine, float]:
    """From a sketch's coordinates to the canvas' subpixels, and the sketch's longest side."""
    (x0, y0), (x1, y1) = points.min(0).tolist(), points.max(0).tolist()
    extent = max(x1 - x0, y1 - y0)
    scale = thing.size * size * SAMPLES / extent
    c, s = math.cos(math.radians(thing.turn)), math.sin(math.radians(thing.turn))
    across = scale * thing.stretch * (-1 if thing.flip else 1)
    a, b, d, e = c * across, -s * scale, s * across, c * scale
    x, y = (x0 + x1) / 2, (y0 + y1) / 2
    left, top = (side * size * SAMPLES for side in thing.center)
    return np.array(((a, b, left - a * x - b * y), (d, e, top - d * x - e * y))), extent


def _to_local(affine: Affine, extent: float) -> Affine:
    """From subpixels back to a sketch's coordinates, in units of its longest side."""
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
    points = _points(sketch)
    affine, extent = _affine(thing, points, canvas.size)
    placed = points @ affine[:, :2].T.astype(np.float32) + affine[:, 2].astype(np.float32)
    drawing = _draw(placed, sketch, canvas.size)
    if drawing is None:
        return None
    materials = palettes.materials(RECIPES[thing.leaf.recipe].palette, thing.colors)
    plain = thing.leaf.pattern == "plain"
    table = _colors_of_parts(sketch, materials, 1 if plain else patterns.LEVELS)
    if plain:
        colors = table[:, 0].take(drawing.parts)
    else:
        level = _pattern(thing.leaf.pattern, thing, drawing, _to_local(affine, extent))
        colors = table.ravel().take(drawing.parts.astype(np.int32) * patterns.LEVELS + level)
    radius = max(1.0, 0.055 * thing.size * canvas.size)
    _paint(canvas, drawing.region, colors, radius, owner)
    return Placed(sketch, affine, drawing)


class Placed(NamedTuple):
    """An object that was painted: what its keypoints are read from."""

    sketch: Sketch
    affine: Affine
    drawing: Drawing


def _keypoints(placed: Placed, flip: bool, owned: npt.NDArray[np.bool_]) -> Floats:
    """[17, 3] float32 (y, x, visibility) of a figure. owned: [S, S], the pixels that it owns."""
    keypoints = np.zeros((len(KEYPOINTS), 3), np.float32)
    size, parts, region = owned.shape[0], placed.sketch.parts, placed.drawing.region
    (a, b, left), (d, e, top) = placed.affine.tolist()
    for k, name in enumerate(KEYPOINTS):
        x, y, limbs = placed.sketch.joints[_other_side(name) if flip else name]
        x, y = a * x + b * y + left, d * x + e * y + top  # subpixels
        column, row = math.floor(x / SAMPLES), math.floor(y / SAMPLES)
        if 0 <= column < size and 0 <= row < size:
            visible = False
            if limbs and owned[row, column]:
                subpixel = int(y) - SAMPLES * region.y0, int(x) - SAMPLES * region.x0
                number = int(placed.drawing.parts[subpixel]) % OUTLINE
                visible = number > 0 and parts[number - 1].name in limbs
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
    """[3, S, S] float32: two planes with gradients and textures that meet at a horizon."""
    ends = np.array([_ground_color(*row) for row in ground.colors.tolist()], np.float32)
    split = min(size, round(ground.horizon * size))
    pixels = np.empty((3, size, size), np.float32)
    for plane, (top, bottom) in enumerate(((0, split), (split, size))):
        first, last = ends[2 * plane : 2 * plane + 2, :, None, None]
        share = np.arange(bottom - top, dtype=np.float32)[:, None] / max(1, bottom - top)
        tile = _window(patterns.ground_tile(ground.tiles[plane]), ground.offset, size)
        texture = 1 + np.float32(ground.textures[plane]) * tile[top:bottom]
        np.multiply(first + (last - first) * share, texture, out=pixels[:, top:bottom])
    return pixels


def _window(tile: Floats, offset: tuple[int, int], size: int) -> Floats:
    """[S, S] of an endlessly repeated tile."""
    y, x = offset
    if max(y, x) + size > patterns.SIZE:
        rows, columns = (np.arange(start, start + size) % patterns.SIZE for start in offset)
        return tile.take(rows, 0).take(columns, 1)
    return tile[y : y + size, x : x + size]


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
            s.lathe(
                ((y - radius, radius * a), (y, radius * turn), (y + radius, radius * flat)), x=x
            )
        else:
            s.chain(
                [(x, y), (x + radius, y - radius * a), (x + radius * turn * 2, y + radius)],
                radius * 0.3,
                radius * 0.2,
            )
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
    colors = [colorsys.hsv_to_rgb(row[7], 0.8 * row[8], 0.2 + 0.7 * row[9]) for row in rows]
    table = np.zeros((2 * OUTLINE, 3), np.float32)
    n = len(sketch.parts)
    table[1 : n + 1] = [colors[k % len(rows)] for k in range(n)]
    table[OUTLINE : OUTLINE + n + 1] = table[: n + 1] * np.float32(EDGE_SHADE)
    _paint(canvas, drawing.region, _packed(table).take(drawing.parts), 0.02 * canvas.size, 0)


@functools.cache
def _ramp(size: int) -> Floats:
    return np.linspace(-0.5, 0.5, size, dtype=np.float32)


def _develop(canvas: Canvas) -> npt.NDArray[np.uint8]:
    """Light over the whole picture, exposure, grain; [S, S, 3] uint8."""
    light, ramp = canvas.light, _ramp(canvas.size)
    across = np.float32(light.fall * math.cos(math.radians(light.angle))) * ramp
    down = np.float32(light.fall * math.sin(math.radians(light.angle))) * ramp
    pixels = canvas.pixels
    pixels *= np.add.outer(1 + down, across)
    pixels *= (255 * light.exposure * np.array(light.tint)).astype(np.float32)[:, None, None]
    grain = _window(patterns.grain_tile(), light.grain_offset, canvas.size)
    pixels += np.float32(light.grain) * grain
    np.maximum(pixels, 0, out=pixels)
    np.minimum(pixels, 255, out=pixels)
    return np.ascontiguousarray(pixels.astype(np.uint8).transpose(1, 2, 0))


def render(scene: Scene, size: int) -> Rendered:
    """Paints a scene at `size` pixels a side."""
    canvas = Canvas(_background(scene.ground, size), scene.light)
    _paint_clutter(canvas, scene.clutter, 0.16)
    placed = [_paint_thing(canvas, thing, k) for k, thing in enumerate(scene.things, 1)]
    _paint_clutter(canvas, scene.front, 0.1)
    image = _develop(canvas)
    groups = np.array(
        [0] + [MASK_CLASSES.index(RECIPES[t.leaf.recipe].group) for t in scene.things]
    )
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
