"""One folder a class: `root/train/dog/1.jpg`, or `root/dog/1.jpg`; the root may be a tar archive.

Where every folder at the top is named for a split (train, val, validation, test ...), each is one;
else each is a class. All files below a class's folder, however deep, are its images; what is no
image is rejected when it is read, and hidden files (`.name`) are left alone. A folder around them
all, as archives have one (`photos/dog/1.jpg`), means nothing. Without --taxonomy the classes are
the folders, sorted.
"""

import functools
import os
from collections.abc import Collection, Iterator
from typing import NamedTuple

from data_prep.sources import archives
from data_prep.sources.files import Span, absolute_path, read_picture, whole_file
from data_prep.sources.source import SPLIT_NAMES, Reject, Row, Source, SourceOptions
from data_prep.sources.taxonomies import read_taxonomy
from revisit.data.records import Contents
from revisit.data.taxonomy import make_taxonomy
from revisit.errors import UserError


class _Root(NamedTuple):
    """A folder or tar archive of images."""

    path: str
    follow_links: bool


class _Layout(NamedTuple):
    """What the folders mean: the first `num_outer` of a path nothing, the next its split if
    `has_splits`, the next its class."""

    num_outer: int
    has_splits: bool


class _File(NamedTuple):
    """An image below the root: its path there, and where it is read."""

    path: str
    reference: str | Span


def _walk(folder: str, root: _Root) -> Iterator[_File]:
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        if entry.name.startswith("."):
            continue
        # A linked folder that must not be followed is rejected when it is read, as a linked file.
        if entry.is_dir(follow_symlinks=root.follow_links):
            yield from _walk(entry.path, root)
        else:
            path = os.path.relpath(entry.path, root.path)
            yield _File(path, path)


def _list_files(root: _Root) -> Iterator[_File | Reject]:
    if os.path.isdir(root.path):
        yield from _walk(root.path, root)
        return
    for member in archives.list_members(whole_file(root.path)):
        yield member if isinstance(member, Reject) else _File(*member)


def _folders(path: str) -> tuple[str, ...]:
    return tuple(path.split("/")[:-1])


def _rows(root: _Root, layout: _Layout) -> Iterator[Row | Reject]:
    for file in _list_files(root):
        if isinstance(file, Reject):
            yield file
            continue
        before = [] if layout.has_splits else [""]
        split, name, *_ = [*before, *_folders(file.path)[layout.num_outer :], "", ""]
        if name:
            yield Row(
                id=file.path,
                reference=file.reference,
                positives=((name, 1.0),),
                split=SPLIT_NAMES[split.lower()] if split else None,
                origin=file.path,
            )
        else:
            yield Reject(file.path, file.path, "in no class's folder")


def _count_outer(folders: Collection[tuple[str, ...]]) -> int:
    """How many folders stand around all that have images, before splits and classes begin."""
    shared = os.path.commonprefix(list(folders))
    if shared in folders:  # it has images itself: a class
        shared = shared[:-1]
    splits = (place for place, name in enumerate(shared) if name.lower() in SPLIT_NAMES)
    return next(splits, len(shared))


def _find_classes(root: _Root) -> tuple[list[str], _Layout]:
    """The names of the classes, and what the folders mean.

    Raises:
      UserError: no folders, or splits beside other folders.
    """
    files = (file for file in _list_files(root) if isinstance(file, _File))
    found = {_folders(file.path) for file in files} - {()}
    num_outer = _count_outer(found)
    folders = {folder[num_outer : num_outer + 2] for folder in found}
    tops = {folder[0] for folder in folders}
    splits = {top for top in tops if top.lower() in SPLIT_NAMES}
    others = sorted(tops - splits)
    if not folders:
        raise UserError(f"--images={root.path} has no images in folders: expected root/class/file")
    if not splits:
        return others, _Layout(num_outer, has_splits=False)
    if others:
        raise UserError(
            f"--images={root.path} has the splits {', '.join(sorted(splits))} beside "
            f"{', '.join(map(repr, others[:3]))}: at the top all folders are splits, or none is"
        )
    names = {folder[1] for folder in folders if len(folder) > 1}
    return sorted(names), _Layout(num_outer, has_splits=True)


def make_source(options: SourceOptions) -> Source:
    """The folders or archive that --images names, under --taxonomy or as flat classes.

    Raises:
      UserError: no such folder, no folders in it, or a taxonomy that is none.
    """
    if not options.images:
        raise UserError("--source=image_folder needs --images=FOLDER: one folder a class in it")
    archives.check_root(options.images)
    root = _Root(absolute_path(options.images), options.allow_outside_paths)
    names, layout = _find_classes(root)
    return Source(
        taxonomy=read_taxonomy(options.taxonomy) if options.taxonomy else make_taxonomy(names, []),
        contents=Contents(),
        rows=functools.partial(_rows, root, layout),
        read=functools.partial(read_picture, root.path, root.follow_links),
    )
