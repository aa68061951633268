"""A process keeps what it frees: the next tensor of a size has its pages already."""

import ctypes
import platform
import subprocess
import sys

import pytest

from revisit.allocator import keep_freed_memory

# Page faults of making, freeing and making again an array of 200 MB.
PROGRAM = """
import resource
import numpy as np
from revisit.allocator import keep_freed_memory

if {kept}:
    keep_freed_memory()
array = np.ones(25_000_000)
del array
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
array = np.ones(25_000_000)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def _count_faults(kept: bool) -> int:
    # Without huge pages, which numpy asks for and which some machines have.
    program = "import os; os.environ['NUMPY_MADVISE_HUGEPAGE'] = '0'\n" + PROGRAM.format(kept=kept)
    told = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, check=True)
    return int(told.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the setting is glibc's")
def test_memory_that_was_freed_is_at_hand_again():
    assert _count_faults(kept=False) > 10_000
    assert _count_faults(kept=True) < 1_000


def test_another_c_library_is_left_as_it_is(monkeypatch):
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    keep_freed_memory()
