"""What is wrong, or may be, with a taxonomy: each check is a row of a table.

An error makes a closure wrong: labels would go up to classes that they are not, or to none. A
warning is a thing that people mostly did not mean, but that training can live with.
"""

import os
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from data_prep.sources.tables import check_text, read_cells
from revisit.data.records import read_dataset
from revisit.data.taxonomy import ClassGraph, find_cycle, spelling
from revisit.errors import UserError

Counts = Mapping[str, int]  # class name -> number of images


class Finding(NamedTuple):
    """What one check found.

    Attributes:
      is_error: whether closures would be wrong.
      check: its name.
      cases: one text each.
    """

    is_error: bool
    check: str
    cases: tuple[str, ...]


class _Facts(NamedTuple):
    """A graph of classes as the checks look at it.

    Attributes:
      graph: as the file gives it.
      parents: name -> names of its parents, known ones only.
      children: name -> names of its children.
      counts: class name -> number of images; None: not known.
      min_images: that a leaf should have.
    """

    graph: ClassGraph
    parents: Mapping[str, Sequence[str]]
    children: Mapping[str, Sequence[str]]
    counts: Counts | None
    min_images: int


def _make_facts(graph: ClassGraph, counts: Counts | None, min_images: int) -> _Facts:
    parents: dict[str, list[str]] = {name: [] for name in graph.names}
    children: dict[str, list[str]] = {name: [] for name in graph.names}
    for child, parent in dict.fromkeys(graph.edges):
        if child in parents and parent in parents:
            parents[child].append(parent)
            children[parent].append(child)
    return _Facts(graph, parents, children, counts, min_images)


def _reachable(neighbors: Mapping[str, Sequence[str]], starts: Iterable[str]) -> set[str]:
    """The names that can be reached from any of some, with these."""
    found = set(starts)
    waiting = deque(found)
    while waiting:
        for name in neighbors[waiting.popleft()]:
            if name not in found:
                found.add(name)
                waiting.append(name)
    return found


def _cycles(facts: _Facts) -> Iterator[str]:
    parents = {name: list(above) for name, above in facts.parents.items()}
    while cycle := find_cycle(parents):
        yield " is a ".join(map(repr, cycle))
        parents[cycle[0]].remove(cycle[1])


def _repeated(names: Iterable[str]) -> Iterator[tuple[str, int]]:
    return ((name, count) for name, count in Counter(names).items() if count > 1)


def _duplicate_names(facts: _Facts) -> Iterator[str]:
    return (f"{name!r} {count} times" for name, count in _repeated(facts.graph.names))


def _unknown_names(facts: _Facts) -> Iterator[str]:
    for edge in facts.graph.edges:
        unknown = [name for name in edge if name not in facts.parents]
        if unknown:
            yield f"{unknown[0]!r} in the edge {edge[0]!r} -> {edge[1]!r}"


def _roots(facts: _Facts) -> list[str]:
    return [name for name, above in facts.parents.items() if not above]


def _unreachable_names(facts: _Facts) -> Iterator[str]:
    reached = _reachable(facts.children, _roots(facts))
    return (repr(name) for name in facts.parents if name not in reached)


def similar_names(names: Iterable[str]) -> Iterator[str]:
    """Names that differ in case, spaces or underscores alone: mostly one class, written twice."""
    spelled: dict[str, set[str]] = {}
    for name in names:
        spelled.setdefault(spelling(name), set()).add(name)
    return (" and ".join(map(repr, sorted(each))) for each in spelled.values() if len(each) > 1)


def _similar_names(facts: _Facts) -> Iterator[str]:
    return similar_names(facts.parents)


def _duplicate_titles(facts: _Facts) -> Iterator[str]:
    titles = facts.graph.titles or ()
    return (f"{title!r} {count} times" for title, count in _repeated(titles))


def _several_parents(facts: _Facts) -> Iterator[str]:
    for name, above in facts.parents.items():
        if len(above) > 1:
            yield f"{name!r} is a {' and a '.join(map(repr, above))}"


def _orphans(facts: _Facts) -> Iterator[str]:
    return (repr(name) for name in _roots(facts) if not facts.children[name])


def _further_roots(facts: _Facts) -> Iterator[str]:
    """All roots of trees but the first: what most taxonomies have one of."""
    trees = [name for name in _roots(facts) if facts.children[name]]
    return (repr(name) for name in trees[1:])


def _labels_outside(facts: _Facts) -> Iterator[str]:
    return (repr(name) for name in facts.counts or () if name not in facts.parents)


def _empty_abstract_classes(facts: _Facts) -> Iterator[str]:
    """Classes with children, of which no image shows them or anything below them."""
    if facts.counts is None:
        return
    shown = (name for name, count in facts.counts.items() if count and name in facts.parents)
    filled = _reachable(facts.parents, shown)
    yield from (repr(n) for n, below in facts.children.items() if below and n not in filled)


def _small_leaves(facts: _Facts) -> Iterator[str]:
    if facts.counts is None:
        return
    for name, below in facts.children.items():
        count = facts.counts.get(name, 0)
        if not below and count < facts.min_images:
            yield f"{name!r} {count}"


_Check = Callable[[_Facts], Iterator[str]]
_ERRORS: dict[str, _Check] = {
    "cycle": _cycles,
    "duplicate name": _duplicate_names,
    "unknown name": _unknown_names,
    "unreachable: below no root": _unreachable_names,
}
_WARNINGS: dict[str, _Check] = {
    "names that differ in case or spaces": _similar_names,
    "title of several classes": _duplicate_titles,
    "several parents": _several_parents,
    "orphan: no parent, no child": _orphans,
    "further root": _further_roots,
    "label outside the taxonomy": _labels_outside,
    "abstract class without images": _empty_abstract_classes,
    "leaf with few images": _small_leaves,
}


def lint(graph: ClassGraph, counts: Counts | None = None, min_images: int = 1) -> list[Finding]:
    """Looks a taxonomy over.

    Args:
      graph: as a file gives it.
      counts: number of images of each class, with or without those of its descendants; None: what
        needs them is not looked at.
      min_images: that a leaf should have.

    Returns:
      What was found, errors first; nothing for a check that found nothing.
    """
    facts = _make_facts(graph, counts, min_images)
    checks = [(True, *each) for each in _ERRORS.items()]
    checks += [(False, *each) for each in _WARNINGS.items()]
    found = (Finding(is_error, name, tuple(check(facts))) for is_error, name, check in checks)
    return [finding for finding in found if finding.cases]


def format_findings(findings: Sequence[Finding], num_examples: int) -> str:
    """One line a finding: how bad, which check, how many cases, and the first of them."""
    rows = [
        ("ERROR" if each.is_error else "warning", each.check, f"{len(each.cases):,}", each.cases)
        for each in findings
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return "\n".join(
        f"  {level:<{widths[0]}}  {name:<{widths[1]}}  {count:>{widths[2]}}  "
        + "; ".join(cases[:num_examples])
        + ("; ..." if len(cases) > num_examples else "")
        for level, name, count, cases in rows
    )


def check_findings(findings: Iterable[Finding], path: str) -> None:
    """Ends a lint.

    Raises:
      UserError: something makes closures wrong; the first case of each kind is told.
    """
    errors = [f"{each.check}: {each.cases[0]}" for each in findings if each.is_error]
    if errors:
        raise UserError(f"{path} makes closures wrong: {'; '.join(errors)}")


def _count_images(directory: str) -> Counts:
    dataset = read_dataset(directory)
    counts: Counter[str] = Counter()
    for of_split in dataset.metadata["positive_counts"].values():
        counts.update(dict(zip(dataset.taxonomy.names, of_split, strict=True)))
    return counts


def _read_table(path: str) -> Counts:
    counts = {}
    for line, cells in read_cells(path):
        if len(cells) != 2 or not cells[1].isdecimal():
            raise UserError(f"{path}:{line}: expected a class and its number of images")
        counts[cells[0]] = int(cells[1])
    return counts


def read_counts(path: str) -> Counts:
    """Number of images of each class.

    Args:
      path: of a data set's directory, or of a CSV file of class,images.

    Raises:
      UserError: neither.
    """
    if os.path.isdir(path):
        return _count_images(path)
    check_text(path)
    return _read_table(path)
