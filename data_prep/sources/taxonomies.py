"""Taxonomies in the forms that people have them; the name's ending and the first line say which.

CSV or TSV, one edge a line, with or without a header. With one, the columns may stand in any order,
and `title` may give the name that people read; an empty parent makes a root:

    child,parent
    dog,animal
    animal,

YAML, a tree; a name that stands in several places has several parents:

    animal:
      dog:
      cat: [siamese, persian]

JSON: `taxonomy.json` of a data set (see revisit.data.taxonomy), or Open Images' hierarchy, a tree
of `LabelName` and `Subcategory`, in which a name may stand in several places. Its `Part` is not
is-a: what stands there becomes a class, without that edge.

WordNet's `data.noun`, ImageNet's `wordnet.is_a.txt`, and Tencent ML-Images'
`dictionary_and_semantic_hierarchy.txt`, in which a class's id is its index.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import yaml

from data_prep.sources import wordnet
from data_prep.sources.source import Reject, Row
from data_prep.sources.tables import check_text, ending, open_text, read_cells, read_lines
from revisit.data.taxonomy import ClassGraph, Taxonomy, make_taxonomy, read_graph, spelling
from revisit.errors import UserError

_COLUMNS = ["child", "parent"]
_TENCENT_COLUMNS = ["category_index", "category_id", "index_of_parent_category", "category name"]
_TENCENT_ROOT = "-1"


class _Loader(yaml.BaseLoader):
    """Keeps every scalar as it is written (no: 'no' is a name), and refuses a key that repeats."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[str, Any]:
        keys = [key.value for key, _ in node.value]
        repeated = next((key for key in keys if keys.count(key) > 1), None)
        if repeated is not None:
            problem = f"{repeated!r} stands twice under one parent"
            raise yaml.constructor.ConstructorError(problem=problem, problem_mark=node.start_mark)
        return dict(super().construct_mapping(node, deep=deep))


def _columns(path: str) -> tuple[list[str], bool]:
    """The columns of an edge file, and whether its first line is their names."""
    line, cells = next(read_cells(path), (1, []))
    header = [cell.lower() for cell in cells]
    if set(_COLUMNS) <= set(header):
        return header, True
    if len(cells) != len(_COLUMNS):
        raise UserError(f"{path}:{line} has {len(cells)} cells: expected an edge, child,parent")
    return _COLUMNS, False


def _read_edges(path: str) -> ClassGraph:
    columns, has_header = _columns(path)
    lines = read_cells(path)
    if has_header:
        next(lines)
    titles: dict[str, str] = {}  # in the order of the file, which gives the ids
    edges = []
    for line, cells in lines:
        if len(cells) != len(columns):
            raise UserError(f"{path}:{line} has {len(cells)} cells: expected {','.join(columns)}")
        fields = dict(zip(columns, cells))
        child, parent = fields["child"], fields["parent"]
        if not child:
            raise UserError(f"{path}:{line} has no child: expected an edge, child,parent")
        titles[child] = fields.get("title") or titles.get(child) or child
        if parent:
            titles.setdefault(parent, parent)
            edges.append((child, parent))
    return ClassGraph(list(titles), edges, list(titles.values()))


def _read_tencent(path: str) -> ClassGraph:
    lines = read_lines(path)
    next(lines)
    rows = []
    for place, (line, text) in enumerate(lines):
        cells = text.split("\t")
        if len(cells) != len(_TENCENT_COLUMNS) or cells[0] != str(place):
            columns = ", ".join(_TENCENT_COLUMNS)
            raise UserError(f"{path}:{line}: expected {columns} between tabs, index {place}")
        rows.append(cells)
    names = {index: name for index, name, _, _ in rows}
    edges = [
        (name, names.get(parent, f"index {parent}"))
        for _, name, parent, _ in rows
        if parent != _TENCENT_ROOT
    ]
    return ClassGraph([row[1] for row in rows], edges, [row[3] for row in rows])


# A line that begins like this -> the form; the last takes all others.
_TEXT_FORMS: dict[str, Callable[[str], ClassGraph]] = {
    r"  1 This software": wordnet.read_nouns,
    r"\d{8} \d\d n ": wordnet.read_nouns,  # without its licence
    r"n\d{8} n\d{8}\s*$": wordnet.read_is_a,
    "\t".join(_TENCENT_COLUMNS): _read_tencent,
    r"": _read_edges,
}


def _read_text(path: str) -> ClassGraph:
    with open_text(path) as file:
        first = file.readline()
    return next(read for begin, read in _TEXT_FORMS.items() if re.match(begin, first))(path)


def _branches(tree: Any) -> Iterator[tuple[str, Any]]:
    """The names at the top of a tree, each with the tree below it."""
    if isinstance(tree, dict):
        yield from tree.items()
    elif isinstance(tree, list):
        for each in tree:
            yield from _branches(each)
    elif tree:
        yield tree, None


def _is_json_form(tree: Any) -> bool:
    """JSON is YAML too: whether a tree is one of the forms of JSON below, under another name."""
    if not isinstance(tree, dict):
        return False
    classes = tree.get("classes")
    return "LabelName" in tree or (
        isinstance(classes, list)
        and any(isinstance(each, dict) and "parents" in each for each in classes)
    )


def _read_yaml(path: str) -> ClassGraph:
    with open_text(path) as file:
        try:
            tree = yaml.load(file, _Loader)
        except (yaml.YAMLError, RecursionError) as error:
            raise UserError(f"{path} is not a YAML tree: {error}") from None
    if isinstance(tree, str):
        raise UserError(f"{path} is text, not a YAML tree: name a table of edges *.csv or *.txt")
    if _is_json_form(tree):
        return _read_json(path)
    names: dict[str, None] = {}
    edges: list[tuple[str, str]] = []
    waiting: list[tuple[str | None, Any]] = [(None, tree)]
    walked = set()
    while waiting:
        parent, below = waiting.pop(0)
        if (parent, id(below)) in walked:  # aliases of aliases: each once
            continue
        walked.add((parent, id(below)))
        for name, subtree in _branches(below):
            names[name] = None
            if parent is not None:
                edges.append((name, parent))
            if subtree:
                waiting.append((name, subtree))
    return ClassGraph(list(names), edges)


def _read_open_images(tree: dict[str, Any]) -> ClassGraph:
    names: dict[str, None] = {}
    edges: dict[tuple[str, str], None] = {}
    waiting = [tree]
    for node in waiting:  # grows while it is walked
        name = node["LabelName"]
        names[name] = None
        below = node.get("Subcategory", [])
        edges.update({(child["LabelName"], name): None for child in below})
        waiting += [*below, *node.get("Part", [])]
    return ClassGraph(list(names), list(edges))


def _read_json(path: str) -> ClassGraph:
    try:
        with open_text(path) as file:
            content = json.load(file)
        if isinstance(content, dict) and "LabelName" in content:
            return _read_open_images(content)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UserError(f"{path!r} is not a taxonomy in JSON: {error!r}") from None
    return read_graph(path)


_READERS: dict[str, Callable[[str], ClassGraph]] = {
    ".csv": _read_text,
    ".tsv": _read_text,
    ".txt": _read_text,
    ".noun": _read_text,
    ".yaml": _read_yaml,
    ".yml": _read_yaml,
    ".json": _read_json,
}


def read_classes(path: str) -> ClassGraph:
    """Reads a user's taxonomy file as it is, cycles and all.

    Raises:
      UserError: no such file, or not a form we know.
    """
    check_text(path)
    kind = ending(path)
    if kind not in _READERS:
        raise UserError(f"{path!r}: a taxonomy file ends in one of {', '.join(_READERS)}")
    return _READERS[kind](path)


def read_dictionary(path: str) -> Taxonomy:
    """Reads Tencent ML-Images' dictionary_and_semantic_hierarchy.txt; a class's id is its index.

    Raises:
      UserError: no such file, or another one: its classes would have other indices.
    """
    check_text(path)
    _, header = next(read_lines(path), (1, ""))
    if header.split("\t") != _TENCENT_COLUMNS:
        raise UserError(
            f"{path}:1 is not the header of Tencent's dictionary_and_semantic_hierarchy.txt "
            f"({', '.join(_TENCENT_COLUMNS)}, tabs between them): labels are indices in that file"
        )
    return make_taxonomy(*_read_tencent(path))


def read_taxonomy(path: str) -> Taxonomy:
    """Reads a user's taxonomy file.

    Raises:
      UserError: no such file, not a form we know, or not a taxonomy (see `make_taxonomy`).
    """
    return make_taxonomy(*read_classes(path))


def unknown_label(name: str, taxonomy: Taxonomy) -> str:
    """Why a label is refused: it is no class, though perhaps one that is written differently."""
    alike = taxonomy.spellings.get(spelling(name))
    return f"unknown label {name!r}" + (f", which the taxonomy spells {alike!r}" if alike else "")


def make_flat_taxonomy(rows: Iterable[Row | Reject], where: str) -> Taxonomy:
    """Classes without parents: the names that rows give, sorted; numbers by their value.

    Args:
      rows: all of a source.
      where: they were read, for the message.

    Raises:
      UserError: no row gives a label.
    """
    names: set[str] = set()
    refused = ""
    for row in rows:
        if isinstance(row, Row):
            names.update((name for name, _ in row.positives), row.negatives)
        else:
            refused = refused or f" ({row.origin}: {row.reason})"
    if not names:
        raise UserError(f"{where} has no row with a label{refused}: a data set needs at least one")
    are_numbers = all(name.isdecimal() for name in names)
    return make_taxonomy(
        sorted(names, key=lambda name: (int(name) if are_numbers else 0, name)), []
    )
