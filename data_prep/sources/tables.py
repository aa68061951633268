"""Text files that people bring: UTF-8, with or without a byte order mark, any line ends; compressed
where the name ends in .xz."""

import csv
import lzma
import os
from collections.abc import Iterator
from typing import IO, Any

from revisit.errors import UserError


def _opener(path: str) -> Any:
    return lzma.open if path.endswith(".xz") else open


def open_text(path: str) -> IO[str]:
    """Opens a text file, with the line ends that it has."""
    file: IO[str] = _opener(path)(path, "rt", encoding="utf-8-sig", newline="")
    return file


def check_text(path: str) -> None:
    """Reads a file once, so that what is not text is one clear line before any work starts.

    Raises:
      UserError: no such file, or bytes that are not UTF-8 (the line is named).
    """
    if not os.path.isfile(path):
        raise UserError(f"no file at {path!r}: check the path")
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
        reader = csv.reader(file, delimiter=delimiter)
        try:
            for cells in reader:
                if any(cells):
                    yield reader.line_num, [cell.strip() for cell in cells]
        except csv.Error as error:
            raise UserError(f"{path}:{reader.line_num} is not CSV: {error}") from None
