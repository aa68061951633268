r"""COCO's annotations: instances_*.json (objects) and person_keypoints_*.json (people), either or
both, and whatever else has this form.

    --source=coco --images=coco \
        --manifest='coco/annotations/{instances,person_keypoints}_{train,val}2017.json'

A file whose categories have keypoints gives people, another one objects. The split is a word of the
file's name (`train`, `val`). Images lie in --images, or in its folder that has the last word of the
file's name (`train2017`).

A record's id is the image's, a class's name is its category's id, its title the category's name: so
results can be written in COCO's own numbers. A supercategory is the class above its categories.
Every image that a file lists becomes a record, also one on which nothing is drawn.

Boxes [x, y, width, height] are continuous pixels, as those of records are, but for the scale.
Keypoints are pixels counted from 0, of which records hold the centers: half a pixel is added. Of a
crowd its box and its area are kept, not its outline. An annotation that can't be used is a reject,
and its image stays.

A file is read whole: memory is a few times its size.
"""

import collections
import functools
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from data_prep.sources.boxes import clip_box
from data_prep.sources.fields import read_path
from data_prep.sources.files import absolute_path, find_files, read_picture
from data_prep.sources.source import (
    Annotations,
    Box,
    Object,
    Person,
    Reject,
    Row,
    Source,
    SourceOptions,
    find_split,
)
from data_prep.sources.taxonomies import read_taxonomy
from revisit.data.records import KEYPOINTS, Contents
from revisit.data.taxonomy import Taxonomy, make_taxonomy
from revisit.errors import UserError

# What a file holds -> what each entry must have for the file to mean anything.
_LISTS: dict[str, set[str]] = {
    "images": set(),
    "annotations": set(),
    "categories": {"id", "name"},
}
_NO_SUPERCATEGORY = (None, "", "none")  # the last as Roboflow writes it

Json = Mapping[str, Any]


class _File(NamedTuple):
    """One file of annotations.

    Attributes:
      folder: where its images lie, below the source's: a name, or nothing.
      has_people: its annotations are people with keypoints.
    """

    path: str
    folder: str
    has_people: bool

    @property
    def name(self) -> str:
        return os.path.basename(self.path)


class _Size(NamedTuple):
    """Of the annotated image, in pixels."""

    height: int
    width: int


def _forget_outline(fields: dict[str, Any]) -> dict[str, Any]:
    fields.pop("segmentation", None)  # most of a file's bytes, and nothing is made of it
    return fields


def _load(path: str) -> dict[str, Any]:
    try:
        with open(path, encoding="utf-8-sig") as file:
            content = json.load(file, object_hook=_forget_outline)
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path} can't be read as JSON: {error}") from None
    if not isinstance(content, dict):
        raise UserError(f"{path} is not a JSON object: not COCO's form")
    content = {"annotations": [], **content}
    for key, fields in _LISTS.items():
        _check_list(path, content, key, fields)
    return content


def _check_list(path: str, content: Json, key: str, fields: set[str]) -> None:
    entries = content.get(key)
    if not isinstance(entries, list):
        raise UserError(f"{path} has no list {key!r}: not COCO's form")
    for place, entry in enumerate(entries):
        if not (isinstance(entry, dict) and fields <= entry.keys()):
            form = f"an object with {' and '.join(sorted(fields))}" if fields else "an object"
            raise UserError(f"{path}: {key}[{place}] is not {form}: not COCO's form")


def _box(annotation: Json, size: _Size) -> Box:
    given = annotation["bbox"]
    sides = given if isinstance(given, list) else []
    if len(sides) != 4 or not all(isinstance(side, int | float) for side in sides):
        raise ValueError(f"bbox {given!r} is not x, y, width, height")
    x, y, width, height = sides
    rows, columns = size
    return clip_box((y / rows, x / columns, (y + height) / rows, (x + width) / columns))


def _read_object(annotation: Json, size: _Size) -> Object:
    return Object(
        box=_box(annotation, size),
        label=str(annotation["category_id"]),
        area=annotation.get("area"),
        is_crowd=bool(annotation.get("iscrowd", 0)),
    )


def _read_keypoints(flat: Sequence[float], size: _Size) -> tuple[tuple[float, float, float], ...]:
    if len(flat) != 3 * len(KEYPOINTS):
        raise ValueError(f"keypoints of another skeleton: {len(flat)} numbers, COCO's are 17 x 3")
    keypoints = []
    for x, y, visibility in zip(flat[::3], flat[1::3], flat[2::3]):
        if not (0 <= y <= size.height and 0 <= x <= size.width):
            raise ValueError(f"keypoint outside the image: x {x}, y {y}")
        center = min((y + 0.5) / size.height, 1.0), min((x + 0.5) / size.width, 1.0)
        keypoints.append((*center, visibility) if visibility else (0.0, 0.0, 0.0))
    return tuple(keypoints)


def _read_person(annotation: Json, size: _Size) -> Person:
    return Person(
        box=_box(annotation, size),
        keypoints=_read_keypoints(annotation["keypoints"], size),
        area=annotation.get("area"),
        is_crowd=bool(annotation.get("iscrowd", 0)),
    )


def _read_each(
    annotations: Sequence[Json], read: Callable[[Json], Any], file: _File, known: Taxonomy
) -> Iterator[tuple[str, Any] | Reject]:
    """(class name, Object or Person) of every annotation, or why it can't be used."""
    for annotation in annotations:
        try:
            name = str(annotation["category_id"])
            if name not in known.ids:
                raise ValueError(f"unknown category id {name}")
            yield name, read(annotation)
        except KeyError as error:
            yield _reject(annotation, file, f"annotation without {error}")
        except (ValueError, TypeError, ZeroDivisionError) as error:
            yield _reject(annotation, file, str(error))


def _reject(annotation: Json, file: _File, reason: str) -> Reject:
    origin = f"{file.name}:annotation {annotation.get('id')}"
    return Reject(origin, str(annotation.get("image_id")), reason)


def _read_image(
    image: Json, annotations: Sequence[Json], file: _File, known: Taxonomy
) -> Iterator[Row | Reject]:
    size = _Size(int(image["height"]), int(image["width"]))
    read = functools.partial(_read_person if file.has_people else _read_object, size=size)
    entries = list(_read_each(annotations, read, file, known))
    yield from (entry for entry in entries if isinstance(entry, Reject))
    good = [entry for entry in entries if not isinstance(entry, Reject)]
    drawn = tuple(each for _, each in good)
    path = os.path.join(file.folder, image["file_name"])
    yield Row(
        id=str(image["id"]),
        reference=read_path({"path": path}, allow_outside=False),
        positives=tuple((name, 1.0) for name in dict.fromkeys(name for name, _ in good)),
        split=find_split(file.name),
        origin=f"{file.name}:image {image['id']}",
        annotations=Annotations(
            objects=() if file.has_people else drawn,
            people=drawn if file.has_people else (),
            size=(size.height, size.width),
        ),
    )


def _file_rows(file: _File, known: Taxonomy) -> Iterator[Row | Reject]:
    content = _load(file.path)
    of_image = collections.defaultdict(list)
    for annotation in content["annotations"]:
        of_image[annotation.get("image_id")].append(annotation)
    for image in content["images"]:
        id_ = image.get("id")
        try:
            yield from _read_image(image, of_image.pop(id_, []), file, known)
        except (KeyError, ValueError, TypeError) as error:
            reason = f"image without {error}" if isinstance(error, KeyError) else str(error)
            yield Reject(f"{file.name}:image {id_}", str(id_), reason)
    for annotations in of_image.values():
        for annotation in annotations:
            yield _reject(annotation, file, "annotation of an image that the file does not list")


def _rows(files: Sequence[_File], known: Taxonomy) -> Iterator[Row | Reject]:
    for file in files:
        yield from _file_rows(file, known)


def _check_skeleton(path: str, category: Json) -> None:
    names = tuple(category["keypoints"])
    if names != KEYPOINTS:
        raise UserError(
            f"{path}: category {category.get('name')!r} has {len(names)} keypoints "
            f"({', '.join(map(str, names[:3]))}, ...): only COCO's 17 can be read "
            f"({', '.join(KEYPOINTS[:3])}, ...)"
        )


def _folder(path: str, root: str) -> str:
    last = os.path.splitext(os.path.basename(path))[0].split("_")[-1]
    return last if os.path.isdir(os.path.join(root, last)) else ""


def _read_file(path: str, root: str, categories: dict[str, Json]) -> _File:
    """Adds a file's categories to those of the others, which must agree."""
    has_people = False
    for category in _load(path)["categories"]:
        if "keypoints" in category:
            _check_skeleton(path, category)
            has_people = True
        former = categories.setdefault(str(category["id"]), category)
        if former["name"] != category["name"]:
            raise UserError(
                f"{path}: category {category['id']} is {category['name']!r}, "
                f"in another file {former['name']!r}: build them apart"
            )
    return _File(os.path.abspath(path), _folder(path, root), has_people)


def _make_taxonomy(categories: Mapping[str, Json]) -> Taxonomy:
    ids = sorted(categories, key=lambda id_: (len(id_), id_))
    above = {id_: categories[id_].get("supercategory") for id_ in ids}
    edges = [(id_, name) for id_, name in above.items() if name not in _NO_SUPERCATEGORY]
    groups = list(dict.fromkeys(name for _, name in edges))
    titles = [str(categories[id_]["name"]) for id_ in ids]
    return make_taxonomy(ids + groups, edges, titles + groups)


def make_source(options: SourceOptions) -> Source:
    """The source of the files of annotations that --manifest names.

    Raises:
      UserError: not COCO's form, another skeleton than COCO's, files that contradict each other, or
        no folder of images.
    """
    if not options.manifest or not options.images:
        raise UserError("--source=coco needs --manifest=FILES (JSON) and --images=FOLDER")
    if not os.path.isdir(options.images):
        raise UserError(f"--images={options.images!r} is not a folder: check the path")
    root = absolute_path(options.images)
    categories: dict[str, Json] = {}
    paths = find_files(options.manifest, "--manifest")
    files = [_read_file(path, root, categories) for path in paths]
    taxonomy = read_taxonomy(options.taxonomy) if options.taxonomy else _make_taxonomy(categories)
    return Source(
        taxonomy=taxonomy,
        contents=Contents(
            objects=not all(file.has_people for file in files),
            people=any(file.has_people for file in files),
        ),
        rows=functools.partial(_rows, files, taxonomy),
        read=functools.partial(read_picture, root, options.allow_outside_paths),
    )
