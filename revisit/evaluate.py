"""Scores a trained model on a split, every example once.

python -m revisit.evaluate --workdir=DIR [--data=DIR] [--split=validation] [--out=FILE.json]
"""

import json
import os
from collections.abc import Sequence

from absl import flags

from revisit import cli
from revisit.errors import UserError

_WORKDIR = flags.DEFINE_string("workdir", None, "Workdir of the run whose model is scored.")
_DATA = flags.DEFINE_string("data", None, "Data set to score on; default: the run's own.")
_SPLIT = flags.DEFINE_string("split", None, "Split to score; default: the run's evaluation split.")
_CHECKPOINT = flags.DEFINE_enum("checkpoint", "last", ["last", "best"], "Which checkpoint to take.")
_OUT = flags.DEFINE_string("out", None, "Write the figures to this JSON file too.")


def main(argv: Sequence[str]) -> None:
    """Prints the figures, and writes them."""
    if not _WORKDIR.value:
        raise UserError("--workdir is missing: name the workdir of a run")

    cli.import_tensorflow()
    from revisit.training.logs import write_results
    from revisit.training.scoring import score

    report = score(_WORKDIR.value, _CHECKPOINT.value, _DATA.value, _SPLIT.value)
    for name, value in report["figures"].items():
        print(f"{name:24s} {value:,.6g}")
    if _OUT.value:
        os.makedirs(os.path.dirname(os.path.abspath(_OUT.value)), exist_ok=True)
        results = report.pop("results")
        write_results(os.path.splitext(_OUT.value)[0], results)
        with open(_OUT.value, "w") as file:
            json.dump(report, file, indent=2)
        print(f"written to {_OUT.value}")


if __name__ == "__main__":
    cli.run(main)
