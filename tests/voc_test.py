"""revisit.evaluation.voc: published values, hand-made curves, and the command."""

import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from revisit.errors import UserError
from revisit.evaluation import voc

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent
XML = """<annotation><object><name>{name}</name><difficult>{difficult}</difficult><bndbox>
<xmin>{xmin}</xmin><ymin>{ymin}</ymin><xmax>{xmax}</xmax><ymax>{ymax}</ymax></bndbox></object>
</annotation>"""


def _evaluate(directory, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "revisit.evaluate", *map(str, arguments)],
        cwd=directory,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=False,
    )


def _figures(output):
    return {name: float(value) for name, value in map(str.split, output.splitlines())}


def test_the_toy_examples_published_values_come_out_of_the_command(shared_data, tmp_path):
    toy = shared_data("08_eval-vectors", "voc-ap", "toyexample")
    lines = [
        f"{path.stem} {score} {corners}\n"
        for path in sorted((toy / "dets_classname_abs_xyx2y2").iterdir())
        for _, score, corners in (line.split(maxsplit=2) for line in path.read_text().splitlines())
    ]
    (tmp_path / "comp4_det_test_cat.txt").write_text("".join(lines))
    annotations = toy / "gts_vocpascal_format"
    shown = _evaluate(tmp_path, "--results=.", f"--annotations={annotations}")
    assert shown.returncode == 0, shown.stderr
    assert _figures(shown.stdout) == pytest.approx(
        {
            "voc07_map_50": 0.8864,
            "voc_map_50": 0.8958,
            "voc07_map_75": 0.4924,
            "voc_map_75": 0.5097,
        },
        abs=5e-5,
    )


TRUTHS = {
    "a": voc.Truth(np.array([[0.0, 0, 10, 10], [20, 20, 30, 30]]), np.array([False, True])),
    "b": voc.Truth(np.array([[0.0, 0, 10, 10]]), np.array([False])),
}


def test_difficult_objects_and_second_findings_count_as_the_kit_says():
    detections = [
        voc.Detection("a", 0.9, (0, 0, 10, 10)),  # right
        voc.Detection("a", 0.8, (20, 20, 30, 30)),  # difficult: does not count
        voc.Detection("a", 0.7, (1, 0, 10, 10)),  # the same object again: wrong
        voc.Detection("c", 0.6, (0, 0, 10, 10)),  # an image without one: wrong
        voc.Detection("b", 0.5, (0, 0, 10, 5)),  # overlaps by exactly the threshold: right
    ]
    recall, precision = voc.match(detections, TRUTHS, 0.5)
    np.testing.assert_allclose(recall, [0.5, 0.5, 0.5, 1.0])
    np.testing.assert_allclose(precision, [1.0, 1 / 2, 1 / 3, 2 / 4])
    assert voc.eleven_point(recall, precision) == pytest.approx((6 * 1.0 + 5 * 0.5) / 11)
    assert voc.area(recall, precision) == pytest.approx(0.5 * 1.0 + 0.5 * 0.5)


def test_files_go_out_and_come_back(tmp_path):
    detections = [voc.Detection("2007_000001", 0.25, (3.0, 4.0, 50.0, 60.5))]
    text = voc.format_detections(detections)
    assert text == "2007_000001 0.250000 5.000 4.000 60.500 50.000\n"
    (tmp_path / voc.file_name("test", "tvmonitor")).write_text(text)
    assert voc.read_detections(str(tmp_path)) == {"tvmonitor": detections}
    xml = XML.format(name="dog", difficult=1, xmin=1, ymin=2, xmax=30, ymax=40)
    (tmp_path / "1.xml").write_text(xml)
    truth = voc.read_truths(str(tmp_path))["dog"]["1"]
    np.testing.assert_array_equal(truth.boxes, [[1, 0, 40, 30]])
    assert truth.difficult.tolist() == [True]


def test_files_that_do_not_fit_are_one_clear_line(tmp_path):
    with pytest.raises(UserError, match="no files comp4_det_<split>_<class>.txt in"):
        voc.read_detections(str(tmp_path))
    (tmp_path / "comp4_det_val_cat.txt").write_text("1 0.5 1 2 3\n")
    with pytest.raises(UserError, match=r"cat.txt:1: '1 0.5 1 2 3' is not 'image score xmin ymin"):
        voc.read_detections(str(tmp_path))
    with pytest.raises(UserError, match="no XML annotations in"):
        voc.read_truths(str(tmp_path))
    refused = _evaluate(tmp_path, "--results=.", "--annotations=comp4_det_val_cat.txt")
    assert refused.returncode == 1
    assert "must both be COCO's files or both VOC's folders" in refused.stderr
    assert refused.stderr.count("\n") == 1
