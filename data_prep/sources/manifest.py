r"""A table of images and their labels: the form that any other can be turned into with a few lines.

CSV (or TSV) with a header, its columns in any order:

    path,labels                       path,label,confidence
    a/1.jpg,dog;pet:0.7               a/1.jpg,dog,1
    a/2.jpg,cat                       a/1.jpg,pet,0.7

`labels` holds names with `;` between them, each with a confidence after a colon if it is not sure;
`label` holds one name, as it is, one row for each. Optional columns: `id` (else the path), `split`
(train, validation, test), `negatives` (names, `;` between them, verified to be absent),
`confidence` (of the row's labels that say none).

JSON Lines (*.jsonl):

    {"path": "a/1.jpg", "labels": ["dog", {"name": "pet", "confidence": 0.7}], "negatives": ["cat"]}

A confidence of 0 says that the label was verified to be absent. Only a number after the last colon
is a confidence, and none is if the whole is the name of a class. Without a taxonomy the classes are
the names that occur, sorted, without parents.
"""

import functools
import json
import os
import posixpath
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, NamedTuple

from data_prep.sources.source import Picture, Reject, Row, Source, SourceOptions
from data_prep.sources.tables import check_text, read_cells, read_lines
from data_prep.sources.taxonomies import read_taxonomy
from revisit.data.records import Contents
from revisit.data.taxonomy import Taxonomy, make_taxonomy
from revisit.errors import UserError

_JSON_LINES = (".jsonl", ".ndjson", ".json")
_CONFIDENCE = re.compile(r"(.+):\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?|nan|inf)\s*", re.I)

Label = tuple[str, float]


class _Entry(NamedTuple):
    """One row or line before its labels are read: `labels` is a cell or a list."""

    line: int
    fields: Mapping[str, Any]


def _split_names(cell: str) -> list[str]:
    return [name.strip() for name in cell.split(";") if name.strip()]


def _read_label(text: str, default: float, known: Collection[str]) -> Label:
    match = _CONFIDENCE.fullmatch(text)
    if match is None or text in known:
        return text, default
    return match[1].strip(), float(match[2])


def _cell_labels(fields: Mapping[str, Any], known: Collection[str]) -> list[Label]:
    default = float(fields.get("confidence") or 1)
    if "labels" in fields:
        return [_read_label(text, default, known) for text in _split_names(fields["labels"])]
    return [(fields["label"], default)] if fields["label"] else []


def _json_label(value: Any) -> Label:
    if isinstance(value, str):
        return value, 1.0
    if isinstance(value, dict) and isinstance(value.get("name"), str):
        return value["name"], float(value.get("confidence", 1))
    raise ValueError(f"label {value!r} is neither a name nor {{'name': ..., 'confidence': ...}}")


def _json_labels(fields: Mapping[str, Any], known: Collection[str]) -> list[Label]:
    del known  # a name in JSON is a name
    if not isinstance(fields.get("labels", []), list):
        raise ValueError(f"labels {fields['labels']!r} is not a list")
    return [_json_label(value) for value in fields.get("labels", [])]


def _negatives(fields: Mapping[str, Any]) -> list[str]:
    given = fields.get("negatives") or []
    names = _split_names(given) if isinstance(given, str) else given
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError(f"negatives {given!r} is not a list of names")
    return names


def _inner_path(fields: Mapping[str, Any]) -> str:
    given = fields.get("path")
    if not isinstance(given, str) or not given:
        raise ValueError("no path")
    path = posixpath.normpath(given)
    if posixpath.isabs(path) or path.split("/")[0] == ".." or "\0" in path:
        raise ValueError(f"path {given!r} leaves the folder of images")
    return path


def _make_row(entry: _Entry, labels: list[Label], name: str) -> Row:
    path = _inner_path(entry.fields)
    absent = [name for name, confidence in labels if confidence == 0]
    return Row(
        id=str(entry.fields.get("id") or path),
        reference=path,
        positives=tuple(label for label in labels if label[1] != 0),
        negatives=(*_negatives(entry.fields), *absent),
        split=entry.fields.get("split") or None,
        origin=f"{name}:{entry.line}",
    )


def _csv_entries(path: str) -> Iterator[_Entry | Reject]:
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


def _json_entries(path: str) -> Iterator[_Entry | Reject]:
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


def _header(path: str) -> list[str]:
    """The column names of a CSV manifest, in lower case.

    Raises:
      UserError: an empty file, or no `path` or no `labels` or `label` column.
    """
    _, cells = next(read_cells(path), (0, []))
    header = [cell.lower() for cell in cells]
    if "path" not in header or {"labels", "label"}.isdisjoint(header):
        raise UserError(
            f"{path}:1 has the columns {', '.join(cells) or 'none'}: "
            "a manifest needs a header with 'path' and 'labels' (or 'label')"
        )
    return header


class _Form(NamedTuple):
    """How one kind of manifest is read."""

    entries: Callable[[str], Iterator[_Entry | Reject]]
    labels: Callable[[Mapping[str, Any], Collection[str]], list[Label]]


_CSV = _Form(_csv_entries, _cell_labels)
_JSON = _Form(_json_entries, _json_labels)


def _form(path: str) -> _Form:
    return _JSON if path.lower().endswith(_JSON_LINES) else _CSV


def read_rows(path: str, known: Collection[str]) -> Iterator[Row | Reject]:
    """Every row of a manifest, or why it can't be one.

    Args:
      path: of the manifest.
      known: names of classes that may end like a confidence.
    """
    form = _form(path)
    name = os.path.basename(path)
    for entry in form.entries(path):
        if isinstance(entry, Reject):
            yield entry
            continue
        try:
            yield _make_row(entry, form.labels(entry.fields, known), name)
        except (ValueError, TypeError) as error:
            given = str(entry.fields.get("id") or entry.fields.get("path") or "")
            yield Reject(f"{name}:{entry.line}", given, str(error))


def _rows(path: str, taxonomy: Taxonomy) -> Iterator[Row | Reject]:
    return read_rows(path, taxonomy.ids.keys())


def _read(root: str, row: Row) -> Picture:
    with open(os.path.join(root, row.reference), "rb") as file:
        return Picture(file.read())


def _names(path: str) -> set[str]:
    names: set[str] = set()
    for row in read_rows(path, ()):
        if isinstance(row, Row):
            names.update(name for name, _ in row.positives)
            names.update(row.negatives)
    return names


def _flat_taxonomy(path: str) -> Taxonomy:
    names = _names(path)
    if not names:
        raise UserError(f"{path} has no row with a label: a data set needs at least one")
    return make_taxonomy(sorted(names), [])


def make_source(options: SourceOptions) -> Source:
    """The source that --manifest, --images and --taxonomy name.

    Raises:
      UserError: no such file or folder, not UTF-8, no header, or a taxonomy that is none.
    """
    path = options.manifest
    if not path:
        raise UserError("--source=manifest needs --manifest=FILE (CSV or JSONL)")
    check_text(path)
    root = os.path.abspath(options.images or os.path.dirname(path) or ".")
    if not os.path.isdir(root):
        raise UserError(f"--images={options.images!r} is not a folder: check the path")
    if _form(path) is _CSV:
        _header(path)
    taxonomy = read_taxonomy(options.taxonomy) if options.taxonomy else _flat_taxonomy(path)
    return Source(
        taxonomy=taxonomy,
        contents=Contents(),
        rows=functools.partial(_rows, os.path.abspath(path), taxonomy),
        read=functools.partial(_read, root),
    )
