import os
import pathlib
import signal
import subprocess
import sys
import tempfile

import pytest

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent

USE = """
import multiprocessing, pathlib, sys, tempfile
from data_prep.scratch import temporary_files
with temporary_files():
    pathlib.Path(tempfile.mkdtemp(), "file").write_text("left behind")
    if __name__ == "__main__" and sys.argv[1] == "wait":
        with multiprocessing.get_context("forkserver").Pool(1) as pool:
            print(pool.apply(len, "a"), flush=True)
            sys.stdin.read()
"""


def use(folder, *arguments):
    return subprocess.Popen(
        [sys.executable, "-c", USE, *arguments],
        cwd=REPOSITORY,
        env={**os.environ, "TMPDIR": str(folder)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )


@pytest.fixture
def folder():
    # Not below pytest's: the path of a socket in it has 107 bytes at most.
    with tempfile.TemporaryDirectory() as folder:
        yield pathlib.Path(folder)


def test_what_a_killed_process_leaves_goes_when_the_next_one_starts(folder):
    killed, running = use(folder, "wait"), use(folder, "wait")
    for process in (killed, running):
        assert process.stdout.readline() == b"1\n"
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    assert len(list(folder.iterdir())) == 2
    assert use(folder, "end").wait() == 0
    (left,) = folder.iterdir()
    assert any(left.iterdir())  # in use
    running.communicate(b"")
    assert running.returncode == 0
    assert list(folder.iterdir()) == []
