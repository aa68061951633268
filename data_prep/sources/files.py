"""Where pictures lie: in files of their own, or inside larger ones (a tar archive, a record file),
which are read in place.

A row's reference is a path or a `Span`; following one takes no index and no unpacking, so any
worker can.
"""

import glob
import os
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import tensorflow_datasets as tfds

from data_prep.sources.source import Picture, Row
from revisit.errors import UserError

_COMMA_OUTSIDE_BRACES = re.compile(r",(?![^{]*\})")
_BRACES = re.compile(r"\{([^{}]*)\}")
_RANGE = re.compile(r"(\d+)\.\.(\d+)")


class Span(NamedTuple):
    """Bytes `offset` to `offset + length` of a file."""

    path: str
    offset: int
    length: int


def open_file(path: str) -> Any:
    """Opens a file for reading bytes; a path in a bucket (gs://...) will do."""
    return tfds.core.Path(path).open("rb")


def absolute_path(path: str) -> str:
    """The same place for every worker: absolute, without links; a path in a bucket as it is."""
    return path if "://" in path else os.path.realpath(path)


def whole_file(path: str) -> Span:
    """All of a file.

    Raises:
      UserError: there is none.
    """
    if not tfds.core.Path(path).exists():
        raise UserError(f"no file at {path!r}: check the path")
    return Span(path, 0, tfds.core.Path(path).stat().length)


def read_span(span: Span) -> bytes:
    """The bytes of a span.

    Raises:
      OSError: the file can't be read.
      ValueError: it ends too early.
    """
    with open_file(span.path) as file:
        file.seek(span.offset)
        content: bytes = file.read(span.length)
    if len(content) < span.length:
        raise ValueError(f"{span.path} ends before byte {span.offset + span.length}")
    return content


def _is_link(path: str) -> bool:
    return "://" not in path and os.path.realpath(path) != path


def read_picture(root: str, follow_links: bool, row: Row) -> Picture:
    """Follows a row's reference.

    Args:
      root: folder that paths are relative to; as `absolute_path` gives it.
      follow_links: whether a path, or a folder on its way below the root, may be a symbolic link.
      row: its reference is a path or a Span.

    Raises:
      OSError, ValueError: why it can't be read.
    """
    reference = row.reference
    path = reference.path if isinstance(reference, Span) else os.path.join(root, reference)
    if not follow_links and _is_link(path):
        raise ValueError(f"{path} is a link or below one (--allow_outside_paths follows links)")
    if isinstance(reference, Span):
        return Picture(read_span(reference))
    with open_file(path) as file:
        return Picture(file.read())


def _alternatives(inside: str) -> list[str]:
    """What braces stand for: {000..146} a range, {a,b} a choice."""
    bounds = _RANGE.fullmatch(inside)
    if bounds is None:
        return inside.split(",")
    first, last = bounds.groups()
    return [f"{number:0{len(first)}d}" for number in range(int(first), int(last) + 1)]


def _expand_braces(pattern: str) -> Iterator[str]:
    braces = _BRACES.search(pattern)
    if braces is None:
        yield pattern
        return
    for each in _alternatives(braces[1]):
        yield from _expand_braces(pattern[: braces.start()] + each + pattern[braces.end() :])


def _match(pattern: str, flag: str) -> list[str]:
    if os.path.exists(pattern):  # also where its name has characters of a pattern
        return [pattern]
    found = sorted(str(path) for path in glob.glob(pattern))
    if not found:
        raise UserError(f"{flag}: no file at {pattern!r}: check the path or pattern")
    return found


def find_files(patterns: str, flag: str) -> list[str]:
    """The files that a flag names.

    Args:
      patterns: paths, glob patterns (`*.csv`), brace patterns (`name-{000..146}.tar`: each of them
        must be there), or several with commas between them.
      flag: for messages, with its dashes.

    Raises:
      UserError: a path or pattern without a file.
    """
    if os.path.exists(patterns):
        return [patterns]
    expanded = (
        path for part in _COMMA_OUTSIDE_BRACES.split(patterns) for path in _expand_braces(part)
    )
    return list(dict.fromkeys(path for pattern in expanded for path in _match(pattern, flag)))
