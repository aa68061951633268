"""Which branch of the taxonomy lacks data: how each class, and each subtree, gains with more of it.

From the per_class.csv that pretraining runs of different data sizes wrote on the evaluation split.
"""

import csv
import os
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from revisit.data.taxonomy import Taxonomy, load_taxonomy
from revisit.scaling.ablations import fit_slopes
from revisit.scaling.results import Result, run_directory
from revisit.scaling.tables import write_atomically

TABLES = ("truth_per_class.csv", "per_class.csv")  # the first that a run has
BRANCHES_FILE = "branches.csv"
COLUMNS = (
    "kind",
    "name",
    "title",
    "num_classes",
    "smallest",
    "largest",
    "per_tenfold",
    "lo80",
    "hi80",
)


class Branch(NamedTuple):
    """A class or a subtree; figures are average precisions, mean over its classes.

    Attributes:
      kind: "class" or "subtree" (a class with all below it).
      name, title: of the class at its top.
      num_classes: that the mean is over.
      smallest, largest: at the smallest and largest data size, mean over seeds.
      per_tenfold, lo80, hi80: gain for ten times the data, and its 80% interval.
    """

    kind: str
    name: str
    title: str
    num_classes: int
    smallest: float
    largest: float
    per_tenfold: float
    lo80: float
    hi80: float


class Curves(NamedTuple):
    """Average precision [runs, classes] of runs with sizes [runs]; NaN where a class never
    occurs."""

    sizes: np.ndarray
    values: np.ndarray
    taxonomy: Taxonomy


def _read_precisions(directory: str) -> dict[str, float]:
    for name in TABLES:
        path = os.path.join(directory, name)
        if os.path.exists(path):
            with open(path, newline="") as file:
                return {
                    row["class"]: float(row["average_precision"] or "nan")
                    for row in csv.DictReader(file)
                }
    return {}


def read_curves(pretrained: Sequence[Result], workdir: str) -> Curves | None:
    """Reads the tables of pretraining runs; None where there aren't two sizes with tables."""
    read = [(r, _read_precisions(run_directory(workdir, r.run.name))) for r in pretrained]
    found = [(result, precisions) for result, precisions in read if precisions]
    sizes = np.array([result.num_examples for result, _ in found], np.float64)
    if np.unique(sizes).size < 2:
        return None
    directory = run_directory(workdir, found[0][0].run.name)
    taxonomy = load_taxonomy(os.path.join(directory, "taxonomy.json"))
    values = [[each.get(name, np.nan) for name in taxonomy.names] for _, each in found]
    return Curves(sizes, np.array(values), taxonomy)


def _members(taxonomy: Taxonomy) -> list[tuple[str, int, list[int]]]:
    """(kind, id at the top, ids that its mean is over) of each class and of each with children."""
    subtrees = [
        ("subtree", id_, [id_, *taxonomy.descendants(id_)])
        for id_ in range(taxonomy.num_classes)
        if taxonomy.children[id_]
    ]
    return [*(("class", id_, [id_]) for id_ in range(taxonomy.num_classes)), *subtrees]


def rank(curves: Curves) -> list[Branch]:
    """Every class and subtree, those that gain the most for ten times the data first."""
    members = _members(curves.taxonomy)
    present = [
        (kind, top, [id_ for id_ in ids if np.isfinite(curves.values[:, id_]).all()])
        for kind, top, ids in members
    ]
    kept = [each for each in present if each[2]]
    means = np.stack([curves.values[:, ids].mean(axis=1) for _, _, ids in kept], axis=1)
    slopes, halves = fit_slopes(np.log10(curves.sizes), means)
    ends = [means[curves.sizes == size].mean(axis=0) for size in _ends(curves.sizes)]
    branches = [
        Branch(
            kind,
            curves.taxonomy.names[top],
            curves.taxonomy.titles[top],
            len(ids),
            float(ends[0][i]),
            float(ends[1][i]),
            float(slopes[i]),
            float(slopes[i] - halves[i]),
            float(slopes[i] + halves[i]),
        )
        for i, (kind, top, ids) in enumerate(kept)
    ]
    return sorted(branches, key=lambda branch: -branch.per_tenfold)


def _ends(sizes: np.ndarray) -> tuple[float, float]:
    return float(sizes.min()), float(sizes.max())


def write_branches(branches: Sequence[Branch], workdir: str) -> None:
    """Writes branches.csv, the ranked table."""
    rows = [COLUMNS, *branches]
    path = os.path.join(workdir, BRANCHES_FILE)
    write_atomically(path, lambda file: csv.writer(file).writerows(rows))
