"""Beam's grouping, in files (see `sorting`).

Only names of files travel between workers, so what is grouped never waits in memory, which Beam's
local runners would have it do.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import apache_beam as beam
from apache_beam import typehints
from apache_beam.transforms.window import GlobalWindow
from apache_beam.utils.windowed_value import WindowedValue

from data_prep import shards, sorting
from data_prep.sorting import Place

# Beam would take our annotations for promises about its coders, and make schemas of NamedTuples.
typehints.disable_type_annotations()


class _WriteRuns(beam.DoFn):
    """(Place, item) -> (range, path of a sorted run of items)."""

    def __init__(self, directory: str) -> None:
        self._directory = directory

    def start_bundle(self) -> None:
        self._runs = sorting.RunWriter(self._directory)

    def process(self, placed: tuple[Place, Any]) -> Iterator[tuple[int, str]]:
        yield from self._runs.add(*placed)

    def finish_bundle(self) -> Iterator[Any]:
        for run in self._runs.flush():
            yield WindowedValue(run, GlobalWindow().max_timestamp(), [GlobalWindow()])


class _InFiles(beam.PTransform):
    """A step that has files.

    Args:
      directory: for them; every worker must reach it.
    """

    def __init__(self, directory: str) -> None:
        super().__init__()
        self._directory = directory


class SortInFiles(_InFiles):
    """PCollection of (Place, item) -> (range, paths of its sorted runs)."""

    def expand(self, placed: Any) -> Any:
        """Builds the steps."""
        write_runs = beam.ParDo(_WriteRuns(self._directory))
        return placed | "WriteRuns" >> write_runs | "GroupRange" >> beam.GroupByKey()


def _place(key: Any, item: Any) -> tuple[Place, Any]:
    name = repr(key)
    return (shards.hash_id(name, 0, "group"), name), (key, item)


def _read_groups(range_: int, paths: Iterable[str]) -> Iterator[tuple[Any, list[Any]]]:
    del range_
    for _, found in sorting.merge_runs(paths):
        yield found[0][0], [item for _, item in found]


class GroupInFiles(_InFiles):
    """PCollection of (key, item) -> (key, list of its items): one group at a time is in memory."""

    def expand(self, items: Any) -> Any:
        """Builds the steps."""
        placed = items | "Place" >> beam.MapTuple(_place)
        runs = placed | "Sort" >> SortInFiles(self._directory)
        return runs | "ReadGroups" >> beam.FlatMapTuple(_read_groups)
