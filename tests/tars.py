"""Tar archives for tests."""

import io
import tarfile
from collections.abc import Mapping


def make_tar(members: Mapping[str, bytes], form: int = tarfile.GNU_FORMAT) -> bytes:
    """An archive of members, name -> content, in their order."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w", format=form) as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return content.getvalue()
