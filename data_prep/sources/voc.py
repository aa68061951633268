r"""PASCAL VOC's folders, and whatever else is laid out like them: Annotations/*.xml, JPEGImages,
ImageSets, SegmentationClass.

    --source=voc --manifest='VOCdevkit/VOC2012/ImageSets/Main/{train,val}.txt'
    --source=voc --manifest='VOCdevkit/VOC2012/ImageSets/Segmentation/{train,val}.txt'

The lists choose the images, and their names the split; those that a list without a split
(`trainval`) adds are split by the hash of their id. Lists in a folder `Segmentation` ask for masks
too. Folders are sought beside the list's ImageSets, or in --images.

Pixels of a box are counted from 1, and the last one belongs to it: a box goes from xmin - 1 to
xmax. `difficult` is kept, `truncated` and `occluded` are not. A mask holds the colors' numbers in
its palette: 0 background, 1 to 20 VOC's classes, 255 not to be judged. An object that can't be used
is a reject, and its image stays; so is an image that lacks its XML or its mask.

Without a taxonomy the classes are VOC's twenty, or, where others occur, those that occur, sorted.
"""

import functools
import os
from collections.abc import Iterator, Sequence
from typing import NamedTuple
from xml.etree import ElementTree

import numpy as np
import numpy.typing as npt
from PIL import Image

from data_prep.sources.boxes import clip_box
from data_prep.sources.fields import read_path
from data_prep.sources.files import absolute_path, find_files, read_picture
from data_prep.sources.source import (
    Annotations,
    Object,
    Picture,
    Reject,
    Row,
    Source,
    SourceOptions,
    find_split,
)
from data_prep.sources.tables import check_text, read_lines
from data_prep.sources.taxonomies import read_taxonomy, unknown_label
from revisit.data.records import Contents
from revisit.data.taxonomy import Taxonomy, make_taxonomy
from revisit.data.voc import CLASSES, MASK_CLASSES, VOID
from revisit.errors import UserError


class _Entry(NamedTuple):
    """One image of the lists: the folder that holds its year's folders, its name, its split."""

    root: str
    name: str
    split: str | None
    origin: str


def _text(element: ElementTree.Element, tag: str, default: str | None = None) -> str:
    text = element.findtext(tag, default)
    if text is None:
        raise ValueError(f"no <{tag}> in <{element.tag}>")
    return text.strip()


def _number(element: ElementTree.Element, tag: str) -> float:
    text = _text(element, tag)
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"<{tag}> {text!r} is not a number") from None


def _read_object(element: ElementTree.Element, size: tuple[int, int]) -> Object:
    sides = element.find("bndbox")
    if sides is None:
        raise ValueError("no <bndbox> in <object>")
    height, width = size
    ymin, xmin = _number(sides, "ymin") - 1, _number(sides, "xmin") - 1
    ymax, xmax = _number(sides, "ymax"), _number(sides, "xmax")
    return Object(
        box=clip_box((ymin / height, xmin / width, ymax / height, xmax / width)),
        label=_text(element, "name"),
        is_difficult=_text(element, "difficult", "0") == "1",
    )


def _parse(entry: _Entry) -> ElementTree.Element:
    path = os.path.join(entry.root, "Annotations", f"{entry.name}.xml")
    try:
        return ElementTree.parse(path).getroot()
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}") from error
    except ElementTree.ParseError as error:
        raise ValueError(f"{path} is not XML: {error}") from error


def _read_size(annotation: ElementTree.Element) -> tuple[int, int]:
    height, width = (int(_number(annotation, f"size/{side}")) for side in ("height", "width"))
    if min(height, width) < 1:
        raise ValueError(f"<size> is {width}x{height}")
    return height, width


def _read_objects(
    annotation: ElementTree.Element, entry: _Entry, known: Taxonomy
) -> Iterator[Object | Reject]:
    size = _read_size(annotation)
    for element in annotation.findall("object"):
        try:
            each = _read_object(element, size)
            if each.label not in known.ids:
                raise ValueError(unknown_label(each.label, known))
            yield each
        except ValueError as error:
            yield Reject(entry.origin, entry.name, f"object: {error}")


def _image_path(annotation: ElementTree.Element, entry: _Entry) -> str:
    ending = os.path.splitext(annotation.findtext("filename", ""))[1] or ".jpg"
    return os.path.join(entry.root, "JPEGImages", entry.name + ending)


def _entry_rows(entry: _Entry, known: Taxonomy) -> Iterator[Row | Reject]:
    read_path({"path": entry.name}, allow_outside=False)
    annotation = _parse(entry)
    read = list(_read_objects(annotation, entry, known))
    yield from (each for each in read if isinstance(each, Reject))
    objects = tuple(each for each in read if isinstance(each, Object))
    yield Row(
        id=entry.name,
        reference=_image_path(annotation, entry),
        positives=tuple((name, 1.0) for name in dict.fromkeys(each.label for each in objects)),
        split=entry.split,
        origin=entry.origin,
        annotations=Annotations(objects, size=_read_size(annotation)),
    )


def _rows(entries: Sequence[_Entry], known: Taxonomy) -> Iterator[Row | Reject]:
    for entry in entries:
        try:
            yield from _entry_rows(entry, known)
        except ValueError as error:
            yield Reject(entry.origin, entry.name, str(error))


def _decode_mask(path: str, size: tuple[int, int]) -> npt.NDArray[np.uint8]:
    with Image.open(path) as image:
        if image.mode not in ("P", "L"):
            raise ValueError(f"{path} is a mask in {image.mode}: expected a palette's numbers")
        if image.size != size[::-1]:  # asked before its pixels get memory
            found, wanted = f"{image.width}x{image.height}", f"{size[1]}x{size[0]}"
            raise ValueError(f"{path} is a mask of {found} pixels, its annotation says {wanted}")
        try:
            return np.asarray(image)
        except (OSError, SyntaxError) as error:  # the second is Pillow's word for broken PNG
            raise ValueError(f"{path} can't be decoded: {error}") from error


def _read_mask(path: str, size: tuple[int, int]) -> npt.NDArray[np.uint8]:
    mask = _decode_mask(path, size)
    values = np.unique(mask)
    strange = values[(values >= len(MASK_CLASSES)) & (values != VOID)]
    if strange.size:
        raise ValueError(f"{path} is a mask with value {strange[0]}: VOC has 0 to 20, and 255")
    return mask


def _read_with_mask(follow_links: bool, row: Row) -> Picture:
    picture = read_picture("", follow_links, row)
    root = os.path.dirname(os.path.dirname(row.reference))
    annotations = row.annotations
    assert annotations is not None
    assert annotations.size is not None
    path = os.path.join(root, "SegmentationClass", f"{row.id}.png")
    mask = _read_mask(path, annotations.size)
    return picture._replace(annotations=annotations._replace(mask=mask))


def _root(path: str, images: str) -> str:
    root = images or os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(path))))
    if not os.path.isdir(os.path.join(root, "Annotations")):
        raise UserError(
            f"{path}: no folder Annotations in {root}: name the folder that has it by --images"
        )
    return absolute_path(root)


def _read_lists(paths: Sequence[str], images: str) -> list[_Entry]:
    """Every image once; a list that tells its split goes before one that does not."""
    entries: dict[tuple[str, str], _Entry] = {}
    for path in sorted(paths, key=lambda path: find_split(os.path.basename(path)) is None):
        check_text(path)
        root, file = _root(path, images), os.path.basename(path)
        for line, text in read_lines(path):
            name = text.split()[0]  # a list of one class has 1, 0 or -1 after it
            entry = _Entry(root, name, find_split(file), f"{file}:{line}")
            entries.setdefault((root, name), entry)
    return list(entries.values())


def _check_segmentation(paths: Sequence[str]) -> bool:
    """Whether the lists are of a build with masks; all are, or none."""
    kinds = {os.path.basename(os.path.dirname(os.path.abspath(path))) for path in paths}
    if "Segmentation" in kinds and len(kinds) > 1:
        raise UserError(
            f"--manifest: lists of {' and '.join(sorted(kinds))} can't be built together: "
            "one has masks for each image, the other does not"
        )
    return kinds == {"Segmentation"}


def _occurring(entries: Sequence[_Entry]) -> set[str]:
    names: set[str] = set()
    for entry in entries:
        try:
            names.update(_text(each, "name") for each in _parse(entry).findall("object"))
        except ValueError:
            continue  # becomes a reject when the rows are read
    return names


def _make_taxonomy(entries: Sequence[_Entry], manifest: str) -> Taxonomy:
    names = _occurring(entries)
    if not names:
        raise UserError(f"--manifest={manifest}: no image of the lists has an object")
    return make_taxonomy(CLASSES if names <= set(CLASSES) else sorted(names), [])


def make_source(options: SourceOptions) -> Source:
    """The source of the lists of images that --manifest names.

    Raises:
      UserError: no lists, lists with masks beside others without, or no folder of annotations.
    """
    if not options.manifest:
        raise UserError("--source=voc needs --manifest=LISTS (ImageSets/Main/*.txt, or the like)")
    paths = find_files(options.manifest, "--manifest")
    has_masks = _check_segmentation(paths)
    entries = _read_lists(paths, options.images)
    if options.taxonomy:
        taxonomy = read_taxonomy(options.taxonomy)
    else:
        taxonomy = _make_taxonomy(entries, options.manifest)
    read = _read_with_mask if has_masks else functools.partial(read_picture, "")
    return Source(
        taxonomy=taxonomy,
        contents=Contents(objects=True, mask=has_masks),
        rows=functools.partial(_rows, entries, taxonomy),
        read=functools.partial(read, options.allow_outside_paths),
        mask_classes=MASK_CLASSES if has_masks else (),
    )
