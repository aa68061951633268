"""Scores results files against annotation files: whatever made them, no model and no data set."""

import os
from typing import Any

from revisit.errors import UserError
from revisit.evaluation import coco, segmentation, voc


def _score_boxes_of_voc(results: str, annotations: str, task: str) -> tuple[dict, list[dict]]:
    if task != "detect":
        raise UserError(f"--task={task}: only detections are read from VOC's text files")
    return voc.score_voc(voc.read_detections(results), voc.read_truths(annotations))


def _score_masks_of_voc(results: str, annotations: str, task: str) -> tuple[dict, list[dict]]:
    if task != "segment":
        raise UserError(
            f"--results={results} and --annotations={annotations} must both be COCO's files or "
            "both VOC's folders; a folder of masks and a list of images are of --task=segment"
        )
    return segmentation.score_masks(results, annotations)


def _score_coco(results: str, annotations: str, task: str) -> tuple[dict, list[dict]]:
    return coco.score_coco(coco.load_json(annotations), coco.load_json(results), task)


# By whether the results are a folder, and the annotations.
FORMS = {
    (False, False): _score_coco,
    (True, True): _score_boxes_of_voc,
    (True, False): _score_masks_of_voc,
}


def score_results(results: str, annotations: str, task: str) -> dict[str, Any]:
    """Scores predictions in a benchmark's own format.

    Args:
      results: COCO's results file (JSON); or a folder of VOC's files
        comp4_det_<split>_<class>.txt; or a folder of VOC's masks, <image id>.png.
      annotations: accordingly COCO's annotation file (JSON), VOC's folder of XML, or VOC's list of
        images, ImageSets/Segmentation/<split>.txt.
      task: key of coco.KINDS.

    Returns:
      {"results", "annotations", "task", "figures": {name: value}, "tables": {file: rows}}.

    Raises:
      UserError: a file can't be read, or the two do not belong together.
    """
    form = FORMS.get((os.path.isdir(results), os.path.isdir(annotations)))
    if form is None:
        raise UserError(f"--annotations={annotations} is a folder, and --results={results} is none")
    figures, rows = form(results, annotations, task)
    return {
        "results": results,
        "annotations": annotations,
        "task": task,
        "figures": figures,
        "tables": {"per_class.csv": rows},
    }
