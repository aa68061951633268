r"""A table of images and their labels: the form that any other can be turned into with a few lines.

CSV (or TSV) with a header, its columns in any order:

    path,labels                       path,label,confidence,state
    a/1.jpg,dog;pet:0.7               a/1.jpg,dog,0.9,
    a/2.jpg,cat                       a/1.jpg,cat,,negative

`labels` holds names with `;` or `|` between them, each with a confidence after a colon if it is not
sure; `label` holds one name, as it is, one row for each. Optional columns: `id` (else the path),
`split` (train, validation, test), `negatives` (names as in `labels`, verified to be absent),
`confidence` and `state` (of the row's labels; see data_prep.sources.fields). Only a number after
the last colon is a confidence, and none is if the whole is the name of a class.

JSON Lines (*.jsonl):

    {"path": "a/1.jpg", "labels": ["dog", {"name": "pet", "confidence": 0.7}], "negatives": ["cat"]}

Either may be compressed: labels.csv.gz, labels.jsonl.xz.

VISSL's pairs of NumPy files, `--manifest=train_images.npy,train_labels.npy`: [N] paths, and [N]
class numbers, or [N, C] of 1 (there), 0 (not there) and -1 (unknown). A class's name is its number;
the split is a word of the first file's name.

A path is relative to --images (a folder, or one tar archive; by default the manifest's folder), and
may lead into a tar archive: `photos.tar/a/1.jpg`. Without a taxonomy the classes are the names that
occur, sorted, without parents.
"""

import functools
import json
import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from data_prep.sources import archives
from data_prep.sources.fields import (
    Statement,
    apply_state,
    make_row,
    read_confidence,
    read_json_labels,
    read_path,
    split_names,
)
from data_prep.sources.files import absolute_path, find_files, read_picture
from data_prep.sources.source import Reject, Row, Source, SourceOptions, find_split
from data_prep.sources.tables import check_text, ending, read_cells, read_lines
from data_prep.sources.taxonomies import make_flat_taxonomy, read_taxonomy
from revisit.data.records import Contents
from revisit.errors import UserError

_CONFIDENCE = re.compile(r"(.+):\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?|nan|inf)\s*", re.I)


class _Entry(NamedTuple):
    """One row or line before its labels are read."""

    line: int
    fields: Mapping[str, Any]


def _read_label(text: str, default: float, known: Collection[str]) -> Statement:
    match = _CONFIDENCE.fullmatch(text)
    if match is None or text in known:
        return Statement(text, default)
    return Statement(match[1].strip(), read_confidence(match[2]))


def _cell_labels(fields: Mapping[str, Any], known: Collection[str]) -> list[Statement]:
    default = read_confidence(fields.get("confidence") or 1)
    if "labels" in fields:
        stated = [_read_label(text, default, known) for text in split_names(fields["labels"])]
    else:
        stated = [Statement(fields["label"], default)] if fields["label"] else []
    return apply_state(stated, fields.get("state", ""))


def _json_labels(fields: Mapping[str, Any], known: Collection[str]) -> list[Statement]:
    del known  # a name in JSON is a name
    return read_json_labels(fields)


def _number_labels(fields: Mapping[str, Any], known: Collection[str]) -> list[Statement]:
    del known
    given = fields["labels"]
    if given.ndim == 0:
        return [Statement(str(given))] if given >= 0 else []
    return [Statement(str(number), float(given[number])) for number in np.flatnonzero(given >= 0)]


def _csv_entries(paths: Sequence[str]) -> Iterator[_Entry | Reject]:
    (path,) = paths
    cells_of_lines = read_cells(path)
    header = _header(path)
    next(cells_of_lines)
    for line, cells in cells_of_lines:
        if len(cells) == len(header):
            yield _Entry(line, dict(zip(header, cells)))
        else:
            origin = f"{os.path.basename(path)}:{line}"
            reason = f"{len(cells)} cells, the header has {len(header)} (quote names with commas)"
            yield Reject(origin, cells[0], reason)


def _json_entries(paths: Sequence[str]) -> Iterator[_Entry | Reject]:
    (path,) = paths
    for line, text in read_lines(path):
        origin = f"{os.path.basename(path)}:{line}"
        try:
            fields = json.loads(text)
        except (ValueError, RecursionError) as error:
            yield Reject(origin, "", f"not JSON: {error}")
            continue
        if isinstance(fields, dict):
            yield _Entry(line, fields)
        else:
            yield Reject(origin, "", "not a JSON object")


def _array_entries(paths: Sequence[str]) -> Iterator[_Entry]:
    images, labels = map(_load_array, paths)
    split = find_split(os.path.basename(paths[0]))
    for place, (path, given) in enumerate(zip(images, labels, strict=True)):
        yield _Entry(place, {"path": str(path), "labels": given, "split": split})


def _load_array(path: str) -> Any:
    try:
        return np.load(path, mmap_mode="r")
    except ValueError as error:
        raise UserError(
            f"{path} is no plain NumPy array ({error}): save it with np.save, of text or numbers"
        ) from None


def _check_arrays(paths: Sequence[str]) -> None:
    if len(paths) != 2:
        raise UserError(
            f"--manifest={','.join(paths)}: NumPy files come in pairs, as images.npy,labels.npy"
        )
    images, labels = map(_load_array, paths)
    kinds = images.dtype.kind, labels.dtype.kind
    if (
        kinds not in (("U", "i"), ("U", "u"))
        or images.ndim != 1
        or labels.ndim not in (1, 2)
        or len(images) != len(labels)
    ):
        raise UserError(
            f"{paths[0]} holds {images.dtype} {images.shape}, {paths[1]} {labels.dtype} "
            f"{labels.shape}: expected [N] paths, and [N] or [N, C] integers"
        )


def _header(path: str) -> list[str]:
    """The column names of a CSV manifest, in lower case.

    Raises:
      UserError: an empty file, no `path` or no `labels` or `label` column, or a name twice.
    """
    _, cells = next(read_cells(path), (0, []))
    header = [cell.lower() for cell in cells]
    twice = {name for name in header if header.count(name) > 1}
    if "path" not in header or {"labels", "label"}.isdisjoint(header) or twice:
        raise UserError(
            f"{path}:1 has the columns {', '.join(cells) or 'none'}: "
            "a manifest needs a header with 'path' and 'labels' (or 'label'), each name once, and "
            "commas or tabs between its columns"
        )
    return header


def _check_csv(paths: Sequence[str]) -> None:
    for path in paths:
        check_text(path)
        _header(path)


def _check_json(paths: Sequence[str]) -> None:
    for path in paths:
        check_text(path)
        line, text = next(read_lines(path), (0, ""))
        if ending(path) == ".json" and text.startswith("["):
            raise UserError(
                f"{path}:{line} begins a JSON array: write JSON Lines, an object a line"
            )


class _Form(NamedTuple):
    """How one kind of manifest is read: `num_files` make one table."""

    num_files: int
    check: Callable[[Sequence[str]], None]
    entries: Callable[[Sequence[str]], Iterator[_Entry | Reject]]
    labels: Callable[[Mapping[str, Any], Collection[str]], list[Statement]]


_CSV = _Form(1, _check_csv, _csv_entries, _cell_labels)
_JSON = _Form(1, _check_json, _json_entries, _json_labels)
_FORMS = {
    ".jsonl": _JSON,
    ".ndjson": _JSON,
    ".json": _JSON,
    ".npy": _Form(2, _check_arrays, _array_entries, _number_labels),
}


class _Table(NamedTuple):
    """The files of one manifest, and what its paths mean."""

    paths: tuple[str, ...]
    root: str
    allow_outside: bool

    @property
    def form(self) -> _Form:
        return _FORMS.get(ending(self.paths[0]), _CSV)


def _located_row(table: _Table, entry: _Entry, known: Collection[str], origin: str) -> Row:
    path = read_path(entry.fields, table.allow_outside)
    statements = table.form.labels(entry.fields, known)
    row = make_row(entry.fields, statements, path, origin)
    found = archives.locate(os.path.join(table.root, path))
    return row if isinstance(found, str) else row._replace(reference=found)


def _table_rows(table: _Table, known: Collection[str]) -> Iterator[Row | Reject]:
    name = os.path.basename(table.paths[0])
    for entry in table.form.entries(table.paths):
        if isinstance(entry, Reject):
            yield entry
            continue
        origin = f"{name}:{entry.line}"
        try:
            yield _located_row(table, entry, known, origin)
        except ValueError as error:
            given = str(entry.fields.get("id") or entry.fields.get("path") or "")
            yield Reject(origin, given, str(error))


def _rows(tables: Iterable[_Table], known: Collection[str]) -> Iterator[Row | Reject]:
    for table in tables:
        yield from _table_rows(table, known)


def _find_tables(options: SourceOptions) -> list[_Table]:
    if not options.manifest:
        raise UserError("--source=manifest needs --manifest=FILE (CSV, JSONL or NumPy pair)")
    waiting = [os.path.abspath(path) for path in find_files(options.manifest, "--manifest")]
    root = options.images or os.path.dirname(waiting[0])
    archives.check_root(root)
    tables = []
    while waiting:
        num_files = _Table((waiting[0],), "", False).form.num_files
        paths, waiting = waiting[:num_files], waiting[num_files:]
        tables.append(_Table(tuple(paths), absolute_path(root), options.allow_outside_paths))
    return tables


def make_source(options: SourceOptions) -> Source:
    """The source that --manifest, --images and --taxonomy name.

    Raises:
      UserError: no such file or folder, not UTF-8, no header, or a taxonomy that is none.
    """
    tables = _find_tables(options)
    for table in tables:
        table.form.check(table.paths)
    if options.taxonomy:
        taxonomy = read_taxonomy(options.taxonomy)
    else:
        taxonomy = make_flat_taxonomy(_rows(tables, ()), options.manifest)
    return Source(
        taxonomy=taxonomy,
        contents=Contents(),
        rows=functools.partial(_rows, tables, frozenset(taxonomy.names)),
        read=functools.partial(read_picture, tables[0].root, options.allow_outside_paths),
    )
