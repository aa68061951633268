r"""Open Images, V4 to V7: its CSV files, told from each other by their columns, in any number.

    --source=open_images --images='oi/train_*' --taxonomy=oi/bbox_labels_600_hierarchy.json \
        --manifest='oi/*labels.csv,oi/*-bbox.csv,oi/*-class-descriptions.csv,oi/*-rotation.csv'

    columns                                    what it gives
    ImageID,Source,LabelName,Confidence        labels of whole images
    ... XMin,XMax,YMin,YMax,IsGroupOf          boxes
    ImageID ... Rotation                       how to turn pictures
    LabelName,DisplayName (or no header)       what people call the classes

A label that people verified (`verification`, `crowdsource-verification`) with confidence 0 is a
negative. The classes are those of the hierarchy (--taxonomy) and of the descriptions, either or
both; a class outside the hierarchy has no parent. A label of no class is a reject, and its image
keeps the others. A box of a group (IsGroupOf) is a crowd; the other marks are not kept. The class
of a box is a label of its image. The split is a word of a file's name.

Pictures are `<ImageID>.jpg` in the folders of --images. Labels and boxes were made on the pixels as
they are stored, without EXIF's orientation. So that is not followed; where Rotation says how many
degrees to turn a picture counterclockwise, pixels and boxes are turned together.

Rows of an image stand together in these files, which are read line by line: memory holds one
image's rows, and the images to turn.
"""

import functools
import io
import itertools
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from PIL import Image

from data_prep.sources.boxes import clip_box
from data_prep.sources.fields import read_path
from data_prep.sources.files import find_files
from data_prep.sources.folders import find_folders, read_named
from data_prep.sources.source import (
    Annotations,
    Box,
    Object,
    Picture,
    Reject,
    Row,
    Source,
    SourceOptions,
    find_split,
)
from data_prep.sources.tables import check_text, read_cells
from data_prep.sources.taxonomies import read_classes
from revisit.data.exif import UPRIGHT, read_orientation
from revisit.data.records import Contents
from revisit.data.taxonomy import ClassGraph, Taxonomy, make_taxonomy
from revisit.errors import UserError

_CLASS_COLUMNS = ("LabelName", "DisplayName")
_VERIFIED = ("verification", "crowdsource-verification")
_JPEG_QUALITY = 95  # of turned pictures

Rotations = Mapping[str, int]


class _Line(NamedTuple):
    """One line of a table: where it stands, and its cells by column."""

    origin: str
    cells: dict[str, str]


class _Table(NamedTuple):
    """One CSV file; `header_lines` is 0 where its first line is a row."""

    path: str
    columns: tuple[str, ...]
    header_lines: int

    @property
    def name(self) -> str:
        return os.path.basename(self.path)

    def lines(self) -> Iterator[_Line | Reject]:
        """Every line below the header, or why it is none."""
        for number, cells in itertools.islice(read_cells(self.path), self.header_lines, None):
            origin = f"{self.name}:{number}"
            if len(cells) == len(self.columns):
                yield _Line(origin, dict(zip(self.columns, cells)))
            else:
                reason = f"cells in this line: {len(cells)}, in the header: {len(self.columns)}"
                yield Reject(origin, cells[0], reason)


def _open_table(path: str) -> _Table:
    check_text(path)
    _, cells = next(read_cells(path), (0, []))
    if len(cells) == 2 and cells[0].startswith("/"):  # descriptions of V3, and copies of later ones
        return _Table(path, _CLASS_COLUMNS, 0)
    return _Table(path, tuple(cells), 1)


# What a table is, by columns that it has; the first that fits.
_KINDS = {
    "boxes": {"ImageID", "LabelName", "XMin", "XMax", "YMin", "YMax", "IsGroupOf"},
    "labels": {"ImageID", "Source", "LabelName", "Confidence"},
    "rotations": {"ImageID", "Rotation"},
    "classes": set(_CLASS_COLUMNS),
}


def _kind(table: _Table) -> str:
    for kind, columns in _KINDS.items():
        if columns <= set(table.columns):
            return kind
    raise UserError(
        f"{table.path}:1 has the columns {', '.join(table.columns) or 'none'}: not Open Images' "
        "labels, boxes, class descriptions or images with Rotation"
    )


def _turn_box(box: Box, turns: int) -> Box:
    """Counterclockwise, by quarters."""
    for _ in range(turns):
        ymin, xmin, ymax, xmax = box
        box = (1 - xmax, ymin, 1 - xmin, ymax)
    return box


class _Statement(NamedTuple):
    """What one line says of the image `id`: a label, perhaps with a box."""

    id: str
    origin: str
    name: str
    confidence: float = 1.0
    is_verified: bool = True
    drawn: Object | None = None


def _number(line: _Line, column: str) -> float:
    try:
        return float(line.cells[column])
    except ValueError:
        raise ValueError(f"{column} is not a number: {line.cells[column]!r}") from None


def _read_label(line: _Line, turns: int) -> _Statement:
    del turns
    cells = line.cells
    confidence = _number(line, "Confidence")
    if not 0 <= confidence <= 1:
        raise ValueError(f"confidence outside 0 to 1: {confidence}")
    is_verified = cells["Source"] in _VERIFIED
    return _Statement(
        cells["ImageID"], line.origin, cells["LabelName"], confidence, is_verified=is_verified
    )


def _read_box(line: _Line, turns: int) -> _Statement:
    cells = line.cells
    box = clip_box([_number(line, side) for side in ("YMin", "XMin", "YMax", "XMax")])
    name, is_group = cells["LabelName"], cells["IsGroupOf"] == "1"
    drawn = Object(_turn_box(box, turns), name, is_crowd=is_group)
    return _Statement(cells["ImageID"], line.origin, name, drawn=drawn)


class _Reader(NamedTuple):
    """Reads the lines of labels or of boxes."""

    read: Callable[[_Line, int], _Statement]
    known: Taxonomy
    rotations: Rotations

    def statements(self, table: _Table) -> Iterator[_Statement | Reject]:
        """What every line says, or why it says nothing."""
        for line in table.lines():
            if isinstance(line, Reject):
                yield line
                continue
            id_ = line.cells["ImageID"]
            try:
                statement = self.read(line, self.rotations.get(id_, 0))
                if statement.name not in self.known.ids:
                    raise ValueError(f"unknown label {statement.name!r}")
                yield statement
            except ValueError as error:
                yield Reject(line.origin, id_, str(error))

    def rows(self, table: _Table) -> Iterator[Row | Reject]:
        """A row for each image."""
        groups = itertools.groupby(self.statements(table), lambda statement: statement.id)
        for id_, group in groups:
            of_image = list(group)
            yield from (each for each in of_image if isinstance(each, Reject))
            good = [each for each in of_image if isinstance(each, _Statement)]
            if good:
                row = _make_row(good, self.rotations.get(id_, 0))
                yield row._replace(split=find_split(table.name))


def _make_row(statements: Sequence[_Statement], turns: int) -> Row:
    """All that is said of one image; a machine's confidence of 0 says nothing."""
    positives = ((each.name, each.confidence) for each in statements if each.confidence > 0)
    absent = (each.name for each in statements if each.is_verified and each.confidence == 0)
    drawn = tuple(each.drawn for each in statements if each.drawn is not None)
    return Row(
        id=statements[0].id,
        reference=(statements[0].id, turns),
        positives=tuple(dict.fromkeys(positives)),
        negatives=tuple(absent),
        origin=statements[0].origin,
        annotations=Annotations(drawn) if drawn else None,
    )


def _read_quarters(line: _Line) -> int:
    """By how many quarters to turn an image."""
    degrees = line.cells["Rotation"]
    if degrees.lower() in ("", "nan"):
        return 0
    quarters = _number(line, "Rotation") / 90
    if quarters % 1:
        raise ValueError(f"Rotation {degrees} is not a multiple of 90")
    return int(quarters % 4)


def _read_rotations(tables: Sequence[_Table]) -> tuple[Rotations, list[Reject]]:
    """Image -> quarters to turn it counterclockwise, of those that are to be turned; and the lines
    that say nothing."""
    rotations, rejects = {}, []
    for line in itertools.chain.from_iterable(table.lines() for table in tables):
        if isinstance(line, Reject):
            rejects.append(line)
            continue
        try:
            if quarters := _read_quarters(line):
                rotations[line.cells["ImageID"]] = quarters
        except ValueError as error:
            rejects.append(Reject(line.origin, line.cells["ImageID"], str(error)))
    return rotations, rejects


_READERS = {"labels": _read_label, "boxes": _read_box}


def _rows(tables: Mapping[str, Sequence[_Table]], known: Taxonomy) -> Iterator[Row | Reject]:
    rotations, rejects = _read_rotations(tables["rotations"])
    yield from rejects
    for kind, read in _READERS.items():
        for table in tables[kind]:
            yield from _Reader(read, known, rotations).rows(table)


def _turn(encoded: bytes, turns: int) -> bytes:
    """Pixels as they are stored, turned counterclockwise; the same bytes where nothing turns."""
    try:
        image = Image.open(io.BytesIO(encoded))
        if not turns and read_orientation(image) == UPRIGHT:
            return encoded
        pixels = image.convert("RGB")
        for _ in range(turns):
            pixels = pixels.transpose(Image.Transpose.ROTATE_90)
        turned = io.BytesIO()
        pixels.save(turned, "JPEG", quality=_JPEG_QUALITY, subsampling=0)
        return turned.getvalue()
    except Exception as error:  # whatever a decoder raises, this picture's bytes are why
        raise ValueError(f"can't be decoded: {error}") from error


def _read(folders: Sequence[str], follow_links: bool, row: Row) -> Picture:
    name, turns = row.reference
    path = read_path({"path": f"{name}.jpg"}, allow_outside=False)
    picture = read_named(folders, [path], follow_links, row)
    return Picture(_turn(picture.encoded, turns))


def _make_taxonomy(descriptions: Sequence[_Table], hierarchy: str) -> Taxonomy:
    graph = read_classes(hierarchy) if hierarchy else ClassGraph([], [], None)
    titles = dict.fromkeys(graph.names, "")
    for line in itertools.chain.from_iterable(table.lines() for table in descriptions):
        if isinstance(line, Reject):
            raise UserError(f"{line.origin}: {line.reason} (quote names with commas)")
        titles[line.cells["LabelName"]] = line.cells["DisplayName"]
    if not titles:
        raise UserError(
            "--source=open_images needs its classes: class descriptions (LabelName,DisplayName) "
            "among --manifest, or a hierarchy as --taxonomy"
        )
    return make_taxonomy(
        list(titles), graph.edges, [title or name for name, title in titles.items()]
    )


def make_source(options: SourceOptions) -> Source:
    """The source of the CSV files that --manifest names.

    Raises:
      UserError: files of another kind, no labels and no boxes, no classes, or no folder of images.
    """
    if not options.manifest:
        raise UserError("--source=open_images needs --manifest=FILES (CSV)")
    tables: dict[str, list[_Table]] = {kind: [] for kind in _KINDS}
    for path in find_files(options.manifest, "--manifest"):
        table = _open_table(os.path.abspath(path))
        tables[_kind(table)].append(table)
    if not tables["labels"] and not tables["boxes"]:
        raise UserError(f"--manifest={options.manifest} has no labels of images and no boxes")
    taxonomy = _make_taxonomy(tables["classes"], options.taxonomy)
    folders = find_folders(options, "open_images")
    return Source(
        taxonomy=taxonomy,
        contents=Contents(objects=bool(tables["boxes"])),
        rows=functools.partial(_rows, tables, taxonomy),
        read=functools.partial(_read, folders, options.allow_outside_paths),
    )
