"""Scores a trained model on a split, every example once, or anybody's results files.

python -m revisit.evaluate --workdir=DIR [--data=DIR] [--split=validation] [--out=FILE.json]
python -m revisit.evaluate --results=FILE.json --annotations=FILE.json --task=detect    # COCO's
python -m revisit.evaluate --results=DIR --annotations=VOC2007/Annotations              # VOC's
python -m revisit.evaluate --results=DIR --annotations=VOC2012/ImageSets/Segmentation/val.txt \\
    --task=segment                                                                 # VOC's masks

With --out=FILE.json a model's predictions are written to the folder FILE/ too, in the form that the
benchmark's official tools take.
"""

import json
import operator
import os
from collections.abc import Sequence
from typing import Any

from absl import flags

from revisit import cli
from revisit.errors import UserError

_WORKDIR = flags.DEFINE_string("workdir", None, "Workdir of the run whose model is scored.")
_DATA = flags.DEFINE_string("data", None, "Data set to score on; default: the run's own.")
_SPLIT = flags.DEFINE_string("split", None, "Split to score; default: the run's evaluation split.")
_CHECKPOINT = flags.DEFINE_enum("checkpoint", "last", ["last", "best"], "Which checkpoint to take.")
_RESULTS = flags.DEFINE_string(
    "results",
    None,
    "Predictions to score: COCO's results JSON, or a folder of VOC's text files or masks.",
)
_ANNOTATIONS = flags.DEFINE_string(
    "annotations",
    None,
    "What --results is scored against: COCO's JSON, VOC's folder of XML, or its list of images.",
)
_TASK = flags.DEFINE_enum(
    "task", "detect", ["detect", "segment", "pose"], "What --results holds: boxes, masks or people."
)
_OUT = flags.DEFINE_string("out", None, "Write the figures to this JSON file too.")


def _score() -> dict[str, Any]:
    if _RESULTS.value and _ANNOTATIONS.value and not _WORKDIR.value:
        from revisit.evaluation.results import score_results

        return score_results(_RESULTS.value, _ANNOTATIONS.value, _TASK.value)
    if not _WORKDIR.value or _RESULTS.value or _ANNOTATIONS.value:
        raise UserError(
            "give either --workdir (of a run) or both --results and --annotations (files)"
        )
    cli.import_tensorflow()
    from revisit.training.scoring import score

    report = score(_WORKDIR.value, _CHECKPOINT.value, _DATA.value, _SPLIT.value)
    print(f"{report['checkpoint']} on the split {report['split']} of {report['data']}")
    return report


def _as_json(report: dict[str, Any]) -> str:
    """NumPy's numbers as Python's, and null for NaN, which JSON does not know."""
    text = json.dumps(report, default=operator.methodcaller("item"))
    return json.dumps(json.loads(text, parse_constant=lambda name: None), indent=2)


def _write(report: dict[str, Any], out: str) -> None:
    from revisit.training.logs import write_results

    os.makedirs(os.path.dirname(os.path.abspath(out)), exist_ok=True)
    write_results(os.path.splitext(out)[0], report.pop("files", {}))
    content = _as_json(report)
    with open(out, "w") as file:
        file.write(content)
    print(f"written to {out}")


def main(argv: Sequence[str]) -> None:
    """Prints the figures, and writes them."""
    report = _score()
    for name, value in report["figures"].items():
        print(f"{name:24s} {value:,.6g}")
    if _OUT.value:
        _write(report, _OUT.value)


if __name__ == "__main__":
    cli.run(main)
