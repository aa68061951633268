"""Tables for the terminal: what a data set holds, and how far its build has come."""

import csv
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow_datasets as tfds

from data_prep.lint import similar_names
from revisit.data import records
from revisit.data.duplicates import TRAIN
from revisit.data.records import Dataset
from revisit.data.taxonomy import Taxonomy

_NUM_HEAD = 5  # most and least frequent classes shown
FEW_IMAGES = (20, 100)
_QUIET_SECONDS = 30  # between lines that are not renewed


def format_table(rows: Sequence[tuple[str, Any]]) -> str:
    """Two columns: names, values."""
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"  {name:<{width}}  {value}" for name, value in rows)


def taxonomy_figures(taxonomy: Taxonomy) -> dict[str, int]:
    """The shape of a taxonomy in numbers."""
    return {
        "classes": taxonomy.num_classes,
        "leaves": len(taxonomy.leaves()),
        "levels": taxonomy.depth(),
        "with several parents": sum(len(parents) > 1 for parents in taxonomy.parents),
        "roots": len(taxonomy.roots()),
    }


def taxonomy_rows(taxonomy: Taxonomy) -> list[tuple[str, Any]]:
    """The shape of a taxonomy."""
    return [(name, f"{count:,}") for name, count in taxonomy_figures(taxonomy).items()]


def labels_an_image(dataset: Dataset, split: str) -> tuple[float, float]:
    """Labels an image of a split: as given, and closed over ancestors."""
    num_images = max(1, dataset.num_examples(split))
    closed = sum(dataset.metadata["positive_counts"][split])
    return dataset.metadata["num_given"][split] / num_images, closed / num_images


def shown_split(dataset: Dataset) -> str:
    """The split whose classes are shown: train, or the first if there is none."""
    return TRAIN if TRAIN in dataset.shards else next(iter(dataset.shards))


def _split_rows(dataset: Dataset, split: str) -> list[tuple[str, Any]]:
    num_images = dataset.num_examples(split)
    given, closed = labels_an_image(dataset, split)
    rows = [
        (f"{split}: images", f"{num_images:,} in {len(dataset.shards[split])} shards"),
        (f"{split}: labels an image", f"{given:.2f} given, {closed:.2f} with ancestors"),
    ]
    for group in ("objects", "people"):
        if getattr(dataset.contents, group):
            rows.append((f"{split}: {group}", f"{dataset.metadata[f'num_{group}'][split]:,}"))
    if dataset.contents.mask:
        rows.append((f"{split}: masks", f"{num_images:,}"))  # each image has one
    return rows


def few_images(dataset: Dataset, split: str) -> dict[str, int]:
    """The long tail: "under 20" and "under 100" images -> number of classes."""
    counts = np.array(dataset.metadata["positive_counts"][split])
    return {f"under {few}": int((counts < few).sum()) for few in FEW_IMAGES}


def _tail_rows(dataset: Dataset) -> list[tuple[str, Any]]:
    """How the images of the shown split are spread over the classes."""
    split = shown_split(dataset)
    counts = np.array(dataset.metadata["positive_counts"][split])
    order = np.argsort(-counts, kind="stable")
    titles = dataset.taxonomy.titles

    def named(ids: Any) -> str:
        return ", ".join(f"{titles[id_]} {counts[id_]:,}" for id_ in ids)

    few = ", ".join(f"{n:,} {kind}" for kind, n in few_images(dataset, split).items())
    parts = {"head": order[:_NUM_HEAD], "tail": order[_NUM_HEAD:][-_NUM_HEAD:]}
    rows = [(f"{split}: {part}", named(ids)) for part, ids in parts.items() if len(ids)]
    return [*rows, (f"{split}: classes with few images", few)]


def reject_reasons(directory: str) -> Counter[str]:
    """Kind of reason -> number of rows and images that were left out for it."""
    path = tfds.core.Path(directory) / records.REJECTS_FILE
    if not path.exists():
        return Counter()
    with path.open() as file:
        return Counter(reject_kind(row["reason"]) for row in csv.DictReader(file))


def reject_kind(reason: str) -> str:
    """The words of a reason without its values: 'unknown label', not each unknown label."""
    words = [word for word in reason.split(":")[-1].split() if word.isalpha()]
    return " ".join(words[:6]) or reason


def _reject_rows(directory: str) -> list[tuple[str, Any]]:
    reasons = reject_reasons(directory)
    kinds = ", ".join(f"{kind} {count:,}" for kind, count in reasons.most_common(5))
    total = reasons.total()
    return [("rejects", f"{total:,} in {records.REJECTS_FILE} ({kinds})" if total else "none")]


def _spelling_rows(taxonomy: Taxonomy) -> list[tuple[str, Any]]:
    """The classes that may be one, written twice, which only a flat taxonomy mostly has."""
    similar = list(similar_names(taxonomy.names))
    shown = "; ".join(similar[:_NUM_HEAD])
    return [("classes spelled alike", f"{len(similar):,} ({shown})")] if similar else []


def _size(dataset: Dataset) -> str:
    paths = (shard.path for shards in dataset.shards.values() for shard in shards)
    return str(tfds.core.utils.Size(sum(tfds.core.Path(path).stat().length for path in paths)))


def describe(dataset: Dataset) -> str:
    """The table that `build` ends with and that `inspect` begins with."""
    rows: list[tuple[str, Any]] = [("data set", f"{dataset.directory}, {_size(dataset)}")]
    for split in dataset.shards:
        rows += _split_rows(dataset, split)
    rows += _tail_rows(dataset)
    rows += taxonomy_rows(dataset.taxonomy) + _spelling_rows(dataset.taxonomy)
    conflicts = sum(dataset.metadata["num_conflicts"].values())
    rows.append(("labels dropped in conflicts", f"{conflicts:,}"))
    return format_table(rows + _reject_rows(dataset.directory))


class Done(NamedTuple):
    """How far a build has come, in images that were written or rejected.

    Attributes:
      before: by a former run.
      now: by this one.
      wanted: in all; 0 while unknown.
    """

    before: int
    now: int
    wanted: int


class Progress:
    """One line on stderr while a build runs: images, rate, time left.

    On a terminal the line is renewed every second, elsewhere one is added every half minute.

    Args:
      measure: says how far it has come.
    """

    def __init__(self, measure: Callable[[], Done]) -> None:
        self._measure = measure
        self._started = time.monotonic()
        self._seconds_of_rows = 0.0  # spent before the first image
        self._is_terminal = sys.stderr.isatty()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Progress":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stopped.set()
        self._thread.join()
        self._print(self._line(), end="\n")

    def _run(self) -> None:
        printed = self._started
        while not self._stopped.wait(1):
            line = self._line()
            if self._is_terminal:
                self._print(line, end="\r")
            elif time.monotonic() - printed > _QUIET_SECONDS:
                self._print(line, end="\n")
                printed = time.monotonic()

    def _print(self, line: str, end: str) -> None:
        print(f"{line:<79}" if self._is_terminal else line, end=end, file=sys.stderr, flush=True)

    def _line(self) -> str:
        before, now, wanted = self._measure()
        seconds = time.monotonic() - self._started
        if not wanted:
            self._seconds_of_rows = seconds
            return f"reading rows, {seconds:.0f} s"
        done, rate = before + now, now / max(seconds - self._seconds_of_rows, 1)
        time_left = f"{(wanted - done) / rate:.0f} s left" if rate and done < wanted else ""
        timing = time_left or f"{seconds:.0f} s"
        return f"{done:,} of {wanted:,} images, {rate:,.0f} images/s, {timing}"
