"""Colours of materials: drawn anew for each instance, from ranges that whole families share."""

import colorsys

from data_prep.microworld import sketch

# Ranges of hue, saturation and value (each from, to) that a family's main colours come from.
PALETTES: dict[str, tuple[tuple[float, ...], ...]] = {
    "cloth": ((0.0, 1.0, 0.25, 0.9, 0.3, 0.95), (0.0, 1.0, 0.0, 0.25, 0.2, 0.95)),
    "coat": ((0.04, 0.12, 0.2, 0.7, 0.25, 0.85), (0.0, 1.0, 0.0, 0.12, 0.15, 0.95)),
    "feather": ((0.0, 1.0, 0.2, 0.9, 0.3, 0.95), (0.04, 0.14, 0.1, 0.6, 0.2, 0.9)),
    "paint": ((0.0, 1.0, 0.5, 0.95, 0.4, 0.95), (0.0, 1.0, 0.0, 0.15, 0.25, 1.0)),
    "leaf": ((0.2, 0.42, 0.35, 0.85, 0.25, 0.7), (0.03, 0.17, 0.45, 0.9, 0.35, 0.85)),
    "bloom": ((0.78, 1.16, 0.45, 0.95, 0.55, 1.0), (0.1, 0.36, 0.4, 0.95, 0.5, 0.95)),
    "stone": ((0.02, 0.14, 0.1, 0.55, 0.35, 0.9), (0.5, 0.7, 0.02, 0.2, 0.4, 0.85)),
    "wood": ((0.04, 0.11, 0.3, 0.75, 0.25, 0.75), (0.0, 1.0, 0.3, 0.8, 0.3, 0.9)),
    "glaze": ((0.0, 1.0, 0.15, 0.8, 0.4, 0.98), (0.05, 0.12, 0.3, 0.7, 0.4, 0.8)),
    "metal": ((0.1, 0.16, 0.3, 0.7, 0.6, 0.9), (0.5, 0.7, 0.0, 0.2, 0.35, 0.8)),
}
ANY = (0.0, 1.0, 0.1, 0.95, 0.2, 0.97)
ODD_COLOR_RATE = 0.3  # instances whose main colour ignores the palette: colour is a weak cue

SKINS = (
    (1.0, 0.86, 0.73),
    (0.93, 0.74, 0.58),
    (0.76, 0.56, 0.4),
    (0.55, 0.37, 0.25),
    (0.36, 0.24, 0.17),
)
HAIRS = ((0.1, 0.08, 0.07), (0.3, 0.18, 0.1), (0.55, 0.34, 0.15), (0.85, 0.7, 0.4), (0.7, 0.7, 0.7))

Color = tuple[float, float, float]


def _pick(row: tuple[float, ...], u: list[float]) -> Color:
    h, s, v = (row[2 * k] + (row[2 * k + 1] - row[2 * k]) * u[k] for k in range(3))
    return colorsys.hsv_to_rgb(h % 1.0, s, v)


def _contrast(color: Color, u: list[float]) -> Color:
    """A second colour that differs in lightness by at least a third of the range."""
    h, s, v = colorsys.rgb_to_hsv(*color)
    other = v - 0.35 - 0.25 * u[0] if v > 0.55 else v + 0.35 + 0.2 * u[0]
    shift = 0.5 * u[1] ** 3
    return colorsys.hsv_to_rgb((h + shift) % 1.0, min(1.0, s * (0.4 + 0.9 * u[2])), other)


def materials(palette: str, u: list[float]) -> list[Color]:
    """Colours of every material of one instance.

    Args:
      palette: a key of PALETTES.
      u: [16] uniform numbers in [0, 1).

    Returns:
      [sketch.NUM_MATERIALS] of (red, green, blue) in [0, 1].
    """
    rows = PALETTES[palette]
    row = ANY if u[0] < ODD_COLOR_RATE else rows[0 if u[1] < 0.65 else 1]
    main = _pick(row, u[2:5])
    colors: list[Color] = [(0.0, 0.0, 0.0)] * sketch.NUM_MATERIALS
    colors[sketch.MAIN] = main
    colors[sketch.SECOND] = _contrast(main, u[5:8])
    colors[sketch.ACCENT] = _pick(ANY if u[8] < 0.7 else rows[-1], u[9:12])
    dark = 0.08 + 0.16 * u[12]
    colors[sketch.DARK] = (dark, dark * 0.95, dark * 1.05)
    colors[sketch.SKIN] = SKINS[int(u[13] * len(SKINS))]
    colors[sketch.GLASS] = (0.55 + 0.2 * u[14], 0.75, 0.85)
    steel = 0.55 + 0.25 * u[14]
    colors[sketch.METAL] = (steel, steel, steel * 1.04)
    light = 0.82 + 0.16 * u[15]
    colors[sketch.LIGHT] = (light, light, light * 0.93)
    colors[sketch.HAIR] = HAIRS[int(u[12] * len(HAIRS))]
    return colors
