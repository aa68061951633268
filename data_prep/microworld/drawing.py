"""From a scene to the uppermost part in each subpixel: shapes, depth and patterns, no light yet.

Everything in a picture is drawn on one canvas of part numbers, back to front; colours, shading and
annotations are then read off those numbers once, however many things there are.
"""

import colorsys
import math
from itertools import chain
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from data_prep.microworld import palettes, patterns
from data_prep.microworld.recipes import RECIPES, jittered
from data_prep.microworld.scenes import Scene, Thing
from data_prep.microworld.sketch import FAR, HOLE, MAIN, SECOND, Point, Sketch

SAMPLES = 2  # subpixels a side
BACK_CLUTTER_REACH, FRONT_CLUTTER_REACH = 0.16, 0.1  # shares of the picture's side
EDGE_SHADE, FAR_SHADE = 0.62, 0.72
CLUTTER_HEIGHT, THING_HEIGHT = 0.5, 0.75  # above the background; 1 is nearest
PART_RISE = 0.1  # of the last part of a thing above its first

Floats = npt.NDArray[np.float32]
Affine = npt.NDArray[np.float64]  # [2, 3]: a linear map, and a shift in the last column


class Layer(NamedTuple):
    """What is drawn at one depth: an object, or clutter.

    Attributes:
      sketch: its parts.
      affine: from the sketch's coordinates to subpixels.
      points: [2n] float32 x, y, x, y ... in subpixels, part by part.
      colors: of the sketch's materials, in [0, 1].
      height: of its first and last part above the background, in [0, 1].
      thing: the object; None for clutter, which has no class.
    """

    sketch: Sketch
    affine: Affine
    points: Floats
    colors: list[palettes.Color]
    height: tuple[float, float]
    thing: Thing | None = None


class Drawing(NamedTuple):
    """A scene in part numbers, which count from 1 over all layers.

    Attributes:
      layers: back to front.
      firsts: number of each layer's first part, and that of the next layer's if there were one.
      numbers: [2S, 2S] twice the number of the uppermost part, plus 1 on its edge; 0: nothing.
    """

    layers: list[Layer]
    firsts: list[int]
    numbers: npt.NDArray[np.intp]


def _points(sketch: Sketch) -> Floats:
    """[2n] float32 x, y, x, y ... of all parts in turn."""
    points = chain.from_iterable([part.points for part in sketch.parts])
    return np.fromiter(chain.from_iterable(points), np.float32)


def sketch_of(thing: Thing) -> Sketch:
    """The parts of an object in its pose and proportions, in its own coordinates."""
    sketch = Sketch()
    numbers = jittered(thing.leaf.numbers, thing.factors)
    recipe = RECIPES[thing.leaf.recipe]
    recipe.draw(sketch, thing.moves, recipe.traits(**numbers))
    return sketch


def _extent(points: Floats) -> tuple[float, float, float, float]:
    """Least x and y, greatest x and y."""
    x, y = points[::2], points[1::2]
    return float(x.min()), float(y.min()), float(x.max()), float(y.max())


def _placed(points: Floats, affine: Affine) -> Floats:
    """Points of a sketch in subpixels."""
    (a, b, left), (d, e, top) = affine.astype(np.float32)
    placed = np.empty_like(points)
    x, y = points[::2], points[1::2]
    placed[::2] = a * x + (b * y + left)
    placed[1::2] = d * x + (e * y + top)
    return placed


def _affine(thing: Thing, points: Floats, size: int) -> Affine:
    """From a sketch's coordinates to the canvas' subpixels."""
    x0, y0, x1, y1 = _extent(points)
    scale = thing.size * size * SAMPLES / max(x1 - x0, y1 - y0)
    c, s = math.cos(math.radians(thing.turn)), math.sin(math.radians(thing.turn))
    across = scale * thing.stretch * (-1 if thing.flip else 1)
    a, b, d, e = c * across, -s * scale, s * across, c * scale
    x, y = (x0 + x1) / 2, (y0 + y1) / 2
    left, top = (side * size * SAMPLES for side in thing.center)
    return np.array(((a, b, left - a * x - b * y), (d, e, top - d * x - e * y)))


def _thing_layer(thing: Thing, size: int, height: float) -> Layer:
    sketch = sketch_of(thing)
    points = _points(sketch)
    affine = _affine(thing, points, size)
    colors = palettes.materials(RECIPES[thing.leaf.recipe].palette, thing.colors)
    heights = height - PART_RISE, height
    return Layer(sketch, affine, _placed(points, affine), colors, heights, thing)


def _clutter_sketch(pieces: list[list[float]], reach: float) -> Sketch:
    """Shapes of no class, in units of the picture, each of its own material, from 1 on.

    pieces: rows of 12 uniform numbers.
    """
    s = Sketch()
    for material, (kind, x, y, r, a, turn, *_) in enumerate(pieces, 1):
        radius = reach * (0.25 + r * r)
        spin, flat = 360 * turn, 0.25 + 0.75 * a
        if kind < 0.25:
            s.ellipse((x, y), radius, radius * flat, material, turn=spin)
        elif kind < 0.45:
            end = x + radius * 2.4 * math.cos(spin), y + radius * 2.4 * math.sin(spin)
            s.limb((x, y), end, radius * 0.35, radius * 0.12, material)
        elif kind < 0.65:
            s.star((x, y), 2, radius, flat, material, turn=spin)
        elif kind < 0.8:
            s.star((x, y), 3 + int(5 * a), radius, 0.5 + 0.4 * turn, material, turn=spin)
        elif kind < 0.9:
            knots = (y - radius, radius * a), (y, radius * turn), (y + radius, radius * flat)
            s.lathe(knots, material, x=x)
        else:
            path = [(x, y), (x + radius, y - radius * a), (x + radius * turn * 2, y + radius)]
            s.chain(path, radius * 0.3, radius * 0.2, material)
    return s


def _clutter_layers(
    pieces: npt.NDArray[np.float64], reach: float, size: int, height: float
) -> list[Layer]:
    """One layer, or none where there are no pieces."""
    if not len(pieces):
        return []
    rows = pieces.tolist()
    sketch = _clutter_sketch(rows, reach)
    scale = float(size * SAMPLES)
    affine = np.array(((scale, 0.0, 0.0), (0.0, scale, 0.0)))
    colors = [colorsys.hsv_to_rgb(row[7], 0.8 * row[8], 0.2 + 0.7 * row[9]) for row in rows]
    points = _points(sketch) * np.float32(scale)
    return [Layer(sketch, affine, points, [colors[0], *colors], (height, height))]


def _layers(scene: Scene, size: int) -> list[Layer]:
    """All that is drawn, back to front."""
    steps = (1 - THING_HEIGHT) / len(scene.things)
    things = [
        _thing_layer(thing, size, THING_HEIGHT + steps * k)
        for k, thing in enumerate(scene.things, 1)
    ]
    back = _clutter_layers(scene.clutter, BACK_CLUTTER_REACH, size, CLUTTER_HEIGHT)
    return back + things + _clutter_layers(scene.front, FRONT_CLUTTER_REACH, size, 1.0)


def _cut(image: Image.Image, behind: Image.Image, polygon: list[float]) -> None:
    """Lets what is behind show through a hole."""
    hole = Image.new("1", image.size)
    ImageDraw.Draw(hole).polygon(polygon, fill=1)
    image.paste(behind, mask=hole)


def draw(scene: Scene, size: int) -> Drawing:
    """Draws a scene for a picture of `size` pixels a side."""
    layers = _layers(scene, size)
    image = Image.new("I", (SAMPLES * size, SAMPLES * size))
    firsts = [1]
    for layer in layers:
        _draw_layer(image, layer, firsts[-1])
        firsts.append(firsts[-1] + len(layer.sketch.parts))
    return Drawing(layers, firsts, np.asarray(image).astype(np.intp))


def _draw_layer(image: Image.Image, layer: Layer, first: int) -> None:
    parts, flat = layer.sketch.parts, layer.points.tolist()
    holes = any(part.material == HOLE for part in parts)
    behind = image.copy() if holes else image
    pen = ImageDraw.Draw(image)
    start = 0
    for number, part in enumerate(parts, first):
        end = start + 2 * len(part.points)
        if part.material == HOLE:
            _cut(image, behind, flat[start:end])
        else:
            pen.polygon(flat[start:end], fill=2 * number, outline=2 * number + 1)
        start = end


def part_at(drawing: Drawing, layer: int, point: Point) -> str:
    """Name of the layer's part that is uppermost at a point (x, y) in subpixels inside the canvas;
    "" where another layer's is, or none."""
    parts = drawing.layers[layer].sketch.parts
    place = int(drawing.numbers[int(point[1]), int(point[0])]) // 2 - drawing.firsts[layer]
    return parts[place].name if 0 <= place < len(parts) else ""


def owners(drawing: Drawing) -> npt.NDArray[np.uint8]:
    """[2S, 2S] uint8 place of the subpixel's object among the objects, from 1; 0: no object's."""
    table, place = [0, 0], 0
    for layer in drawing.layers:
        place += layer.thing is not None
        table += [place if layer.thing else 0] * (2 * len(layer.sketch.parts))
    return np.array(table, np.uint8).take(drawing.numbers)


def _rows(layers: list[Layer]) -> Floats:
    """[1 + parts, 4] float32 red, green, blue, height of all parts in [0, 1]; first nothing's."""
    rows, shades = [(0.0, 0.0, 0.0, 0.0)], [1.0]
    for sketch, _, _, colors, (first, last), _ in layers:
        rise = (last - first) / len(sketch.parts)
        for k, (_, material, _) in enumerate(sketch.parts):
            rows.append((*colors[material % FAR], first + rise * k))
            shades.append(1.0 if material < FAR else FAR_SHADE)
    table = np.array(rows, np.float32)
    table[:, :3] *= np.array(shades, np.float32)[:, None]
    return table


def _patterned_rows(layer: Layer, rows: Floats) -> Floats:
    """[LEVELS * parts, 4] the rows at each level of a pattern, which moves what is of the main
    material toward the second color."""
    main = np.array([part.material % FAR == MAIN for part in layer.sketch.parts])
    second = rows.copy()
    second[main, :3] = layer.colors[SECOND]
    share = np.linspace(0, 1, patterns.LEVELS, dtype=np.float32)[:, None, None]
    return (rows + share * (second - rows)).reshape(-1, 4)


def _to_pattern(thing: Thing, size: int) -> Affine:
    """From subpixels to a pattern's tile, which lies on the object and turns with it."""
    scale, turn, offset = thing.pattern
    c, s = math.cos(math.radians(thing.turn)), math.sin(math.radians(thing.turn))
    across = (-1 if thing.flip else 1) / thing.stretch
    upright = np.array(((c * across, s * across), (-s, c)))
    c, s = math.cos(math.radians(turn)), math.sin(math.radians(turn))
    repeats = scale * patterns.SIZE / (thing.size * size * SAMPLES)
    linear = np.array(((c, -s), (s, c))) @ upright * repeats
    center = np.array(thing.center) * (size * SAMPLES)
    return np.concatenate((linear, (offset * patterns.SIZE - linear @ center)[:, None]), 1)


def _levels(thing: Thing, size: int, region: tuple[slice, slice]) -> npt.NDArray[np.uint8]:
    """[h, w] level of the pattern's tile in a region of the canvas, in subpixels."""
    y, x = (np.arange(side.start, side.stop) for side in region)
    last = patterns.SIZE - 1
    u, v = (
        np.add.outer(row[1] * y + row[2], row[0] * x).astype(np.intp) & last
        for row in _to_pattern(thing, size)
    )
    v *= patterns.SIZE
    v += u
    return patterns.pattern_tile(thing.leaf.pattern).ravel().take(v)


def _region(points: Floats, side: int) -> tuple[slice, slice]:
    """Rows and columns of the canvas that hold the points."""
    x0, y0, x1, y1 = (min(max(int(edge), 0), side - 1) for edge in _extent(points))
    return slice(y0, y1 + 1), slice(x0, x1 + 1)


def _patterned(drawing: Drawing, rows: Floats) -> tuple[npt.NDArray[np.intp], Floats]:
    """The numbers and rows with further ones for the levels of patterns."""
    numbers, tables, extra = drawing.numbers.copy(), [rows], len(rows)
    for layer, first, end in zip(drawing.layers, drawing.firsts, drawing.firsts[1:]):
        if layer.thing and layer.thing.leaf.pattern != "plain":
            region = _region(layer.points, len(numbers))
            inside = numbers[region]
            level = _levels(layer.thing, len(numbers) // SAMPLES, region)
            own = (inside >= 2 * first) & (inside < 2 * end)
            shift = 2 * (extra - first + (end - first) * level.astype(np.intp))
            np.add(inside, shift, out=inside, where=own)
            tables.append(_patterned_rows(layer, rows[first:end]))
            extra += len(tables[-1])
    return numbers, np.concatenate(tables)


def colors(drawing: Drawing) -> npt.NDArray[np.uint32]:
    """[2S, 2S] four bytes in memory's order: red, green, blue, height; 0 where nothing is."""
    numbers, rows = _patterned(drawing, _rows(drawing.layers))
    shades = np.array(((1, 1, 1, 1), (EDGE_SHADE, EDGE_SHADE, EDGE_SHADE, 1)), np.float32)
    table = rows[:, None] * (255 * shades)
    return table.astype(np.uint8).view(np.uint32).ravel().take(numbers)
