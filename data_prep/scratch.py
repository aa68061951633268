"""Temporary files of Beam and multiprocessing, which leave some behind: all in one directory, which
goes with the process, or, where that was killed, when the next one starts."""

import contextlib
import fcntl
import functools
import glob
import multiprocessing.util
import os
import shutil
import tempfile
from collections.abc import Iterator

_NAME = "data_prep-"


def _remove_abandoned(directory: str) -> None:
    """Removes the directory of a process that has ended: its lock went with it."""
    with contextlib.suppress(OSError):  # locked, another user's, or removed by another process
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(directory, ignore_errors=True)
        finally:
            os.close(descriptor)


@functools.cache
def _process_directory() -> str:
    root = tempfile.gettempdir()
    for abandoned in glob.glob(os.path.join(root, f"{_NAME}*")):
        _remove_abandoned(abandoned)
    hidden = tempfile.mkdtemp(prefix=f".{_NAME}")  # from the others until it is locked
    fcntl.flock(os.open(hidden, os.O_RDONLY), fcntl.LOCK_SH)  # as long as this process lives
    directory = os.path.join(root, os.path.basename(hidden)[1:])
    os.rename(hidden, directory)
    # Multiprocessing removes its own directory, which lies in this one, at priority -100.
    multiprocessing.util.Finalize(None, shutil.rmtree, (directory, True), exitpriority=-101)
    return directory


@contextlib.contextmanager
def temporary_files() -> Iterator[None]:
    """Has libraries put their temporary files where they are removed afterwards."""
    former, tempfile.tempdir = tempfile.tempdir, _process_directory()
    try:
        multiprocessing.util.get_temp_dir()  # of sockets, for the life of the process
        # A thread of Beam may still be at work at the end.
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as tempfile.tempdir:
            yield
    finally:
        tempfile.tempdir = former
