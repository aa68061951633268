"""revisit.evaluation.segmentation: figures against scikit-learn, colors and files against VOC's."""

import io
import pathlib
from collections.abc import Callable

import numpy as np
import pytest
import sklearn.metrics
from PIL import Image

from revisit.evaluation import segmentation


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
    assert segmentation.voc_file("2007_000032") == "Segmentation/comp6_test_cls/2007_000032.png"
    assert segmentation.voc_file("../x") == "Segmentation/comp6_test_cls/..%2Fx.png"
