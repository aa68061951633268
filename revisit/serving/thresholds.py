"""From which score on a class is taken for present: where its F1 was highest on validation."""

import csv
import pathlib

from revisit.errors import UserError
from revisit.training.logs import last_evaluated, write_table
from revisit.training.model import LoadedModel
from revisit.training.scoring import score

THRESHOLDS_FILE = "thresholds.csv"
PER_CLASS_FILE = "per_class.csv"
COLUMNS = ("class", "threshold", "best_f1")

Thresholds = list[dict[str, object]]


def find_thresholds(workdir: str, which: str, loaded: LoadedModel) -> Thresholds:
    """Rows of COLUMNS, one a class in the order of ids; none where the run has no such figures.

    They are those of the run's last evaluation where that was of this checkpoint; else it is
    evaluated anew, if its data set is there.

    Args:
      workdir: of the run.
      which: checkpoint, "last" or "best".
      loaded: what load_model gives for both.
    """
    rows = _read(pathlib.Path(workdir, PER_CLASS_FILE))
    if not rows or "threshold" not in rows[0]:  # another task, or one label an image
        return []
    if last_evaluated(workdir, loaded.config.data.eval_split) != loaded.step:
        try:
            rows = score(workdir, which, None, None)["tables"][PER_CLASS_FILE]
        except UserError:
            return []
    return [{name: row[name] for name in COLUMNS} for row in rows]


def _read(path: pathlib.Path) -> list[dict]:
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def write_thresholds(directory: pathlib.Path, thresholds: Thresholds) -> None:
    """Writes assets/thresholds.csv into an exported version; nothing where there are none."""
    if thresholds:
        write_table(str(directory / "assets" / THRESHOLDS_FILE), COLUMNS, thresholds)
