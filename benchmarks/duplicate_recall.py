"""How many near duplicates are found, and how many different pictures are taken for such.

    python -m benchmarks.duplicate_recall [--photographs=DIR,DIR]

Each photograph is compared with a changed copy of every one: the pairs of its own are to be found
(recall), all others are not (docs/duplicates.md has the figures). Without --photographs it makes
smooth pictures of its own.
"""

import io
import logging
import pathlib
import tempfile
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from absl import app, flags
from PIL import Image, ImageEnhance

from benchmarks import table
from data_prep import directory as directory_lib
from data_prep import shards, thumbnails
from data_prep.builder import run_pipeline
from data_prep.duplicates import File, Pair
from data_prep.pipeline import WriteDuplicates

_PHOTOGRAPHS = flags.DEFINE_list("photographs", [], "folders of JPEGs; makes its own if empty")
_NUM_SELF_MADE = 100

Change = Callable[[Image.Image], Image.Image]


def make_picture(seed: int) -> Image.Image:
    """A smooth picture of random colors, 160 x 120 pixels."""
    generator = np.random.default_rng(seed)
    coarse = Image.fromarray(generator.integers(0, 256, (6, 8, 3), np.uint8))
    return coarse.resize((160, 120), Image.Resampling.BICUBIC)


def _coded(image: Image.Image, quality: int) -> Image.Image:
    encoded = io.BytesIO()
    image.save(encoded, "JPEG", quality=quality)
    return Image.open(encoded).convert("RGB")


def _cropped(image: Image.Image, share: float) -> Image.Image:
    """Without this share of the width and height on each side."""
    width, height = image.size
    left, top = round(width * share), round(height * share)
    return image.crop((left, top, width - left, height - top))


def _brighter(image: Image.Image, factor: float) -> Image.Image:
    return ImageEnhance.Brightness(image).enhance(factor)


def _mirrored(image: Image.Image) -> Image.Image:
    return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)


def _all_at_once(image: Image.Image) -> Image.Image:
    small = _mirrored(_cropped(image, 0.01)).resize((256, 256))
    return _coded(_brighter(small, 1.15), 50)


# What near duplicates are made by, as they are met on the web.
CHANGES: dict[str, Change] = {
    "as it is": lambda image: image,
    "JPEG quality 30": lambda image: _coded(image, 30),
    "JPEG quality 10": lambda image: _coded(image, 10),
    "grey": lambda image: image.convert("L"),
    "brightness x 0.6": lambda image: _brighter(image, 0.6),
    "half the size": lambda image: image.resize((image.width // 2, image.height // 2)),
    "mirrored": _mirrored,
    "contrast x 1.4": lambda image: ImageEnhance.Contrast(image).enhance(1.4),
    "64 x 64 pixels": lambda image: _coded(image.resize((64, 64)), 75),
    "cropped by 1% on each side": lambda image: _cropped(image, 0.01),
}
# Those at the edge of what is found; no test promises how many are.
HARD_CHANGES: dict[str, Change] = {
    "brightness x 1.3 (highlights are cut)": lambda image: _brighter(image, 1.3),
    "cropped 1%, mirrored, 256 x 256, brightness, JPEG": _all_at_once,
    "cropped by 2.5% on each side": lambda image: _cropped(image, 0.025),
    "cropped by 5% on each side": lambda image: _cropped(image, 0.05),
}


def write_pictures(path: pathlib.Path, pictures: Iterable[Image.Image]) -> str:
    """Writes the thumbnails of pictures as those of one shard; gives the path."""
    pixels = [thumbnails.make_thumbnail(each) for each in pictures]
    thumbnails.write_thumbnails(path, [f"{path.stem}/{n}" for n in range(len(pixels))], pixels)
    return str(path)


def find_pairs(paths: Sequence[str], num_images: int) -> list[Pair]:
    """The near duplicates among files of thumbnails in one folder, as a build finds them."""
    directory = pathlib.Path(paths[0]).parent
    shards.sorting_path(str(directory)).mkdir(parents=True, exist_ok=True)
    files = [File(path, "", "train", 0) for path in paths]
    run_pipeline(WriteDuplicates(files, str(directory), num_images), {})
    return [Pair(*each) for each in directory_lib.read_found(str(directory), "pairs")]


def measure_change(
    originals: Sequence[Image.Image], changed: Sequence[Image.Image], directory: pathlib.Path
) -> tuple[float, list[tuple[int, int]]]:
    """Share of the pairs (n, n) of pictures that are found, and the pairs (n, m) that are."""
    paths = [
        write_pictures(directory / f"{name}.npz", pictures)
        for name, pictures in (("originals", originals), ("changed", changed))
    ]
    pairs = find_pairs(paths, 2 * len(originals))
    places = [(pair.first & 0xFFFFFFFF, pair.second & 0xFFFFFFFF) for pair in pairs]
    num_true = sum(first == second for first, second in places)
    return num_true / len(originals), [each for each in places if each[0] != each[1]]


def _read_photographs(folders: Iterable[str]) -> list[Image.Image]:
    paths = (path for folder in folders for path in sorted(pathlib.Path(folder).iterdir()))
    return [
        Image.open(path).convert("RGB")
        for path in paths
        if path.suffix.lower() in (".jpg", ".jpeg")
    ]


def main(argv: Sequence[str]) -> None:
    """Prints the table."""
    del argv
    logging.getLogger().setLevel(logging.WARNING)  # Beam tells of every pipeline otherwise
    pictures = _read_photographs(_PHOTOGRAPHS.value)
    pictures = pictures or [make_picture(seed) for seed in range(_NUM_SELF_MADE)]
    table.header(f"near duplicates of {len(pictures):,} pictures")
    goals = {**dict.fromkeys(CHANGES, ">= 0.95"), **dict.fromkeys(HARD_CHANGES, "")}
    false: set[tuple[int, int]] = set()
    for name, change in {**CHANGES, **HARD_CHANGES}.items():
        with tempfile.TemporaryDirectory() as scratch:
            changed = list(map(change, pictures))
            recall, wrong = measure_change(pictures, changed, pathlib.Path(scratch))
        false.update((min(pair), max(pair)) for pair in wrong)
        table.row(name, f"{recall:.1%}", "100%", recall, goals[name])
    num_pairs = len(pictures) * (len(pictures) - 1) // 2
    what = "different pictures taken for the same, pairs"
    table.row(what, f"{len(false)}", f"of {num_pairs:,}", len(false) / num_pairs)


if __name__ == "__main__":
    app.run(main)
