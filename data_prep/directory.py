"""A data set's directory while it is built: what was begun in it, and what makes it whole.

`plan.json` comes first and says what the data set is made of, so that a rerun goes on with the same
and never mixes it with another; `dataset_info.json` comes last, so that no half-built set is read.
"""

import csv
import json
import os
from collections.abc import Iterable, Mapping
from typing import Any

import tensorflow_datasets as tfds

from data_prep.shards import (
    BUILD_DIRECTORY,
    COUNTS_FILE,
    LONGEST,
    ROW_REJECTS_FILE,
    ShardKey,
    ShardReport,
    merge_reports,
    read_report,
    rows_path,
    shard_keys,
)
from data_prep.sources.source import Reject, Source
from revisit.data import records
from revisit.data.taxonomy import save_taxonomy
from revisit.errors import UserError

VERSION = "1.1.0"  # of what this code makes of the same inputs; part of every plan

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
    rows = rows_path(directory)
    if rows.exists():
        rows.rmtree()
    rows.mkdir()
    return True


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


def read_reports(directory: str, examples_per_shard: int) -> dict[ShardKey, ShardReport]:
    """The reports of the shards that are finished, in order."""
    keys = shard_keys(read_counts(directory), examples_per_shard)
    reports = ((key, read_report(directory, key)) for key in keys)
    return {key: report for key, report in reports if report is not None}


def write_rejects(directory: str, rejects: Iterable[Reject]) -> str:
    """Writes rejects.csv, sorted, and gives its path."""
    path = tfds.core.Path(directory) / records.REJECTS_FILE
    with path.open("w") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(Reject._fields)
        writer.writerows(sorted(rejects))
    return os.fspath(path)


def _split_info(split: str, reports: Mapping[ShardKey, ShardReport]) -> dict[str, Any]:
    of_split = [report for key, report in reports.items() if key.split == split]
    return {
        "name": split,
        "filepathTemplate": "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}",
        "numBytes": str(sum(report.num_bytes for report in of_split)),
        "shardLengths": [str(report.num_examples) for report in of_split],
    }


def _dataset_info(reports: Mapping[ShardKey, ShardReport]) -> dict[str, Any]:
    """dataset_info.json: TFDS's DatasetInfo message as JSON, whose 64-bit numbers are strings."""
    splits = dict.fromkeys(key.split for key in reports)
    return {
        "name": records.NAME,
        "version": VERSION,
        "description": "Images with labels closed over a taxonomy.",
        "fileFormat": "tfrecord",
        "splits": [_split_info(split, reports) for split in splits],
    }


def _metadata(
    source: Source, plan: Plan, reports: Mapping[ShardKey, ShardReport], num_crowded: int
) -> dict[str, Any]:
    splits = {
        split: merge_reports(report for key, report in reports.items() if key.split == split)
        for split in dict.fromkeys(key.split for key in reports)
    }
    classes = range(source.taxonomy.num_classes)
    metadata = {
        "source": plan["source"],
        "seed": plan["seed"],
        "version": VERSION,
        "evaluation_sets": plan["evaluation_sets"],
        "num_crowded": num_crowded,
        "checksums": {
            split: [report.checksum for key, report in reports.items() if key.split == split]
            for split in splits
        },
        **{name: max(getattr(report, name) for report in splits.values()) for name in LONGEST},
        "single_label": all(report.single_label for report in splits.values()),
        "num_given": {split: report.num_given for split, report in splits.items()},
        "num_negatives": {split: report.num_negatives for split, report in splits.items()},
        "num_conflicts": {split: report.num_conflicts for split, report in splits.items()},
        "num_objects": {split: report.num_objects for split, report in splits.items()},
        "num_people": {split: report.num_people for split, report in splits.items()},
        "positive_counts": {
            split: [report.positive_counts[id_] for id_ in classes]
            for split, report in splits.items()
        },
    }
    return {**metadata, "mask_classes": source.mask_classes} if source.mask_classes else metadata


def finish(
    directory: str,
    source: Source,
    plan: Plan,
    reports: Mapping[ShardKey, ShardReport],
    num_crowded: int,
) -> None:
    """Writes what the data set says of itself, dataset_info.json last, and tidies up."""
    root = tfds.core.Path(directory)
    save_taxonomy(source.taxonomy, root / records.TAXONOMY_FILE)
    metadata = _metadata(source, plan, reports, num_crowded)
    (root / records.METADATA_FILE).write_text(json.dumps(metadata))
    records.make_features(source.contents).save_config(directory)
    unfinished = root / BUILD_DIRECTORY / records.DATASET_INFO_FILE
    unfinished.write_text(json.dumps(_dataset_info(reports), indent=2) + "\n")
    unfinished.replace(root / records.DATASET_INFO_FILE)
    (root / BUILD_DIRECTORY).rmtree()
