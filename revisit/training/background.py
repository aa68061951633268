"""Work that the training loop hands to another thread, so that no device waits for a file."""

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any


class Background:
    """One thing at a time, in the order in which they are handed over."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        """Args:
        pool: of one thread.
        """
        self._pool = pool
        self._last: Future | None = None

    def wait(self) -> None:
        """Until what was handed over is done; raises what that raised."""
        last, self._last = self._last, None
        if last:
            last.result()

    def start(self, function: Callable[..., object], *arguments: Any) -> None:
        """Calls a function there, once what was handed over before is done: see `wait`."""
        self.wait()
        self._last = self._pool.submit(function, *arguments)


@contextlib.contextmanager
def in_background() -> Iterator[Background]:
    """All that was handed over is done at the end; what it raised is raised there, unless the
    caller failed before."""
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="background") as pool:
        background = Background(pool)
        yield background
        background.wait()
