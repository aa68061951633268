"""Rows -> closed labels -> shards, on any Beam runner.

What is sorted is rows, never pixels, and in files (see `sorting`): `PlanShards` reads no image, and
`WriteShards` reads those of one shard at a time. Each step that can refuse a row gives rejects
beside what is good.
"""

import concurrent.futures
import functools
import json
import multiprocessing
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import apache_beam as beam
import tensorflow_datasets as tfds
from apache_beam.pvalue import TaggedOutput

from data_prep import shards, sorting
from data_prep.duplicates import File, FindDuplicates
from data_prep.grouping import SortInFiles
from data_prep.images import ImageOptions
from data_prep.labels import SPLITS, LabelError, close_labels, join_rows
from data_prep.shards import Example, ShardKey
from data_prep.sources.source import Reject, Row, Source
from revisit.data.taxonomy import Taxonomy, is_text

_GOOD, _REJECTS = "good", "rejects"


_AS_GIVEN = ImageOptions()


class PlanOptions(NamedTuple):
    """What decides where an image goes, and what is made of it.

    Attributes:
      seed: of the order and of the split.
      validation_fraction: in [0, 1); of the images whose row names no split.
      examples_per_shard: on average.
      images: limits and sizes of the pictures.
    """

    seed: int = 0
    validation_fraction: float = 0.05
    examples_per_shard: int = 1024
    images: ImageOptions = _AS_GIVEN


def _place_row(item: Row | Reject, seed: int) -> Iterator[Any]:
    """Row | Reject -> (place in the order, row); rejects beside them."""
    if isinstance(item, Reject):
        yield TaggedOutput(_REJECTS, item)
    elif item.split not in (None, *SPLITS):
        reason = f"split {item.split!r} is none of {', '.join(SPLITS)}"
        yield TaggedOutput(_REJECTS, Reject(item.origin, item.id, reason))
    elif not is_text(item.id):
        reason = "its name is not UTF-8: rename it"
        yield TaggedOutput(_REJECTS, Reject(item.origin, item.id, reason))
    else:
        yield (shards.hash_id(item.id, seed, "order"), item.id), item


def _split(row: Row, options: PlanOptions) -> str:
    if row.split is not None:
        return row.split
    fraction = shards.hash_fraction(row.id, options.seed, "split")
    return "validation" if fraction < options.validation_fraction else "train"


class PlannedRange(NamedTuple):
    """A range of the order, ready to be read: its number, its file of Examples, and how many of
    each split are in it."""

    range_: int
    path: str
    counts: dict[str, int]


class _Planner(NamedTuple):
    """What makes Examples of rows."""

    taxonomy: Taxonomy
    options: PlanOptions
    directory: str

    def _examples(self, paths: Iterable[str]) -> Iterator[Example | Reject]:
        for (order, _), rows in sorting.merge_runs(paths):
            row, rejects = join_rows(rows)
            yield from rejects
            try:
                labels = close_labels(row, self.taxonomy)
            except LabelError as error:
                yield Reject(row.origin, row.id, str(error))
            else:
                yield Example(order, _split(row, self.options), row, labels)

    def plan_range(self, range_: int, paths: Iterable[str]) -> Iterator[Any]:
        """Merges the runs of one range into its file; gives a PlannedRange, and rejects."""
        counts: Counter[str] = Counter()
        rejects = []

        def good() -> Iterator[Example]:
            for item in self._examples(paths):
                if isinstance(item, Reject):
                    rejects.append(item)
                else:
                    counts[item.split] += 1
                    yield item

        path = sorting.write_items(good(), self.directory, f"examples-{range_:03d}")
        yield PlannedRange(range_, path, dict(counts))
        for reject in rejects:
            yield TaggedOutput(_REJECTS, reject)


def _add_counts(counts: Iterable[dict[str, int]]) -> dict[str, int]:
    return dict(sum(map(Counter, counts), Counter()))


def _plan_shards(
    counts: dict[str, int], ranges: Iterable[PlannedRange], options: PlanOptions
) -> Iterator[tuple[ShardKey, list[str]]]:
    paths = {each.range_: each.path for each in ranges}
    for key in shards.shard_keys(counts, options.examples_per_shard):
        overlapping = sorting.ranges_of(key.place, key.num_shards)
        yield key, [paths[range_] for range_ in overlapping if range_ in paths]


class PlanShards(beam.PTransform):
    """PCollection of Row | Reject -> {"shards", "counts", "rejects"}.

    `shards` holds (ShardKey, paths of what `shards.read_shard` reads), one of every shard, also of
    an empty one; `counts` one dict, split -> number of images; `rejects` a Reject for each row that
    can't be used.

    Args:
      taxonomy: of the labels.
      options: where an image goes.
      directory: for the rows meanwhile; every worker must reach it.
    """

    def __init__(self, taxonomy: Taxonomy, options: PlanOptions, directory: str) -> None:
        super().__init__()
        self._planner = _Planner(taxonomy, options, directory)

    def expand(self, rows: Any) -> dict[str, Any]:
        """Builds the steps."""
        planner = self._planner
        place = beam.FlatMap(_place_row, planner.options.seed).with_outputs(_REJECTS, main=_GOOD)
        placed = rows | "PlaceRow" >> place
        merge = beam.FlatMapTuple(planner.plan_range).with_outputs(_REJECTS, main=_GOOD)
        runs = placed[_GOOD] | "SortRows" >> SortInFiles(planner.directory)
        ranges = runs | "PlanRange" >> merge
        counts = (
            ranges[_GOOD]
            | "RangeCounts" >> beam.Map(lambda each: each.counts)
            | "Counts" >> beam.CombineGlobally(_add_counts)
        )
        planned = (
            counts
            | "Shards"
            >> beam.FlatMap(_plan_shards, beam.pvalue.AsList(ranges[_GOOD]), planner.options)
            | "Deal" >> beam.Reshuffle()
        )
        rejects = (placed[_REJECTS], ranges[_REJECTS]) | "Rejects" >> beam.Flatten()
        return {"shards": planned, "counts": counts, "rejects": rejects}


class WriteShards(beam.DoFn):
    """(ShardKey, paths of its rows) -> nothing: writes the shard (see `shards.write_shard`).

    Args:
      source: where the pixels come from.
      directory: the data set's.
      image_options: what is made of the pictures.
      num_processes: beside each other in one Beam worker. Local runners' own worker processes take
        longer to start than many a data set takes to build, hence a pool; 1 uses none.
    """

    def __init__(
        self, source: Source, directory: str, image_options: ImageOptions, num_processes: int
    ) -> None:
        self._source = source
        self._directory = directory
        self._image_options = image_options
        self._num_processes = num_processes
        self._pool: concurrent.futures.ProcessPoolExecutor | None = None
        self._pending: list[concurrent.futures.Future[None]] = []

    def setup(self) -> None:
        """Starts the pool, by a server: a fork of a process with threads may hang."""
        if self._num_processes > 1:
            context = multiprocessing.get_context("forkserver")
            context.set_forkserver_preload([shards.__name__])
            self._pool = concurrent.futures.ProcessPoolExecutor(
                self._num_processes, context, shards.watch_parent
            )

    def process(self, shard: tuple[ShardKey, list[str]]) -> None:
        """Writes a shard here, or has it written by the pool."""
        write = functools.partial(
            shards.write_shard,
            *shard,
            source=self._source,
            directory=self._directory,
            image_options=self._image_options,
        )
        if self._pool is None:
            write()
            return
        self._pending.append(self._pool.submit(write))
        if len(self._pending) > 2 * self._num_processes:  # bounds how much is lost when one fails
            self._pending.pop(0).result()

    def finish_bundle(self) -> None:
        """Waits for the pool: a bundle is done when its files are."""
        while self._pending:
            self._pending.pop(0).result()

    def teardown(self) -> None:
        """Ends the pool."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)


def _write_json(value: Any, directory: str, name: str) -> None:
    path = tfds.core.Path(directory) / shards.BUILD_DIRECTORY / name
    unfinished = path.with_name(f"{name}.unfinished")
    unfinished.write_text(json.dumps(value))
    unfinished.replace(path)


class BuildShards(beam.PTransform):
    """PBegin -> the shards of a source on disk, with counts and rejects in its build directory."""

    def __init__(
        self, source: Source, directory: str, options: PlanOptions, num_processes: int
    ) -> None:
        super().__init__()
        self._source = source
        self._directory = directory
        self._options = options
        self._num_processes = num_processes

    def expand(self, pipeline: Any) -> Any:
        """Builds the steps."""
        rows = self._source.rows
        sorting_directory = str(shards.sorting_path(self._directory))
        plan = (
            pipeline
            | "Start" >> beam.Create([None])
            | "Rows" >> beam.FlatMap(lambda _: rows())
            | "PlanShards" >> PlanShards(self._source.taxonomy, self._options, sorting_directory)
        )
        _ = plan["counts"] | "WriteCounts" >> beam.Map(
            _write_json, self._directory, shards.COUNTS_FILE
        )
        _ = (
            plan["rejects"]
            | "AllRejects" >> beam.combiners.ToList()
            | "WriteRejects" >> beam.Map(_write_json, self._directory, shards.ROW_REJECTS_FILE)
        )
        write = WriteShards(
            self._source, self._directory, self._options.images, self._num_processes
        )
        return plan["shards"] | "WriteShards" >> beam.ParDo(write)


class WriteDuplicates(beam.PTransform):
    """PBegin -> the pairs of near duplicates among files of thumbnails, in the build directory."""

    def __init__(self, files: Sequence[File], directory: str, num_images: int) -> None:
        super().__init__()
        self._paths = [file.path for file in files]
        self._directory = directory
        self._num_images = num_images

    def expand(self, pipeline: Any) -> None:
        """Builds the steps."""
        sorting_directory = str(shards.sorting_path(self._directory))
        found = (
            pipeline
            | "Files" >> beam.Create(list(enumerate(self._paths)))
            | "FindDuplicates" >> FindDuplicates(self._paths, self._num_images, sorting_directory)
        )
        for name, collection in found.items():
            _ = (
                collection
                | f"All_{name}" >> beam.combiners.ToList()
                | f"Write_{name}" >> beam.Map(_write_json, self._directory, f"{name}.json")
            )
