"""revisit.evaluation.segmentation: figures against scikit-learn, colors and files against VOC's."""

import io
import json
import os
import pathlib
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest
import sklearn.metrics
from PIL import Image

from revisit.data.voc import MASK_CLASSES
from revisit.errors import UserError
from revisit.evaluation import segmentation
from revisit.evaluation.results import score_results

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent


def test_figures_are_those_of_scikit_learn_over_all_images_together() -> None:
    generator = np.random.default_rng(0)
    matrix = segmentation.ConfusionMatrix(4)
    true, predicted = generator.integers(0, 3, (2, 5, 900))  # no pixel has class 3
    for some_true, some_predicted in zip(true, predicted, strict=True):
        matrix.update(sklearn.metrics.confusion_matrix(some_true, some_predicted, labels=range(4)))
    expected = sklearn.metrics.jaccard_score(true.ravel(), predicted.ravel(), average=None)
    np.testing.assert_allclose(matrix.iou(), [*expected, np.nan])
    assert matrix.result() == pytest.approx(
        {
            "miou": expected.mean(),
            "pixel_accuracy": sklearn.metrics.accuracy_score(true.ravel(), predicted.ravel()),
        }
    )


def test_a_class_that_is_only_guessed_counts_as_zero() -> None:
    matrix = segmentation.ConfusionMatrix(3)
    matrix.update(np.array([[[6, 0, 2], [0, 0, 0], [0, 0, 0]]]))
    np.testing.assert_allclose(matrix.iou(), [0.75, np.nan, 0.0])
    assert matrix.result() == {"miou": 0.375, "pixel_accuracy": 0.75}


def test_no_pixels_give_no_figures() -> None:
    figures = segmentation.ConfusionMatrix(3).result()
    assert all(np.isnan(value) for value in figures.values())


def test_the_palette_is_the_one_in_vocs_own_files(shared_data: Callable[..., pathlib.Path]) -> None:
    folder = shared_data("05_voc2012-mini", "VOCdevkit", "VOC2012", "SegmentationClass")
    palette = Image.open(next(iter(folder.glob("*.png")))).getpalette()
    assert segmentation.voc_palette().ravel().tolist() == palette


def test_the_palette_has_the_colors_that_voc_lists() -> None:
    colors = {0: (0, 0, 0), 1: (128, 0, 0), 15: (192, 128, 128), 20: (0, 64, 128)}
    colors[255] = (224, 224, 192)
    palette = segmentation.voc_palette()
    assert {index: tuple(palette[index].tolist()) for index in colors} == colors


def test_a_results_file_has_the_classes_and_the_palette() -> None:
    classes = np.arange(12, dtype=np.uint8).reshape(3, 4)
    gray = io.BytesIO()
    Image.fromarray(classes).save(gray, "PNG")
    written = Image.open(io.BytesIO(segmentation.as_voc_png(gray.getvalue())))
    assert written.mode == "P"
    np.testing.assert_array_equal(np.asarray(written), classes)
    assert written.getpalette()[:6] == [0, 0, 0, 128, 0, 0]


def test_no_id_leads_out_of_the_results_folder() -> None:
    assert segmentation.voc_file("../x", "test") == "Segmentation/comp6_test_cls/..%2Fx.png"


def test_masks_lie_where_the_development_kit_looks_for_them() -> None:
    path = "Segmentation/comp6_val_cls/2007_000032.png"
    assert segmentation.voc_file("2007_000032", "validation") == path


def _write_masks(folder: pathlib.Path, masks: dict[str, np.ndarray], mode: str = "P") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for id_, mask in masks.items():
        Image.fromarray(mask).convert("L" if mode == "P" else mode).save(folder / f"{id_}.png")


def _write_image_set(year: pathlib.Path, masks: dict[str, np.ndarray]) -> pathlib.Path:
    """A VOC folder with true masks; its list of images."""
    _write_masks(year / "SegmentationClass", masks)
    image_set = year / "ImageSets" / "Segmentation" / "val.txt"
    image_set.parent.mkdir(parents=True)
    image_set.write_text("".join(f"{id_}\n" for id_ in masks))
    return image_set


def test_a_folder_of_masks_is_scored_by_the_command(tmp_path: pathlib.Path) -> None:
    generator = np.random.default_rng(0)
    true = {f"2007_{i}": generator.integers(0, 21, (30, 40), np.uint8) for i in range(3)}
    found = {id_: (mask + generator.integers(0, 2, mask.shape)) % 21 for id_, mask in true.items()}
    found = {id_: mask.astype(np.uint8) for id_, mask in found.items()}
    for mask in true.values():
        mask[:5] = 255  # void: counts neither way, whatever is found there
    image_set = _write_image_set(tmp_path / "VOC2012", true)
    _write_masks(tmp_path / "found", {**found, "unlisted": found["2007_0"]})
    command = [sys.executable, "-m", "revisit.evaluate", "--results=found", "--task=segment"]
    finished = subprocess.run(
        [*command, f"--annotations={image_set}", "--out=masks.json"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
    )
    assert finished.returncode == 0, finished.stderr
    report = json.loads((tmp_path / "masks.json").read_text())
    pixels = [np.concatenate([masks[id_][5:].ravel() for id_ in true]) for masks in (true, found)]
    expected = sklearn.metrics.jaccard_score(*pixels, average=None)
    assert report["figures"]["miou"] == pytest.approx(expected.mean())
    rows = report["tables"]["per_class.csv"]
    assert [row["class"] for row in rows] == list(MASK_CLASSES)
    np.testing.assert_allclose([row["iou"] for row in rows], expected)


def test_vocs_own_masks_score_one(shared_data: Callable[..., pathlib.Path]) -> None:
    year = shared_data("05_voc2012-mini", "VOCdevkit", "VOC2012")
    image_set = year / "ImageSets" / "Segmentation" / "train.txt"
    masks = {
        id_: np.asarray(Image.open(year / "SegmentationClass" / f"{id_}.png"))
        for id_ in image_set.read_text().split()
    }
    assert masks
    report = score_results(str(year / "SegmentationClass"), str(image_set), "segment")
    assert report["figures"]["miou"] == 1.0


MASK = np.zeros((4, 6), np.uint8)


@pytest.mark.parametrize(
    "found, mode, words",
    [
        ({"b": MASK}, "P", "lacks the masks of 1 of the 2 images of .*val.txt, as a.png"),
        ({"a": MASK.T, "b": MASK}, "P", "a.png is 4x6 pixels, and the true mask 6x4"),
        ({"a": MASK + 21, "b": MASK}, "P", "a.png has class 21: VOC has 0 to 20"),
        ({"a": MASK, "b": MASK}, "RGB", "a.png is a picture in RGB, no mask of class numbers"),
    ],
)
def test_masks_that_do_not_fit_are_one_clear_line(
    found: dict, mode: str, words: str, tmp_path: pathlib.Path
) -> None:
    image_set = _write_image_set(tmp_path / "VOC2012", {"a": MASK, "b": MASK})
    _write_masks(tmp_path / "found", found, mode)
    with pytest.raises(UserError, match=words):
        score_results(str(tmp_path / "found"), str(image_set), "segment")
