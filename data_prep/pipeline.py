"""Rows -> closed labels -> shards, on any Beam runner.

What travels between workers is rows, never pixels: `PlanShards` is all of the pipeline that touches
no file, and `WriteShards` reads the images of one shard at a time. Each step that can refuse a row
gives rejects beside what is good.
"""

import concurrent.futures
import functools
import json
import multiprocessing
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import apache_beam as beam
import tensorflow_datasets as tfds
from apache_beam import typehints
from apache_beam.pvalue import TaggedOutput

from data_prep import shards
from data_prep.labels import SPLITS, LabelError, close_labels, join_rows
from data_prep.shards import Example, ShardKey
from data_prep.sources.source import Reject, Row, Source
from revisit.data.taxonomy import Taxonomy

# Beam would take our annotations for promises about its coders, and make schemas of NamedTuples.
typehints.disable_type_annotations()

_GOOD, _REJECTS = "good", "rejects"


class PlanOptions(NamedTuple):
    """What decides where an image goes.

    Attributes:
      seed: of the order and of the split.
      validation_fraction: in [0, 1); of the images whose row names no split.
      examples_per_shard: on average.
    """

    seed: int = 0
    validation_fraction: float = 0.05
    examples_per_shard: int = 1024


def _by_id(item: Row | Reject) -> Iterator[Any]:
    if isinstance(item, Reject):
        yield TaggedOutput(_REJECTS, item)
    elif item.split not in (None, *SPLITS):
        reason = f"split {item.split!r} is none of {', '.join(SPLITS)}"
        yield TaggedOutput(_REJECTS, Reject(item.origin, item.id, reason))
    else:
        yield item.id, item


def _split(row: Row, options: PlanOptions) -> str:
    if row.split is not None:
        return row.split
    fraction = shards.hash_fraction(row.id, options.seed, "split")
    return "validation" if fraction < options.validation_fraction else "train"


def _to_example(
    rows_of_id: tuple[str, Iterable[Row]], taxonomy: Taxonomy, options: PlanOptions
) -> Iterator[Any]:
    row, rejects = join_rows(rows_of_id[1])
    for reject in rejects:
        yield TaggedOutput(_REJECTS, reject)
    try:
        labels = close_labels(row, taxonomy)
    except LabelError as error:
        yield TaggedOutput(_REJECTS, Reject(row.origin, row.id, str(error)))
    else:
        order = shards.hash_id(row.id, options.seed, "order")
        yield Example(order, _split(row, options), row, labels)


def _by_shard(
    example: Example, counts: dict[str, int], options: PlanOptions
) -> tuple[tuple[Any, ...], Example]:
    key = shards.shard_key(example, counts[example.split], options.examples_per_shard)
    return tuple(key), example


def _all_keys(counts: dict[str, int], options: PlanOptions) -> list[tuple[Any, None]]:
    return [(tuple(key), None) for key in shards.shard_keys(counts, options.examples_per_shard)]


def _in_order(group: tuple[Any, Iterable[Example | None]]) -> tuple[ShardKey, list[Example]]:
    key, examples = group
    found = (example for example in examples if example is not None)
    ordered = sorted(found, key=lambda example: (example.order, example.row.id))
    return ShardKey(*key), ordered


def _split_off_rejects(step: Callable[..., Iterator[Any]], output_type: Any) -> Any:
    flat_map = beam.FlatMap(step).with_output_types(output_type)
    return flat_map.with_outputs(_REJECTS, main=_GOOD)


class PlanShards(beam.PTransform):
    """PCollection of Row | Reject -> {"shards", "counts", "rejects"}.

    `shards` holds (ShardKey, [Example] in order), one of every shard, also of an empty one;
    `counts` one dict, split -> number of images; `rejects` a Reject for each row that can't be
    used.
    """

    def __init__(self, taxonomy: Taxonomy, options: PlanOptions) -> None:
        super().__init__()
        self._taxonomy = taxonomy
        self._options = options

    def expand(self, rows: Any) -> dict[str, Any]:
        """Builds the steps."""
        by_id = rows | "ById" >> _split_off_rejects(_by_id, tuple[str, Any])
        to_example = functools.partial(_to_example, taxonomy=self._taxonomy, options=self._options)
        closed = (
            by_id[_GOOD]
            | "JoinId" >> beam.GroupByKey()
            | "CloseLabels" >> _split_off_rejects(to_example, Any)
        )
        examples = closed[_GOOD]
        counts = (
            examples
            | "Split" >> beam.Map(lambda example: example.split)
            | "CountSplit" >> beam.combiners.Count.PerElement()
            | "Counts" >> beam.combiners.ToDict()
        )
        by_shard = examples | "ByShard" >> beam.Map(
            _by_shard, beam.pvalue.AsSingleton(counts), self._options
        )
        all_keys = counts | "AllShards" >> beam.FlatMap(_all_keys, self._options)
        planned = (
            (by_shard, all_keys)
            | "WithEmpty" >> beam.Flatten()
            | "GroupShard" >> beam.GroupByKey()
            | "InOrder" >> beam.Map(_in_order)
        )
        rejects = (by_id[_REJECTS], closed[_REJECTS]) | "Rejects" >> beam.Flatten()
        return {"shards": planned, "counts": counts, "rejects": rejects}


class WriteShards(beam.DoFn):
    """(ShardKey, [Example]) -> nothing: writes the shard (see `shards.write_shard`).

    Args:
      source: where the pixels come from.
      directory: the data set's.
      num_processes: beside each other in one Beam worker. Local runners' own worker processes take
        longer to start than many a data set takes to build, hence a pool; 1 uses none.
    """

    def __init__(self, source: Source, directory: str, num_processes: int) -> None:
        self._source = source
        self._directory = directory
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

    def process(self, shard: tuple[ShardKey, list[Example]]) -> None:
        """Writes a shard here, or has it written by the pool."""
        write = functools.partial(
            shards.write_shard, *shard, source=self._source, directory=self._directory
        )
        if self._pool is None:
            write()
            return
        self._pending.append(self._pool.submit(write))
        if len(self._pending) > 2 * self._num_processes:  # bounds the rows that wait in memory
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
        plan = (
            pipeline
            | "Start" >> beam.Create([None])
            | "Rows" >> beam.FlatMap(lambda _: rows())
            | "PlanShards" >> PlanShards(self._source.taxonomy, self._options)
        )
        _ = plan["counts"] | "WriteCounts" >> beam.Map(
            _write_json, self._directory, shards.COUNTS_FILE
        )
        _ = (
            plan["rejects"]
            | "AllRejects" >> beam.combiners.ToList()
            | "WriteRejects" >> beam.Map(_write_json, self._directory, shards.ROW_REJECTS_FILE)
        )
        write = WriteShards(self._source, self._directory, self._num_processes)
        return plan["shards"] | "WriteShards" >> beam.ParDo(write)
