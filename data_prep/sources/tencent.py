r"""Tencent ML-Images: lists of `path_or_url index:confidence index:confidence ...`, split at any
white space.

    --source=tencent --manifest=train_urls.txt,val_urls.txt --images=photos \
        --taxonomy=dictionary_and_semantic_hierarchy.txt

An index is a class's place in the dictionary. A picture is sought below --images by its path as the
list has it, then by the last part of it, which is a URL's only name and the record's id. A picture
that nobody could download any more is a reject, which `--max_bad_fraction` has to allow. The split
is a word of the list's name (`train`, `val`).
"""

import functools
import os
import posixpath
import re
from collections.abc import Iterator, Sequence

from data_prep.sources.fields import read_path
from data_prep.sources.files import find_files
from data_prep.sources.folders import find_folders, read_named
from data_prep.sources.source import Picture, Reject, Row, Source, SourceOptions, find_split
from data_prep.sources.tables import check_text, read_lines
from data_prep.sources.taxonomies import read_dictionary
from revisit.data.records import Contents
from revisit.errors import UserError

_NUMBER = re.compile(r"-?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?")


def _read_label(cell: str, names: Sequence[str]) -> tuple[str, float]:
    index, _, confidence = cell.partition(":")
    if not index.isdecimal() or not _NUMBER.fullmatch(confidence):
        raise ValueError(f"not index:confidence: {cell!r}")
    if int(index) >= len(names):
        raise ValueError(f"unknown class index {index}: the dictionary has {len(names)}")
    return names[int(index)], float(confidence)


def _place(given: str) -> str:
    path = posixpath.basename(given) if "://" in given else given
    return read_path({"path": path}, allow_outside=False)


def _list_rows(path: str, names: Sequence[str]) -> Iterator[Row | Reject]:
    file = os.path.basename(path)
    for line, text in read_lines(path):
        given, *cells = text.split()
        try:
            place = _place(given)
            positives = tuple(_read_label(cell, names) for cell in cells)
            yield Row(place, place, positives, split=find_split(file), origin=f"{file}:{line}")
        except ValueError as error:
            yield Reject(f"{file}:{line}", given, str(error))


def _rows(paths: Sequence[str], names: Sequence[str]) -> Iterator[Row | Reject]:
    for path in paths:
        yield from _list_rows(path, names)


def _read(folders: Sequence[str], follow_links: bool, row: Row) -> Picture:
    names = row.reference, posixpath.basename(row.reference)
    return read_named(folders, names, follow_links, row)


def make_source(options: SourceOptions) -> Source:
    """The source of the lists that --manifest names.

    Raises:
      UserError: no lists, dictionary or folders, another dictionary, or lists that are not UTF-8.
    """
    if not options.manifest or not options.taxonomy:
        raise UserError(
            "--source=tencent needs --manifest=LISTS "
            "and --taxonomy=dictionary_and_semantic_hierarchy.txt"
        )
    paths = [os.path.abspath(path) for path in find_files(options.manifest, "--manifest")]
    for path in paths:
        check_text(path)
    taxonomy = read_dictionary(options.taxonomy)
    folders = find_folders(options, "tencent")
    return Source(
        taxonomy=taxonomy,
        contents=Contents(),
        rows=functools.partial(_rows, paths, taxonomy.names),
        read=functools.partial(_read, folders, options.allow_outside_paths),
    )
