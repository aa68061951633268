"""Taxonomies in the forms that people have them; the name's ending says which.

CSV or TSV, one edge a line, with or without a header. With one, the columns may stand in any order,
and `title` may give the name that people read; an empty parent makes a root:

    child,parent
    dog,animal
    animal,

YAML, a tree; a name that stands in several places has several parents:

    animal:
      dog:
      cat: [siamese, persian]

`taxonomy.json` of a data set (see revisit.data.taxonomy).
"""

import os
from collections.abc import Callable, Iterator
from typing import Any

import yaml

from data_prep.sources.tables import check_text, read_cells
from revisit.data.taxonomy import Taxonomy, load_taxonomy, make_taxonomy
from revisit.errors import UserError

_COLUMNS = ["child", "parent"]


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


def _read_edges(path: str) -> Taxonomy:
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
    return make_taxonomy(list(titles), edges, list(titles.values()))


def _branches(tree: Any) -> Iterator[tuple[str, Any]]:
    """The names at the top of a tree, each with the tree below it."""
    if isinstance(tree, dict):
        yield from tree.items()
    elif isinstance(tree, list):
        for each in tree:
            yield from _branches(each)
    elif tree:
        yield tree, None


def _read_yaml(path: str) -> Taxonomy:
    with open(path, encoding="utf-8-sig") as file:
        try:
            tree = yaml.load(file, _Loader)
        except (yaml.YAMLError, RecursionError) as error:
            raise UserError(f"{path} is not a YAML tree: {error}") from None
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
    return make_taxonomy(list(names), edges)


_READERS: dict[str, Callable[[str], Taxonomy]] = {
    ".csv": _read_edges,
    ".tsv": _read_edges,
    ".txt": _read_edges,
    ".yaml": _read_yaml,
    ".yml": _read_yaml,
    ".json": load_taxonomy,
}


def read_taxonomy(path: str) -> Taxonomy:
    """Reads a user's taxonomy file.

    Raises:
      UserError: no such file, not a form we know, or not a taxonomy (see `make_taxonomy`).
    """
    check_text(path)
    ending = os.path.splitext(path)[1].lower()
    if ending not in _READERS:
        raise UserError(f"{path!r}: a taxonomy file ends in one of {', '.join(_READERS)}")
    return _READERS[ending](path)
