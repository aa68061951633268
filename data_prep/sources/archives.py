"""Tar archives, read in place: one pass over the headers says where every member lies.

A member's contents are skipped by seeking, and nothing is remembered of it, so an archive of any
size can be walked. Archives inside an archive are walked the same way: a member is a `Span`, and so
is an archive.
"""

import functools
import os
import posixpath
import tarfile
from collections.abc import Iterator
from typing import NamedTuple

import tensorflow_datasets as tfds

from data_prep.sources.files import Span, absolute_path, find_files, open_file, whole_file
from data_prep.sources.source import Reject
from revisit.errors import UserError

ENDING = ".tar"


class Member(NamedTuple):
    """A file in an archive: its path there, and where its bytes lie."""

    name: str
    span: Span


def _check_end(tar: tarfile.TarFile, archive: Span) -> None:
    # tarfile takes a damaged header for the end; a true one is a block of zeros.
    assert tar.fileobj is not None
    tar.fileobj.seek(tar.offset)
    if tar.fileobj.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
        raise UserError(f"{archive.path} is damaged or cut off at byte {tar.offset}: get it again")


def _walk(archive: Span) -> Iterator[tarfile.TarInfo]:
    with open_file(archive.path) as file:
        file.seek(archive.offset)
        try:
            tar = tarfile.TarFile(fileobj=file)
            for member in iter(tar.next, None):
                vars(tar)["members"].clear()  # tarfile would remember every one
                yield member
        except tarfile.TarError as error:
            raise UserError(
                f"{archive.path} is not a whole tar archive ({error}); a compressed one has to be "
                "decompressed once, since its members are read in place"
            ) from None
        _check_end(tar, archive)


def list_members(archive: Span) -> Iterator[Member | Reject]:
    """Every file in an archive, in its order; a link, or what else has no bytes of its own, is a
    Reject.

    Raises:
      UserError: not a tar archive, compressed, damaged or cut off.
    """
    for member in _walk(archive):
        if member.isreg() and not member.issparse():
            span = Span(archive.path, member.offset_data, member.size)
            yield Member(posixpath.normpath(member.name), span)
        elif not member.isdir():
            origin = f"{os.path.basename(archive.path)}:{member.name}"
            yield Reject(origin, member.name, "not a plain file of the archive (a link?)")


def check_root(images: str) -> None:
    """Asks for a folder of images, or an archive that stands for one.

    Raises:
      UserError: it is neither.
    """
    is_archive = images.endswith(ENDING) and os.path.isfile(images)
    if not (is_archive or os.path.isdir(images)):
        raise UserError(
            f"--images={images!r} is not a folder or uncompressed tar archive: check the path"
        )


def find_archives(images: str) -> list[str]:
    """The archives that --images names (see `find_files`); a folder names those that lie in it.

    Raises:
      UserError: there is none.
    """
    pattern = os.path.join(images, f"*{ENDING}") if os.path.isdir(images) else images
    return [absolute_path(path) for path in find_files(pattern, "--images")]


@functools.cache
def _index(path: str) -> dict[str, Span]:
    members = list_members(whole_file(path))
    return {member.name: member.span for member in members if isinstance(member, Member)}


def locate(path: str) -> str | Span:
    """Where the bytes of `photos.tar/a/1.jpg` lie; any other path as it is.

    An archive's members are listed once a process.

    Raises:
      ValueError: no such archive or member.
      UserError: an archive that is damaged.
    """
    before, mark, member = path.partition(f"{ENDING}/")
    archive = before + ENDING
    if not mark or os.path.isdir(archive):
        return path
    if not tfds.core.Path(archive).exists():
        raise ValueError(f"no archive at {archive!r}")
    if member not in _index(archive):
        raise ValueError(f"no member {member!r} in {archive}")
    return _index(archive)[member]
