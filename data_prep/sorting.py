"""Sorting more rows than fit in memory, in files that every worker can reach.

Beam's local runners hold what they group in memory. Here rows go to sorted files instead (runs), a
bounded number of bytes each; the runs of one range of places are then merged as streams. Only names
of files travel through Beam, so memory does not grow with the number of images on any runner.
"""

import contextlib
import heapq
import itertools
import os
import pickle
import uuid
from collections import deque
from collections.abc import Iterable, Iterator
from operator import itemgetter
from typing import Any

import tensorflow_datasets as tfds

NUM_RANGES = 256  # of the 64-bit places: what one worker merges at a time
RUN_BYTES = 8 * 2**20  # of rows that are held until they are written
MAX_OPEN = 256  # runs that are read at once: systems allow a process 1024 files, and fewer

Place = tuple[int, str]  # a row's place in the order: the hash of its id, and the id


def range_of(place: int) -> int:
    """The range that a 64-bit place lies in."""
    return place * NUM_RANGES >> 64


def ranges_of(place: int, num_parts: int) -> range:
    """The ranges that part number `place` of `num_parts` equal parts of all places overlaps."""
    return range(place * NUM_RANGES // num_parts, -(-(place + 1) * NUM_RANGES // num_parts))


def write_items(items: Iterable[Any], directory: str, name: str) -> str:
    """Writes items as a stream of pickles to a new file, and gives its path."""
    path = tfds.core.Path(directory) / f"{name}.{uuid.uuid4().hex}"
    with path.open("wb") as file:
        for item in items:
            file.write(item if isinstance(item, bytes) else pickle.dumps(item))
    return str(path)


def read_items(path: str) -> Iterator[Any]:
    """The items of a file, one at a time."""
    with tfds.core.Path(path).open("rb") as file, contextlib.suppress(EOFError):
        while True:
            yield pickle.load(file)


class RunWriter:
    """Collects items, and writes them to sorted runs.

    Args:
      directory: of the runs.
    """

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._waiting: dict[int, list[tuple[Place, bytes]]] = {}
        self._num_bytes = 0

    def add(self, place: Place, item: Any) -> Iterator[tuple[int, str]]:
        """Takes an item; gives (range, path of a run) of what had to be written."""
        pickled = pickle.dumps((place, item))
        self._waiting.setdefault(range_of(place[0]), []).append((place, pickled))
        self._num_bytes += len(pickled)
        if self._num_bytes >= RUN_BYTES:
            yield from self.flush()

    def flush(self) -> Iterator[tuple[int, str]]:
        """Writes what is left."""
        for range_, items in sorted(self._waiting.items()):
            items.sort(key=itemgetter(0))
            pickles = (pickled for _, pickled in items)
            yield range_, write_items(pickles, self._directory, f"run-{range_:03d}")
        self._waiting.clear()
        self._num_bytes = 0


def _merge(paths: Iterable[str]) -> Iterator[tuple[Place, Any]]:
    return heapq.merge(*map(read_items, paths), key=itemgetter(0))


def merge_runs(paths: Iterable[str]) -> Iterator[tuple[Place, list[Any]]]:
    """The items of several runs in order: each place once, with all that stands there."""
    waiting = deque(paths)
    while len(waiting) > MAX_OPEN:
        first = [waiting.popleft() for _ in range(MAX_OPEN)]
        waiting.append(write_items(_merge(first), os.path.dirname(first[0]), "merged"))
    for place, found in itertools.groupby(_merge(waiting), itemgetter(0)):
        yield place, [item for _, item in found]
