"""Pictures by name in a few folders: what large sets are unpacked to, `train_0` to `train_f`.

A name is tried in each folder when its picture is wanted, so nothing is listed beforehand and
memory does not grow with the number of pictures.
"""

import itertools
import os
from collections.abc import Sequence

from data_prep.sources.files import absolute_path, find_files, read_picture
from data_prep.sources.source import Picture, Row, SourceOptions
from revisit.errors import UserError


def find_folders(options: SourceOptions, source: str) -> tuple[str, ...]:
    """The folders that --images names: paths or patterns, with commas between them.

    Raises:
      UserError: none is named, or what is named is no folder.
    """
    if not options.images:
        raise UserError(f"--source={source} needs --images=FOLDERS: where the pictures are")
    paths = find_files(options.images, "--images")
    wrong = next((path for path in paths if not os.path.isdir(path)), None)
    if wrong is not None:
        raise UserError(f"--images: {wrong!r} is not a folder: check the path or pattern")
    return tuple(map(absolute_path, paths))


def read_named(
    folders: Sequence[str], names: Sequence[str], follow_links: bool, row: Row
) -> Picture:
    """The picture of the first name that is there.

    Args:
      folders: as `find_folders` gives them.
      names: paths below a folder.
      follow_links: see `read_picture`.
      row: whose picture it is.

    Raises:
      OSError, ValueError: why it can't be read.
    """
    for folder, name in itertools.product(folders, names):
        if os.path.exists(os.path.join(folder, name)):
            return read_picture(folder, follow_links, row._replace(reference=name))
    raise ValueError(f"no file in the folders of images: {names[0]}")
