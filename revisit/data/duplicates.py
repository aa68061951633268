"""Which images of a data set have near duplicates, and where: what `duplicates.csv` says.

data_prep.build writes one row for each image of a group of near duplicates, groups one after the
other, evaluation images first in each:

    group       number of the group, from 0
    set         "" for an image of this data set, else the evaluation set (--evaluation_sets)
    split       of its set
    record      its place among the records of its split, from 0, in the order on disk
    id          of its record
    similarity  to the most similar image before it in the group, in [0, 1]; empty for the first

Every group has an image of this data set.

This marks the records of a data set from beside it: `record` is one's place in its split. That it
has duplicates is known only when all shards are written: so no shard is written twice, and its
bytes don't depend on the sets it is compared with. `config.data.drop_duplicates` leaves marked
records out of training (see `dropped_records`); evaluation reports its figures also without the
images that training has seen (see `ids_in_training`).
"""

import csv
import hashlib
import itertools
import json
from collections.abc import Collection, Iterator
from typing import NamedTuple

import tensorflow_datasets as tfds

from revisit.data.records import DUPLICATES_FILE, Dataset
from revisit.errors import UserError

TRAIN = "train"


class Member(NamedTuple):
    """One image of a group of near duplicates: a row of duplicates.csv."""

    group: int
    set: str
    split: str
    record: int
    id: str
    similarity: float | None

    @property
    def is_evaluation(self) -> bool:
        """Whether models are scored on it: all of another set that was named, and all splits but
        train of this one."""
        return bool(self.set) or self.split != TRAIN


def _member(row: dict[str, str]) -> Member:
    return Member(
        int(row["group"]),
        row["set"],
        row["split"],
        int(row["record"]),
        row["id"],
        float(row["similarity"]) if row["similarity"] else None,
    )


def fingerprint(dataset: Dataset) -> str:
    """Of all the records of a data set; equal for copies of it, wherever they lie.

    Raises:
      UserError: it was built before checksums were taken.
    """
    checksums = dataset.metadata.get("checksums")
    if checksums is None:
        raise UserError(f"{dataset.directory} has no checksums: build it again")
    return hashlib.sha256(json.dumps(checksums, sort_keys=True).encode()).hexdigest()[:16]


def read_duplicates(dataset: Dataset) -> Iterator[list[Member]]:
    """The groups of near duplicates of a data set.

    Raises:
      UserError: it was built before near duplicates were looked for.
    """
    path = tfds.core.Path(dataset.directory) / DUPLICATES_FILE
    if not path.exists():
        raise UserError(
            f"{dataset.directory} has no {DUPLICATES_FILE}: build it again to look for duplicates"
        )
    with path.open() as file:
        members = map(_member, csv.DictReader(file))
        for _, group in itertools.groupby(members, key=lambda member: member.group):
            yield list(group)


def ids_in_training(dataset: Dataset, split: str, training: Dataset) -> list[str]:
    """The ids of a split that have near duplicates among the training images of a data set.

    Args:
      dataset: that is scored on.
      split: of it.
      training: was trained on; the same, or built with the other among --evaluation_sets. What it
        was never compared with counts as not in training.
    """
    sets = training.metadata.get("evaluation_sets")
    if sets is None:  # built before near duplicates were looked for
        return []
    scored = fingerprint(dataset)
    names = {name for name, found in sets.items() if found == scored}
    names |= {""} if scored == fingerprint(training) else set()
    return sorted(
        member.id
        for group in read_duplicates(training)
        if any(not member.is_evaluation for member in group)
        for member in group
        if member.set in names and member.split == split and member.is_evaluation
    )


def _none(group: Collection[Member]) -> Iterator[Member]:
    yield from ()


def _evaluation(group: Collection[Member]) -> Iterator[Member]:
    """The training images of a group that holds evaluation images."""
    if any(member.is_evaluation for member in group):
        yield from (member for member in group if not member.is_evaluation)


def _all(group: Collection[Member]) -> Iterator[Member]:
    """All training images of a group but one, and that one too if it holds evaluation images."""
    train = [member for member in group if not member.is_evaluation]
    yield from train if len(train) < len(group) else train[1:]


# config.data.drop_duplicates -> the members of a group that training leaves out
DROPPED = {"none": _none, "evaluation": _evaluation, "all": _all}


def dropped_records(dataset: Dataset, which: str) -> list[int]:
    """Places in the train split, ascending, of the records that training leaves out.

    Args:
      dataset: to train on.
      which: "none"; "evaluation": those with near duplicates among the evaluation images; "all":
        also all but the first of each group.

    Raises:
      UserError: there is no such choice, or the data set has no list of its duplicates.
    """
    if which not in DROPPED:
        choices = ", ".join(map(repr, DROPPED))
        raise UserError(f"config.data.drop_duplicates={which!r} is none of {choices}")
    if which == "none":  # of a data set that was built before there was such a list, too
        return []
    dropped = itertools.chain.from_iterable(map(DROPPED[which], read_duplicates(dataset)))
    return sorted(member.record for member in dropped)
