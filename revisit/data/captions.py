"""Pictures with words under them, for people to look at."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

MIN_SIDE = 192  # pixels; small pictures are enlarged so that words fit under them
LINE_HEIGHT = 12
NUM_LINES = 4


def _fit(text: str, font: ImageFont.ImageFont | ImageFont.FreeTypeFont, width: int) -> list[str]:
    """Breaks comma-separated words into lines of a width in pixels, the last an ellipsis."""
    lines = [""]
    for word in text.split(", "):
        longer = f"{lines[-1]}, {word}" if lines[-1] else word
        if font.getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    if len(lines) > NUM_LINES:
        lines = lines[: NUM_LINES - 1] + ["..."]
    return lines


def caption_images(pictures: np.ndarray, words: Sequence[Sequence[str]]) -> np.ndarray:
    """Writes each picture's words under it.

    Args:
      pictures: [N, H, W, 3] uint8.
      words: N lists.

    Returns:
      [N, H', W', 3] uint8, W' = W times a whole number.
    """
    scale = max(1, -(-MIN_SIDE // pictures.shape[2]))
    height, width = pictures.shape[1] * scale, pictures.shape[2] * scale
    font = ImageFont.load_default(size=LINE_HEIGHT - 2)
    captioned = []
    for picture, listed in zip(pictures, words, strict=True):
        canvas = Image.new("RGB", (width, height + LINE_HEIGHT * NUM_LINES + 4), "white")
        canvas.paste(Image.fromarray(picture).resize((width, height), Image.Resampling.NEAREST))
        draw = ImageDraw.Draw(canvas)
        for row, line in enumerate(_fit(", ".join(listed), font, width - 4)):
            draw.text((2, height + 2 + row * LINE_HEIGHT), line, "black", font)
        captioned.append(np.asarray(canvas))
    return np.stack(captioned)
