"""One build from beginning to end: plan, shards, and what makes the directory a data set."""

import contextlib
import errno
import hashlib
import logging
import os
import re
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions, _BeamArgumentParser

from data_prep import directory as directory_lib
from data_prep.directory import SplitReport
from data_prep.duplicates import (
    Pair,
    evaluation_files,
    make_groups,
    own_files,
    write_duplicates,
)
from data_prep.pipeline import BuildShards, PlanOptions, WriteDuplicates
from data_prep.report import Done, Progress, reject_kind
from data_prep.report_page import Build, write_report
from data_prep.scratch import temporary_files
from data_prep.shards import ShardKey, is_finished, read_report, shard_keys
from data_prep.sources import SOURCES
from data_prep.sources.files import find_files
from data_prep.sources.source import Reject, Source, SourceOptions
from revisit.data import records
from revisit.data.duplicates import fingerprint
from revisit.errors import UserError

# How Python words that a disk, a quota or a limit on a file's size is full.
_NO_SPACE = "|".join(rf"\[Errno {each}\]" for each in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG))
# Logs the traceback of an error that the runner then raises with the same words.
_WORKER_LOGGER = "apache_beam.runners.common"
_RUNNER_FLAGS = ("runner", "direct_running_mode")


class BuildOptions(NamedTuple):
    """What the flags of `python -m data_prep.build` say.

    Attributes:
      source_name: one of SOURCES.
      source: what it is told.
      out: the data set's directory.
      plan: where an image goes.
      max_bad_fraction: in [0, 1]: of the rows that may be rejected.
      num_processes: that read images in each of Beam's workers; None: see `choose_processes`.
      evaluation_sets: directories of data sets whose images are looked for among these.
    """

    source_name: str
    source: SourceOptions
    out: str
    plan: PlanOptions
    max_bad_fraction: float
    num_processes: int | None
    evaluation_sets: tuple[str, ...] = ()


def split_arguments(argv: Sequence[str]) -> tuple[list[str], dict[str, Any]]:
    """Separates Beam's flags from all others.

    Returns:
      The other arguments, and Beam's as a dict of name -> value, those that were given.
    """
    parser = _BeamArgumentParser(
        "data_prep.build", "data_prep.build --help", allow_abbrev=False, add_help=False
    )
    for options in PipelineOptions.__subclasses__():
        options._add_argparse_args(parser)
    given, others = parser.parse_known_args(list(argv))
    return others, {k: v for k, v in vars(given).items() if v != parser.get_default(k)}


def choose_processes(wanted: int | None, beam_options: dict[str, Any]) -> int:
    """All cores, where Beam runs in this process; where it has workers of its own, one in each."""
    if wanted is not None:
        return wanted
    has_workers = any(name in beam_options for name in _RUNNER_FLAGS)
    return 1 if has_workers else len(os.sched_getaffinity(0))


def _digest(paths: Sequence[str]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        with open(path, "rb") as file:
            while chunk := file.read(2**20):
                digest.update(chunk)
    return digest.hexdigest()[:16]


def _place_of_images(given: SourceOptions) -> str:
    """A path means the same wherever the command is run; a name or pattern stays as it is."""
    place = given.images or os.path.dirname(os.path.abspath(given.manifest))
    return os.path.abspath(place) if os.path.exists(place) else place


def _make_plan(options: BuildOptions, source: Source) -> dict[str, Any]:
    """All that decides the bytes of a data set, but for the images themselves."""
    given = options.source
    return {
        **options.plan._asdict(),
        **options.plan.images._asdict(),
        **given._asdict(),
        "source": options.source_name,
        "manifest": _digest(find_files(given.manifest, "--manifest")) if given.manifest else "",
        "images": _place_of_images(given),
        "taxonomy": source.taxonomy.fingerprint(),
        "evaluation_sets": {
            name: fingerprint(records.read_dataset(name)) for name in options.evaluation_sets
        },
        "version": directory_lib.VERSION,
    }


def _user_error(error: Exception) -> UserError | None:
    """The user's mistake inside what a runner raises, which tells a worker's traceback as text."""
    if isinstance(error, UserError):
        return error
    match = re.search(
        r"^(?:\w+\.)*(UserError|OSError|PermissionError): (.*?)( \[while .*)?$", str(error), re.M
    )
    return UserError(match[2]) if match else None


_DEFAULTS = {
    "default_sdk_harness_log_level": "WARNING",  # workers tell of every bundle otherwise
    # DirectRunner would download another runner (Prism) and try that first; it leaves alone what
    # allows this, which means nothing to a pipeline without triggers.
    "allow_unsafe_triggers": True,
}


def run_pipeline(transform: beam.PTransform, beam_options: dict[str, Any]) -> None:
    """Runs a transform that begins a pipeline, to its end.

    Args:
      transform: its PBegin -> anything.
      beam_options: Beam's own, name -> value.

    Raises:
      UserError: one that a worker raised, or what it says of a file.
    """
    options = PipelineOptions.from_dictionary({**_DEFAULTS, **beam_options})
    logging.getLogger(_WORKER_LOGGER).setLevel(logging.CRITICAL)
    try:
        with temporary_files():
            pipeline = beam.Pipeline(options=options)
            _ = pipeline | transform
            pipeline.run().wait_until_finish()
    except Exception as error:
        mistake = _user_error(error)
        if mistake is None:
            raise
        raise mistake from error


class _Measure:
    """How far a build has come; the report of a shard is read once.

    Args:
      directory: the data set's, in which nothing of this run is written yet.
      examples_per_shard: on average.
    """

    def __init__(self, directory: str, examples_per_shard: int) -> None:
        self._directory = directory
        self._examples_per_shard = examples_per_shard
        self._former = directory_lib.find_finished(directory)
        self._lengths: dict[ShardKey, int] = {}

    def __call__(self) -> Done:
        """As far as it has come by now."""
        counts = directory_lib.read_counts(self._directory)
        for key in shard_keys(counts, self._examples_per_shard):
            if key not in self._lengths and is_finished(self._directory, key):
                report = read_report(self._directory, key)
                self._lengths[key] = report.num_examples + len(report.rejects)
        former = sum(n for key, n in self._lengths.items() if key.name in self._former)
        return Done(former, sum(self._lengths.values()) - former, sum(counts.values()))


def _find_duplicates(
    options: BuildOptions, reports: Mapping[str, SplitReport], beam_options: dict[str, Any]
) -> int:
    """Writes duplicates.csv, and gives the number of images that were only compared with some."""
    sets = {name: records.read_dataset(name) for name in options.evaluation_sets}
    files = [each for name in sets for each in evaluation_files(name, sets[name])]
    files += own_files(options.out, {split: each.lengths for split, each in reports.items()})
    num_images = sum(each.total.num_examples for each in reports.values())
    num_images += sum(sum(map(each.num_examples, each.shards)) for each in sets.values())
    run_pipeline(WriteDuplicates(files, options.out, num_images), beam_options)
    pairs = map(Pair._make, directory_lib.read_found(options.out, "pairs"))
    write_duplicates(options.out, make_groups(pairs, files))
    crowded = directory_lib.read_found(options.out, "crowded")
    return max((count for _, count in crowded), default=0)


def _commonest(rejects: Sequence[Reject]) -> str:
    """The kind of reason that most rejects have, told by the first of them."""
    kinds = Counter(reject_kind(each.reason) for each in rejects)
    kind, count = kinds.most_common(1)[0]
    first = next(each for each in rejects if reject_kind(each.reason) == kind)
    return f"{count:,} like {first.origin}: {first.reason}"


def _check_rejects(options: BuildOptions, rejects: Sequence[Reject], num_images: int) -> None:
    total = len(rejects) + num_images
    if total == 0:
        raise UserError(f"--source={options.source_name} finds no images in what it was given")
    path = os.path.join(options.out, records.REJECTS_FILE)
    if num_images == 0:
        raise UserError(
            f"no image is left of {total:,} rows ({_commonest(rejects)}): mend what {path} lists"
        )
    if len(rejects) > options.max_bad_fraction * total:
        raise UserError(
            f"{len(rejects):,} of {total:,} rows were rejected, more than --max_bad_fraction="
            f"{options.max_bad_fraction} ({_commonest(rejects)}): mend what {path} lists, or raise "
            "the fraction"
        )


@contextlib.contextmanager
def _explained_full_disk(directory: str) -> Iterator[None]:
    """Says what helps; a runner tells of an error in a worker as text, number and all."""
    try:
        yield
    except Exception as error:
        if not re.search(_NO_SPACE, str(error)):
            raise
        raise UserError(
            f"no space is left on the disk of --out={directory}: make room, then run the same "
            "command again, which goes on where this one stopped"
        ) from error


def _build(options: BuildOptions, beam_options: dict[str, Any]) -> None:
    source = SOURCES[options.source_name](options.source)
    plan = _make_plan(options, source)
    if not directory_lib.begin(options.out, plan):
        return
    started = time.monotonic()
    per_shard = options.plan.examples_per_shard
    measure = _Measure(options.out, per_shard)
    with Progress(measure):
        num_processes = choose_processes(options.num_processes, beam_options)
        run_pipeline(BuildShards(source, options.out, options.plan, num_processes), beam_options)
    reports = directory_lib.read_reports(options.out, per_shard)
    rejects = directory_lib.read_row_rejects(options.out)
    rejects += [reject for each in reports.values() for reject in each.total.rejects]
    rejects.sort(key=lambda reject: reject.place)
    directory_lib.write_rejects(options.out, rejects)
    num_images = sum(each.total.num_examples for each in reports.values())
    _check_rejects(options, rejects, num_images)
    num_crowded = _find_duplicates(options, reports, beam_options)
    dataset = directory_lib.describe(options.out, source, plan, reports, num_crowded)
    write_report(dataset, Build(measure().now, time.monotonic() - started))
    directory_lib.finish(options.out)


def build(options: BuildOptions, beam_options: dict[str, Any]) -> None:
    """Builds a data set, or goes on with one that was begun; nothing where it is whole.

    Args:
      options: what to build.
      beam_options: Beam's own, name -> value.

    Raises:
      UserError: a source that can't be read, a directory that holds something else, too many
        rejects, or a full disk.
    """
    with _explained_full_disk(options.out):
        _build(options, beam_options)
