"""Text files that people bring: UTF-8, with or without a byte order mark, any line ends; compressed
where the name ends in .gz or .xz."""

import csv
import gzip
import lzma
import os
import zlib
from collections.abc import Iterator
from typing import IO, Any

from revisit.errors import UserError

_OPENERS: dict[str, Any] = {".gz": gzip.open, ".xz": lzma.open}


def _opener(path: str) -> Any:
    return _OPENERS.get(os.path.splitext(path)[1].lower(), open)


def ending(path: str) -> str:
    """The ending of a file's name in lower case; of `labels.jsonl.gz`, that of what is packed."""
    name, last = os.path.splitext(path.lower())
    return os.path.splitext(name)[1] if last in _OPENERS else last


def open_text(path: str) -> IO[str]:
    """Opens a text file, with the line ends that it has."""
    file: IO[str] = _opener(path)(path, "rt", encoding="utf-8-sig", newline="")
    return file


def check_text(path: str) -> None:
    """Reads a file once, so that what is not text is one clear line before any work starts.

    Raises:
      UserError: no such file, one that can't be unpacked, or bytes that are not UTF-8 (the line is
        named).
    """
    if not os.path.isfile(path):
        raise UserError(f"no file at {path!r}: check the path")
    try:
        _check_lines(path)
    except (OSError, EOFError, lzma.LZMAError, zlib.error) as error:
        raise UserError(f"{path} can't be read: {error}") from None


def _check_lines(path: str) -> None:
    with _opener(path)(path, "rb") as file:
        for number, line in enumerate(file, 1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                byte = line[error.start]
                raise UserError(
                    f"{path}:{number} is not UTF-8 (byte 0x{byte:02x}): save the file as UTF-8"
                ) from None


def read_lines(path: str) -> Iterator[tuple[int, str]]:
    """The lines that are not empty, with their numbers, from 1."""
    with open_text(path) as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                yield number, line.strip()


def read_cells(path: str) -> Iterator[tuple[int, list[str]]]:
    """The rows of a CSV file, or of a TSV file if its first line has a tab, with their line
    numbers.

    Raises:
      UserError: what the csv module can't read (the line is named).
    """
    with open_text(path) as file:
        delimiter = "\t" if "\t" in file.readline() else ","
        file.seek(0)
        reader = csv.reader(file, delimiter=delimiter, skipinitialspace=True)
        try:
            for cells in reader:
                if any(cells):
                    yield reader.line_num, [cell.strip() for cell in cells]
        except csv.Error as error:
            raise UserError(f"{path}:{reader.line_num} is not CSV: {error}") from None
