"""A data set's directory while it is built: what was begun in it, and what makes it whole.

`plan.json` comes first and says what the data set is made of, so that a rerun goes on with the same
and never mixes it with another; `dataset_info.json` comes last, so that no half-built set is read.
"""

import csv
import json
import os
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import tensorflow_datasets as tfds

from data_prep.shards import (
    BUILD_DIRECTORY,
    COUNTS_FILE,
    LONGEST,
    ROW_REJECTS_FILE,
    ShardReport,
    read_report,
    shard_keys,
    sorting_path,
)
from data_prep.sources.source import Reject, Source
from revisit.data import records
from revisit.data.taxonomy import save_taxonomy
from revisit.errors import UserError

VERSION = "1.2.0"  # of what this code makes of the same inputs; part of every plan

Plan = Mapping[str, Any]


def _difference(found: Plan, wanted: Plan) -> str:
    names = sorted(name for name in {*found, *wanted} if found.get(name) != wanted.get(name))
    values = (f"{name} {found.get(name)!r} there, {wanted.get(name)!r} here" for name in names)
    return "; ".join(values)


def _check_plan(path: Any, plan: Plan, directory: str) -> None:
    found = json.loads(path.read_text())
    if found != plan:
        raise UserError(
            f"--out={directory} holds another data set ({_difference(found, plan)}): "
            "give an empty directory, or delete this one"
        )


def _make_root(root: Any, directory: str) -> None:
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise UserError(f"--out={directory} is not an empty directory: give another one")
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"--out={directory} can't be made: {error.strerror}") from error


def begin(directory: str, plan: Plan) -> bool:
    """Makes the directory ready for a new build, or for going on with the same one.

    Args:
      directory: the data set's.
      plan: what it is made of; JSON.

    Returns:
      Whether anything is left to do.

    Raises:
      UserError: the directory holds something else.
    """
    root = tfds.core.Path(directory)
    path = root / records.PLAN_FILE
    build = root / BUILD_DIRECTORY
    if path.exists():
        _check_plan(path, plan, directory)
    else:
        _make_root(root, directory)
        path.write_text(json.dumps(dict(plan), indent=2) + "\n")
    if (root / records.DATASET_INFO_FILE).exists():
        if build.exists():  # the former run was stopped while it tidied up
            build.rmtree()
        return False
    build.mkdir(exist_ok=True)
    # The counts of a former run are not yet those of this one.
    (build / COUNTS_FILE).unlink(missing_ok=True)
    sorted_by_former = sorting_path(directory)
    if sorted_by_former.exists():
        sorted_by_former.rmtree()
    sorted_by_former.mkdir()
    return True


def find_finished(directory: str) -> set[str]:
    """Names of the shards that a former run finished.

    One of which images were rejected is forgotten, so that it is written again: they may have been
    mended since.
    """
    names = set()
    for path in (tfds.core.Path(directory) / BUILD_DIRECTORY).glob(f"{records.NAME}-*.json"):
        if ShardReport.from_json(path.read_text()).rejects:
            path.unlink()
        else:
            names.add(path.stem)
    return names


def read_counts(directory: str) -> dict[str, int]:
    """Split -> number of images to be written; empty until all rows are read."""
    path = tfds.core.Path(directory) / BUILD_DIRECTORY / COUNTS_FILE
    counts = json.loads(path.read_text()) if path.exists() else {}
    return dict(sorted(counts.items()))


def read_found(directory: str, name: str) -> list[list[Any]]:
    """What `pipeline.WriteDuplicates` found: "pairs" or "crowded"."""
    path = tfds.core.Path(directory) / BUILD_DIRECTORY / f"{name}.json"
    return list(json.loads(path.read_text()))


def read_row_rejects(directory: str) -> list[Reject]:
    """The rows that came to no shard."""
    path = tfds.core.Path(directory) / BUILD_DIRECTORY / ROW_REJECTS_FILE
    return [Reject(*each) for each in json.loads(path.read_text())] if path.exists() else []


class SplitReport(NamedTuple):
    """What the reports of a split's shards say together.

    Attributes:
      total: their sum.
      lengths: number of images in each.
      checksums: of each.
    """

    total: ShardReport
    lengths: list[int]
    checksums: list[str]


def read_reports(directory: str, examples_per_shard: int) -> dict[str, SplitReport]:
    """Split -> what its shards' reports say, once all are finished; one at a time is in memory."""
    splits: dict[str, SplitReport] = {}
    for key in shard_keys(read_counts(directory), examples_per_shard):
        split = splits.setdefault(key.split, SplitReport(ShardReport(), [], []))
        report = read_report(directory, key)
        split.total.add(report)
        split.lengths.append(report.num_examples)
        split.checksums.append(report.checksum)
    return splits


def write_rejects(directory: str, rejects: Iterable[Reject]) -> str:
    """Writes rejects.csv, and gives its path."""
    path = tfds.core.Path(directory) / records.REJECTS_FILE
    with path.open("w") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(Reject._fields)
        for reject in rejects:  # of a name that is not UTF-8, too
            writer.writerow(text.encode(errors="backslashreplace").decode() for text in reject)
    return os.fspath(path)


def _split_info(split: str, report: SplitReport) -> dict[str, Any]:
    return {
        "name": split,
        "filepathTemplate": "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}",
        "numBytes": str(report.total.num_bytes),
        "shardLengths": list(map(str, report.lengths)),
    }


def _dataset_info(reports: Mapping[str, SplitReport]) -> dict[str, Any]:
    """dataset_info.json: TFDS's DatasetInfo message as JSON, whose 64-bit numbers are strings."""
    return {
        "name": records.NAME,
        "version": VERSION,
        "description": "Images with labels closed over a taxonomy.",
        "fileFormat": "tfrecord",
        "splits": [_split_info(split, report) for split, report in reports.items()],
    }


_SUMS = ("num_given", "num_negatives", "num_conflicts", "num_objects", "num_people")


def _metadata(
    source: Source, plan: Plan, reports: Mapping[str, SplitReport], num_crowded: int
) -> dict[str, Any]:
    totals = {split: report.total for split, report in reports.items()}
    classes = range(source.taxonomy.num_classes)
    metadata = {
        "source": plan["source"],
        "seed": plan["seed"],
        "version": VERSION,
        "evaluation_sets": plan["evaluation_sets"],
        "num_crowded": num_crowded,
        "checksums": {split: report.checksums for split, report in reports.items()},
        **{name: max(getattr(total, name) for total in totals.values()) for name in LONGEST},
        "single_label": all(total.single_label for total in totals.values()),
        **{
            name: {split: getattr(total, name) for split, total in totals.items()} for name in _SUMS
        },
        "positive_counts": {
            split: [total.positive_counts[id_] for id_ in classes]
            for split, total in totals.items()
        },
    }
    return {**metadata, "mask_classes": source.mask_classes} if source.mask_classes else metadata


def describe(
    directory: str,
    source: Source,
    plan: Plan,
    reports: Mapping[str, SplitReport],
    num_crowded: int,
) -> records.Dataset:
    """Writes what the data set says of itself, all but dataset_info.json, which makes it whole."""
    root = tfds.core.Path(directory)
    save_taxonomy(source.taxonomy, root / records.TAXONOMY_FILE)
    metadata = _metadata(source, plan, reports, num_crowded)
    (root / records.METADATA_FILE).write_text(json.dumps(metadata))
    records.make_features(source.contents).save_config(directory)
    info = _dataset_info(reports)
    unfinished = root / BUILD_DIRECTORY / records.DATASET_INFO_FILE
    unfinished.write_text(json.dumps(info, indent=2) + "\n")
    return records.make_dataset(directory, info)


def finish(directory: str) -> None:
    """Makes a data set whole, and tidies up."""
    root = tfds.core.Path(directory)
    build = root / BUILD_DIRECTORY
    (build / records.DATASET_INFO_FILE).replace(root / records.DATASET_INFO_FILE)
    build.rmtree()
