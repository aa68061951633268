"""From a scene to pixels, and to boxes, masks and keypoints that are read off the same drawing.

Conventions:
- A pixel belongs to the nearest object that, with what is nearer still, covers half of it.
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
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from data_prep.microworld import drawing as drawings
from data_prep.microworld import patterns
from data_prep.microworld.drawing import SAMPLES, Drawing, Floats
from data_prep.microworld.recipes import MASK_CLASSES, RECIPES
from data_prep.microworld.scenes import Ground, Light, Scene
from revisit.data.records import KEYPOINTS

ROUNDNESS = 0.03  # how far shading reaches into a body, as a share of the picture's side
SHADOW_REACH = 0.045  # length of the shadow of what is nearest, the same
DARKEST, LIGHTEST = np.float32(0.5), np.float32(1.45)  # of a body in the light


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


def _quarters(plane: npt.NDArray) -> tuple[npt.NDArray, ...]:
    """Four views [S, S] of a plane of subpixels [2S, 2S]: the four of every pixel."""
    return plane[::2, ::2], plane[::2, 1::2], plane[1::2, ::2], plane[1::2, 1::2]


def _owner(subpixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """[S, S] from [2S, 2S]: the second nearest of a pixel's four owners, as nearer is greater."""
    a, b, c, d = _quarters(subpixels)
    nearest = np.minimum(np.maximum(a, b), np.maximum(c, d))
    return np.maximum(nearest, np.maximum(np.minimum(a, b), np.minimum(c, d)))


def _relief(height: Floats, light: Light) -> Floats:
    """[S, S] shading of what rises toward or away from the light. height: [S, S] in [0, 1]."""
    shading = np.ones_like(height)
    across = np.float32(-2 * light.relief * math.cos(math.radians(light.angle)))
    down = np.float32(-2 * light.relief * math.sin(math.radians(light.angle)))
    shading[:, 1:-1] += across * (height[:, 2:] - height[:, :-2])
    shading[1:-1] += down * (height[2:] - height[:-2])
    # Twice as quick as np.clip on arrays as small as these.
    return np.minimum(np.maximum(shading, DARKEST), LIGHTEST)


def _lit(height: Floats, light: Light) -> Floats:
    """[S, S] share of the light that is left in the shadow of what is higher."""
    size = len(height)
    reach = SHADOW_REACH * size
    dx = round(-reach * math.cos(math.radians(light.angle)))
    dy = round(-reach * math.sin(math.radians(light.angle)))
    here = slice(max(0, dy), size + min(0, dy)), slice(max(0, dx), size + min(0, dx))
    there = slice(max(0, -dy), size - max(0, dy)), slice(max(0, -dx), size - max(0, dx))
    lit = np.ones_like(height)
    lit[here] -= np.float32(light.shadow) * np.maximum(height[there] - height[here], 0)
    return lit


def _paint(drawing: Drawing, pixels: Floats, light: Light) -> None:
    """Lays a drawing, lit, on a background [3, S, S] in [0, 1]."""
    colors = drawings.colors(drawing)
    # "RGBX": of "RGBA", PIL would weight colours by the last channel, which is height here.
    pooled = Image.frombuffer("RGBX", colors.shape, colors, "raw", "RGBX", 0, 1).reduce(SAMPLES)
    blur = ImageFilter.BoxBlur(ROUNDNESS * len(pixels[0]))
    height = np.asarray(pooled.getchannel("X").filter(blur)) * np.float32(1 / 255)
    planes = np.ascontiguousarray(np.asarray(pooled).reshape(-1, 4).T[:3])
    painted = planes.reshape(pixels.shape) * np.float32(1 / 255)
    a, b, c, d = _quarters((drawing.numbers > 0).view(np.uint8))
    pixels *= 1 - np.float32(1 / SAMPLES**2) * (a + b + c + d)
    pixels += painted * _relief(height, light)
    pixels *= _lit(height, light)


def _keypoints(drawing: Drawing, layer: int, owned: npt.NDArray[np.bool_]) -> Floats:
    """[17, 3] float32 (y, x, visibility) of a figure. owned: [S, S], the pixels that it owns."""
    sketch, affine, *_, thing = drawing.layers[layer]
    keypoints = np.zeros((len(KEYPOINTS), 3), np.float32)
    (a, b, left), (d, e, top) = affine.tolist()
    side = SAMPLES * len(owned)
    for k, name in enumerate(KEYPOINTS):
        x, y, limbs = sketch.joints[_other_side(name) if thing and thing.flip else name]
        x, y = a * x + b * y + left, d * x + e * y + top  # subpixels
        if 0 <= x < side and 0 <= y < side:
            own = owned[int(y / SAMPLES), int(x / SAMPLES)]
            visible = own and drawings.part_at(drawing, layer, (x, y)) in limbs
            keypoints[k] = y / side, x / side, 2 if visible else 1
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


@functools.cache
def _ramp(size: int) -> Floats:
    return np.linspace(-0.5, 0.5, size, dtype=np.float32)


def _develop(pixels: Floats, light: Light) -> npt.NDArray[np.uint8]:
    """Light over the whole picture, exposure, grain: [S, S, 3] uint8 from [3, S, S] in [0, 1]."""
    size = pixels.shape[1]
    across = np.float32(light.fall * math.cos(math.radians(light.angle))) * _ramp(size)
    down = np.float32(light.fall * math.sin(math.radians(light.angle))) * _ramp(size)
    pixels *= np.add.outer(1 + down, across)
    pixels *= (255 * light.exposure * np.array(light.tint)).astype(np.float32)[:, None, None]
    pixels += np.float32(light.grain) * _window(patterns.grain_tile(), light.grain_offset, size)
    pixels = np.minimum(np.maximum(pixels, 0), 255)
    return np.ascontiguousarray(pixels.astype(np.uint8).transpose(1, 2, 0))


def render(scene: Scene, size: int) -> Rendered:
    """Paints a scene at `size` pixels a side."""
    drawing = drawings.draw(scene, size)
    # Channels first, as NumPy is slow on rows of three.
    pixels = _background(scene.ground, size)
    _paint(drawing, pixels, scene.light)
    owner = _owner(drawings.owners(drawing))
    boxes, labels, person_boxes, keypoints, groups = [], [], [], [], [0]
    things = [(k, layer.thing) for k, layer in enumerate(drawing.layers) if layer.thing]
    for place, (layer, thing) in enumerate(things, 1):
        groups.append(MASK_CLASSES.index(RECIPES[thing.leaf.recipe].group))
        owned = owner == place
        if not owned.any():
            continue
        boxes.append(_box(owned))
        labels.append(thing.leaf.name)
        if thing.leaf.recipe == "figure":
            person_boxes.append(boxes[-1])
            keypoints.append(_keypoints(drawing, layer, owned))
    return Rendered(
        _develop(pixels, scene.light),
        owner,
        np.array(boxes, np.float32).reshape(-1, 4),
        tuple(labels),
        np.array(groups, np.uint8)[owner],
        np.array(person_boxes, np.float32).reshape(-1, 4),
        np.array(keypoints, np.float32).reshape(-1, len(KEYPOINTS), 3),
    )
