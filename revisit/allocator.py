"""How the C library hands out the memory that tensors lie in."""

import ctypes

# Of glibc's malloc.h.
_TRIM_THRESHOLD, _MMAP_MAX, _ARENA_MAX = -1, -4, -8


def keep_freed_memory() -> None:
    """Lets the process keep what it frees, for the next tensor of that size; before it has threads.

    glibc gives the memory of large tensors back to the system and asks for it anew in the next
    step, where it comes page by page, each filled with zeros. On virtual machines, whose pages are
    dear, that can take as long as the step itself (measured by benchmarks/freed_memory.py). The
    price: a process stays as large as it has been once. Other C libraries are left as they are.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # not glibc
        return
    mallopt(_TRIM_THRESHOLD, -1)  # never
    mallopt(_MMAP_MAX, 0)
    # Those of threads end at 64 MB, and what is larger comes from the system all the same.
    mallopt(_ARENA_MAX, 1)
