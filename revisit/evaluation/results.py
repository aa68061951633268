"""Scores results files against annotation files: whatever made them, no model and no data set."""

import os
from typing import Any

from revisit.errors import UserError
from revisit.evaluation import coco, voc


def score_results(results: str, annotations: str, task: str) -> dict[str, Any]:
    """Scores predictions in a benchmark's own format.

    Args:
      results: COCO's results file (JSON), or a folder of VOC's files comp4_det_<split>_<class>.txt.
      annotations: COCO's annotation file (JSON), or VOC's folder of XML.
      task: key of coco.KINDS; VOC's files are of "detect".

    Returns:
      {"results", "annotations", "task", "figures": {name: value}, "tables": {file: rows}}.

    Raises:
      UserError: a file can't be read, or the two do not belong together.
    """
    if os.path.isdir(results) != os.path.isdir(annotations):
        raise UserError(
            f"--results={results} and --annotations={annotations} must both be COCO's files or "
            "both VOC's folders"
        )
    if os.path.isdir(results):
        if task != "detect":
            raise UserError(f"--task={task}: only detections are read from VOC's text files")
        figures, rows = voc.score_voc(voc.read_detections(results), voc.read_truths(annotations))
    else:
        truth, found = coco.load_json(annotations), coco.load_json(results)
        figures, rows = coco.score_coco(truth, found, task)
    return {
        "results": results,
        "annotations": annotations,
        "task": task,
        "figures": figures,
        "tables": {"per_class.csv": rows},
    }
