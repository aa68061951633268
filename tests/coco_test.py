"""revisit.evaluation.coco: the published values of COCO's own examples, and what is refused."""

import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from revisit.errors import UserError
from revisit.evaluation.coco import score_coco
from revisit.evaluation.voc import score_voc

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent
OF_COCO = ("coco-val2014-100", "instances_val2014_100.json")
OF_PEOPLE = ("keypoints-coco-4img", "example_coco_val.json")
# Published with the COCO API (results/val2014_fake_eval_res.txt), first 100 images.
BOXES = [0.505, 0.697, 0.573, 0.586, 0.519, 0.501, 0.387, 0.594, 0.595, 0.640, 0.566, 0.564]
MASKS = [0.320, 0.562, 0.299, 0.387, 0.310, 0.327, 0.268, 0.415, 0.417, 0.469, 0.377, 0.381]
# None published for these four images: pycocotools' own.
PEOPLE = [0.860890, 0.993145, 0.910891, 0.775578, 0.937252, 0.875, 1.0, 0.916667, 0.78, 0.942857]

# Task, folder, annotations, results, figures, and how far those are rounded.
VECTORS = [
    ("detect", *OF_COCO, "instances_val2014_fakebbox100_results.json", BOXES, 5.01e-4),
    ("segment", *OF_COCO, "instances_val2014_fakesegm100_results.json", MASKS, 5.01e-4),
    ("pose", *OF_PEOPLE, "example_coco_preds.json", PEOPLE, 1e-6),
]


def _evaluate(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "revisit.evaluate", *arguments],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("vector", VECTORS, ids=[vector[0] for vector in VECTORS])
def test_the_published_values_come_out_of_the_command(vector, shared_data, tmp_path):
    task, folder, annotations, results, expected, tolerance = vector
    vectors = shared_data("08_eval-vectors", folder)
    out = tmp_path / "figures.json"
    arguments = [f"--results={vectors / results}", f"--annotations={vectors / annotations}"]
    shown = _evaluate(*arguments, f"--task={task}", f"--out={out}")
    assert shown.returncode == 0, shown.stderr
    report = json.loads(out.read_text())
    figures, per_class = report["figures"], report["tables"]["per_class.csv"]
    np.testing.assert_allclose(list(figures.values()), expected, atol=tolerance)
    printed = [float(line.split()[1]) for line in shown.stdout.splitlines()[: len(figures)]]
    np.testing.assert_allclose(printed, list(figures.values()), rtol=1e-5)
    known = [row["average_precision"] for row in per_class if row["num_positives"]]
    assert np.mean(known) == pytest.approx(figures["map"])
    truth = json.loads((vectors / annotations).read_text())["annotations"]
    assert sum(row["num_positives"] for row in per_class) == sum(not a["iscrowd"] for a in truth)


def test_annotations_of_another_task_are_one_clear_line(tmp_path):
    (tmp_path / "objects.json").write_text(json.dumps(ANNOTATIONS))
    (tmp_path / "people.json").write_text("[]")
    files = [f"--results={tmp_path}/people.json", f"--annotations={tmp_path}/objects.json"]
    refused = _evaluate(*files, "--task=pose")
    assert refused.returncode == 1
    assert "annotation 0 has no 'keypoints'; it has ['area', 'bbox'" in refused.stderr
    assert refused.stderr.count("\n") == 1


ANNOTATIONS = {
    "images": [{"id": 1, "height": 100, "width": 100}, {"id": 2, "height": 100, "width": 100}],
    "categories": [{"id": 7, "name": "cat"}, {"id": 9, "name": "dog"}],
    "annotations": [
        {"id": 1, "image_id": 1, "category_id": 7, "bbox": [0, 0, 50, 50], "area": 2500},
        {"id": 2, "image_id": 2, "category_id": 7, "bbox": [0, 0, 50, 50], "area": 2500},
        {"id": 3, "image_id": 2, "category_id": 7, "bbox": [50, 50, 50, 50], "area": 2500},
    ],
}
for _each in ANNOTATIONS["annotations"]:
    _each["iscrowd"] = int(_each["id"] == 3)


def _result(image_id, box, score=0.9, category_id=7):
    return {"image_id": image_id, "category_id": category_id, "bbox": box, "score": score}


def test_what_is_found_in_a_crowd_counts_neither_way():
    found = [_result(1, [0, 0, 50, 50]), _result(2, [0, 0, 50, 50])]
    in_crowd = [_result(2, [60 + i, 60, 20, 20], 0.99) for i in range(3)]
    figures, per_class = score_coco(ANNOTATIONS, found + in_crowd, "detect")
    assert figures["map"] == figures["map_50"] == pytest.approx(1.0)
    assert np.isnan(figures["map_small"])
    assert [row["num_positives"] for row in per_class] == [2, 0]
    outside = [_result(1, [60, 0, 20, 20], 0.99)]
    assert score_coco(ANNOTATIONS, found + outside, "detect").figures["map"] < 0.7


@pytest.mark.parametrize("task", ["detect", "pose"])
def test_no_images_at_all_have_no_figures(task):
    figures = score_coco({"images": [], "annotations": [], "categories": []}, [], task).figures
    assert np.isnan(list(figures.values())).all()
    voc_figures, _ = score_voc({}, {})
    assert set(voc_figures) == {f"voc{a}_map_{t}" for a in ("07", "") for t in (50, 75)}


def test_nothing_found_is_zero():
    assert score_coco(ANNOTATIONS, [], "detect").figures["map"] == 0.0


@pytest.mark.parametrize(
    "results, words",
    [
        ({"map": 1}, "results are a list of objects in COCO's form"),
        ([_result(3, [0, 0, 1, 1])], "result 0 is of image_id=3, which the annotations do not li"),
        ([_result(1, [0, 0, 1, 1], category_id=8)], "result 0 has category_id=8, which the annot"),
        ([{"image_id": 1, "category_id": 7, "score": 1}], "result 0 has no 'bbox'; it has"),
    ],
)
def test_results_that_do_not_fit_are_one_clear_line(results, words):
    with pytest.raises(UserError) as raised:
        score_coco(ANNOTATIONS, results, "detect")
    assert words in str(raised.value)
    with pytest.raises(UserError, match="the annotations have no 'images'"):
        score_coco({}, [], "detect")
