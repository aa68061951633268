"""webdataset: tar archives in which files of one name make a sample: `a/17.jpg`, `a/17.cls`.

--images names them: a pattern (`name-{000000..000146}.tar`, `name-*.tar`), a path, several with
commas, or a folder of them. A member's key is its path up to the first dot of the file's name, the
rest is its ending:

    .jpg .jpeg .png .webp .gif .bmp .ppm    the image
    .cls                                    the name of its class, or its number, which is a name
    .json                                   labels, negatives and split, as in a manifest's line

Other members are left alone. A sample's members may stand anywhere in their archive. Its id is the
archive's path (below the folder that all archives share) and its key; its split is that of its
.json, else a word of the archive's path. Images are read in place; nothing is unpacked.

Source of the form: https://github.com/webdataset/webdataset
"""

import functools
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from data_prep.sources.archives import find_archives, list_members
from data_prep.sources.fields import Statement, make_row, read_json_labels
from data_prep.sources.files import Span, read_picture, read_span, whole_file
from data_prep.sources.source import Reject, Row, Source, SourceOptions, find_split
from data_prep.sources.taxonomies import make_flat_taxonomy, read_taxonomy
from revisit.data.records import Contents
from revisit.errors import UserError

_IMAGE_ENDINGS = ("jpg", "jpeg", "png", "webp", "gif", "bmp", "ppm")
_KEY = re.compile(r"((?:.*/)?[^./][^./]*)\.([^/]+)")

_Sample = dict[str, Span]  # a member's ending -> where it is


def _read_class(sample: _Sample) -> list[Statement]:
    if "cls" not in sample:
        return []
    try:
        return [Statement(read_span(sample["cls"]).decode().strip())]
    except UnicodeDecodeError:
        raise ValueError("its .cls is not UTF-8") from None


def _read_json(sample: _Sample) -> dict[str, Any]:
    if "json" not in sample:
        return {}
    try:
        fields = json.loads(read_span(sample["json"]))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"its .json can't be read: {error}") from None
    if not isinstance(fields, dict):
        raise ValueError("its .json is not an object")
    return fields


def _make_row(sample: _Sample, name: str, archive: str) -> Row:
    image = next((ending for ending in _IMAGE_ENDINGS if ending in sample), None)
    if image is None:
        raise ValueError(f"no image beside {', '.join(sorted(sample))}")
    fields = {"split": find_split(archive), **_read_json(sample), "id": None}
    row = make_row(fields, [*_read_class(sample), *read_json_labels(fields)], name, name)
    return row._replace(reference=sample[image])


def _read_samples(path: str, samples: dict[str, _Sample]) -> Iterator[Reject]:
    """Fills in the samples of an archive, and gives what can't be of one."""
    for member in list_members(whole_file(path)):
        if isinstance(member, Reject):
            yield member
            continue
        origin = f"{os.path.basename(path)}:{member.name}"
        match = _KEY.fullmatch(member.name)
        if match is None:
            yield Reject(origin, member.name, "no name with an ending")
            continue
        sample, ending = samples.setdefault(match[1], {}), match[2].lower()
        if ending in sample:
            yield Reject(origin, member.name, "a second member of this name")
        else:
            sample[ending] = member.span


def _rows(archives: Mapping[str, str]) -> Iterator[Row | Reject]:
    for path, archive in archives.items():
        samples: dict[str, _Sample] = {}
        yield from _read_samples(path, samples)
        for key, sample in samples.items():
            name = f"{archive}/{key}"
            try:
                yield _make_row(sample, name, archive)
            except ValueError as error:
                yield Reject(name, name, str(error))


def _name_archives(paths: Sequence[str]) -> dict[str, str]:
    """From an archive's path to its name: the path below the folder that all share, without
    `.tar`."""
    shared = os.path.commonpath([os.path.dirname(path) for path in paths])
    return {path: os.path.splitext(os.path.relpath(path, shared))[0] for path in paths}


def make_source(options: SourceOptions) -> Source:
    """The archives that --images names, under --taxonomy or as flat classes.

    Raises:
      UserError: no such archive, one that is compressed or not whole, or a taxonomy that is none.
    """
    if not options.images:
        raise UserError("--source=webdataset needs --images=PATTERN, as name-{000..146}.tar")
    archives = _name_archives(find_archives(options.images))
    if options.taxonomy:
        taxonomy = read_taxonomy(options.taxonomy)
    else:
        taxonomy = make_flat_taxonomy(_rows(archives), options.images)
    return Source(
        taxonomy=taxonomy,
        contents=Contents(),
        rows=functools.partial(_rows, archives),
        read=functools.partial(read_picture, "", options.allow_outside_paths),
    )
