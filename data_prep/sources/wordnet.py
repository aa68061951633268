"""WordNet 3.0's nouns: what ImageNet's ids (n02084071: "dog") mean and what they are a kind of."""

from collections.abc import Iterator
from typing import NamedTuple

from data_prep.sources.tables import open_text, read_lines
from revisit.data.taxonomy import ClassGraph
from revisit.errors import UserError

_IS_A = ("@", "@i")  # pointers from a synset to what it is a kind of, or an instance of


class Synset(NamedTuple):
    """What a WordNet id means: its first word, and the ids of what it is a kind of."""

    title: str
    parents: tuple[str, ...]


def _parse_synset(line: str) -> tuple[str, Synset]:
    """One line of data.noun: offset, file, type, word count (hex), words, pointer count, pointers.
    Source: WordNet's manual page wndb(5)."""
    cells = line.split("|")[0].split()
    pointers = 4 + 2 * int(cells[3], 16)
    places = range(pointers + 1, pointers + 1 + 4 * int(cells[pointers]), 4)
    parents = tuple(f"n{cells[place + 1]}" for place in places if cells[place] in _IS_A)
    return f"n{cells[0]}", Synset(cells[4].replace("_", " "), parents)


def _synsets(path: str) -> Iterator[tuple[str, Synset]]:
    with open_text(path) as file:
        for number, line in enumerate(file, 1):
            if line.startswith(" "):  # the licence
                continue
            try:
                yield _parse_synset(line)
            except (ValueError, IndexError):
                raise UserError(f"{path}:{number} is not a line of WordNet's data.noun") from None


def read_wordnet(path: str) -> dict[str, Synset]:
    """Reads data.noun: WordNet id -> what it means.

    Raises:
      UserError: a line of another form (it is named).
    """
    return dict(_synsets(path))


def read_nouns(path: str) -> ClassGraph:
    """All of data.noun as classes."""
    wordnet = read_wordnet(path)
    edges = [(wnid, parent) for wnid, synset in wordnet.items() for parent in synset.parents]
    return ClassGraph(list(wordnet), edges, [synset.title for synset in wordnet.values()])


def read_is_a(path: str) -> ClassGraph:
    """wordnet.is_a.txt of ImageNet: the ids of a parent and of its child, a pair a line.

    Raises:
      UserError: a line of another form (it is named).
    """
    names: dict[str, None] = {}
    edges = []
    for number, line in read_lines(path):
        ids = line.split()
        if len(ids) != 2:
            raise UserError(f"{path}:{number} has {len(ids)} ids: expected those of parent, child")
        parent, child = ids
        names.update({parent: None, child: None})
        edges.append((child, parent))
    return ClassGraph(list(names), edges)
