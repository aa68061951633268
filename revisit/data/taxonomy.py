"""Classes and their is-a edges: a directed acyclic graph, in which a class may have several
parents.

The one home of class names, titles and ancestors. A data set keeps its taxonomy in `taxonomy.json`,
one class a line:

    {"classes": [
    {"name": "n00001740", "title": "entity", "parents": []},
    {"name": "n02084071", "title": "dog", "parents": ["n00001740"]}
    ]}
"""

import dataclasses
import functools
import graphlib
import hashlib
import json
import os
from collections import Counter, deque
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import tensorflow_datasets as tfds

from revisit.errors import UserError

_Node = TypeVar("_Node", bound=Hashable)


def is_text(name: str) -> bool:
    """Whether it can be written as UTF-8: a file's name in another encoding can't, which Python
    reads with surrogates."""
    return not any("\ud800" <= character <= "\udfff" for character in name)


def spelling(name: str) -> str:
    """What is left of a name without what people write in different ways: case, spaces,
    underscores."""
    return " ".join(name.replace("_", " ").casefold().split())


@dataclasses.dataclass(frozen=True)
class Taxonomy:
    """The classes of a data set; a class's id is its place in `names`. Made by `make_taxonomy`,
    which checks it.

    Attributes:
      names: unique keys, as annotations give them: a WordNet id, an Open Images MID, a plain word.
      titles: the names that people read; may repeat.
      parents: ids of the direct parents of each class; none for a root.
    """

    names: tuple[str, ...]
    titles: tuple[str, ...]
    parents: tuple[tuple[int, ...], ...]

    def __reduce__(self) -> tuple[Any, ...]:
        # Pickled for every worker: the fields alone, without what was cached.
        return Taxonomy, (self.names, self.titles, self.parents)

    @property
    def num_classes(self) -> int:
        """Leaves and inner classes."""
        return len(self.names)

    @functools.cached_property
    def ids(self) -> dict[str, int]:
        """From a class's name to its id."""
        return {name: id_ for id_, name in enumerate(self.names)}

    @functools.cached_property
    def spellings(self) -> dict[str, str]:
        """From the `spelling` of a class's name to the name."""
        return {spelling(name): name for name in self.names}

    @functools.cached_property
    def children(self) -> tuple[tuple[int, ...], ...]:
        """Ids of the direct children of each class, ascending."""
        children: list[list[int]] = [[] for _ in self.names]
        for child, parents in enumerate(self.parents):
            for parent in parents:
                children[parent].append(child)
        return tuple(map(tuple, children))

    def leaves(self) -> tuple[int, ...]:
        """Ids of the classes without children, ascending."""
        return tuple(id_ for id_, children in enumerate(self.children) if not children)

    def roots(self) -> tuple[int, ...]:
        """Ids of the classes without parents, ascending."""
        return tuple(id_ for id_, parents in enumerate(self.parents) if not parents)

    @functools.cached_property
    def _ancestors(self) -> dict[int, tuple[int, ...]]:
        return {}

    @functools.cached_property
    def _descendants(self) -> dict[int, tuple[int, ...]]:
        return {}

    def ancestors(self, id_: int) -> tuple[int, ...]:
        """Ids of all classes above `id_`, nearest first, each once, without `id_` itself."""
        if id_ not in self._ancestors:
            self._ancestors[id_] = _reachable(self.parents, id_)
        return self._ancestors[id_]

    def descendants(self, id_: int) -> tuple[int, ...]:
        """Ids of all classes below `id_`, nearest first, each once, without `id_` itself."""
        if id_ not in self._descendants:
            self._descendants[id_] = _reachable(self.children, id_)
        return self._descendants[id_]

    def close(self, ids: Iterable[int]) -> tuple[int, ...]:
        """The ids together with all their ancestors: ascending, each once."""
        closed: set[int] = set()
        for id_ in ids:
            closed.add(id_)
            closed.update(self.ancestors(id_))
        return tuple(sorted(closed))

    def depth(self) -> int:
        """Number of levels: classes on the longest way from a root down to a leaf (1 when the
        classes are flat)."""
        levels = [0] * self.num_classes
        for id_ in _parents_first(self.parents):
            levels[id_] = 1 + max((levels[parent] for parent in self.parents[id_]), default=0)
        return max(levels, default=0)

    def fingerprint(self) -> str:
        """16 hex digits of the names and edges: equal for two taxonomies that give every id the
        same meaning."""
        content = json.dumps([self.names, self.parents])
        return hashlib.sha256(content.encode()).hexdigest()[:16]


class ClassGraph(NamedTuple):
    """Classes as a file gives them, which nobody has checked yet: the arguments of
    `make_taxonomy`.

    Attributes:
      names: in the order of the file.
      edges: (child's name, parent's name).
      titles: what people read, one a name; the names themselves when None.
    """

    names: Sequence[str]
    edges: Sequence[tuple[str, str]]
    titles: Sequence[str] | None = None


def _reachable(neighbours: Sequence[Sequence[int]], start: int) -> tuple[int, ...]:
    found = {start: None}  # a dict keeps the order in which a breadth-first walk finds them
    waiting = deque([start])
    while waiting:
        for neighbour in neighbours[waiting.popleft()]:
            if neighbour not in found:
                found[neighbour] = None
                waiting.append(neighbour)
    return tuple(found)[1:]


def _parents_first(parents: Sequence[Sequence[int]]) -> list[int]:
    return list(graphlib.TopologicalSorter(dict(enumerate(parents))).static_order())


def find_cycle(parents: Mapping[_Node, Iterable[_Node]]) -> list[_Node]:
    """A way from a class up to itself, the class first and last; empty where there is none.

    Args:
      parents: of each class.
    """
    try:
        graphlib.TopologicalSorter(parents).prepare()
    except graphlib.CycleError as error:
        # graphlib gives the way from a class's parent down to the class; people read "is a" from
        # child to parent.
        return list(reversed(error.args[1]))
    return []


def _check_acyclic(names: Sequence[str], parents: Sequence[Iterable[int]]) -> None:
    cycle = " is a ".join(repr(names[id_]) for id_ in find_cycle(dict(enumerate(parents))))
    if cycle:
        raise UserError(f"the taxonomy has a cycle: {cycle}; remove one of these edges")


def _check_unique(names: Sequence[str]) -> None:
    name, count = Counter(names).most_common(1)[0]
    if count > 1:
        raise UserError(
            f"the taxonomy names class {name!r} {count} times: class names must be unique"
        )


def _check_text(names: Iterable[str]) -> None:
    wrong = next((name for name in names if not is_text(name)), None)
    if wrong is not None:
        raise UserError(f"the class name {wrong!a} is not UTF-8: rename it")


def make_taxonomy(
    names: Sequence[str],
    edges: Iterable[tuple[str, str]],
    titles: Sequence[str] | None = None,
) -> Taxonomy:
    """Builds and checks a taxonomy.

    Args:
      names: unique class names; their order gives the ids.
      edges: (child's name, parent's name); an edge that is given twice counts once.
      titles: what people read, one a name; the names themselves when None.

    Raises:
      UserError: no classes, a name twice, one that is not UTF-8, an edge to an unknown name, or a
        cycle (whose path is printed).
    """
    if not names:
        raise UserError("the taxonomy has no classes: give at least one")
    _check_unique(names)
    _check_text([*names, *(titles or ())])
    ids = {name: id_ for id_, name in enumerate(names)}
    parents: list[dict[int, None]] = [{} for _ in names]
    for child, parent in edges:
        unknown = next((name for name in (child, parent) if name not in ids), None)
        if unknown is not None:
            raise UserError(
                f"the taxonomy's edge {child!r} -> {parent!r} names an unknown class: {unknown!r}"
            )
        parents[ids[child]][ids[parent]] = None
    _check_acyclic(names, parents)
    return Taxonomy(tuple(names), tuple(titles or names), tuple(tuple(each) for each in parents))


def save_taxonomy(taxonomy: Taxonomy, path: str | os.PathLike[str]) -> None:
    """Writes `taxonomy.json`, one class a line."""
    lines = (
        json.dumps(
            {"name": name, "title": title, "parents": [taxonomy.names[id_] for id_ in parents]}
        )
        for name, title, parents in zip(
            taxonomy.names, taxonomy.titles, taxonomy.parents, strict=True
        )
    )
    tfds.core.Path(path).write_text('{"classes": [\n' + ",\n".join(lines) + "\n]}\n")


def read_graph(path: str | os.PathLike[str]) -> ClassGraph:
    """What `taxonomy.json` says, unchecked.

    Raises:
      UserError: no such file, or not this form.
    """
    try:
        classes = json.loads(tfds.core.Path(path).read_text())["classes"]
        names = [str(each["name"]) for each in classes]
        titles = [str(each.get("title", each["name"])) for each in classes]
        edges = [
            (str(each["name"]), str(parent))
            for each in classes
            for parent in each.get("parents", ())
        ]
    except FileNotFoundError:
        raise UserError(f"no taxonomy at {str(path)!r}: check the path") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        form = '{"classes": [{"name": ..., "title": ..., "parents": [...]}, ...]}'
        raise UserError(
            f"{str(path)!r} is not a taxonomy file ({error!r}): expected {form}"
        ) from None
    return ClassGraph(names, edges, titles)


def load_taxonomy(path: str | os.PathLike[str]) -> Taxonomy:
    """Reads `taxonomy.json`.

    Raises:
      UserError: no such file, not this form, or not a taxonomy (see `make_taxonomy`).
    """
    return make_taxonomy(*read_graph(path))
