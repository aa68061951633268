"""SIGTERM and SIGINT, by which a process is asked to stop: who hears of them."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


@contextmanager
def signals_handled_by(
    handler: Callable[[int, FrameType | None], Any],
) -> Iterator[dict[int, Any]]:
    """Inside, both go to `handler`; yields who handles them before and after, by signal."""
    before: dict[int, Any] = {
        each: signal.signal(each, handler) for each in (signal.SIGTERM, signal.SIGINT)
    }
    try:
        yield before
    finally:
        for each, former in before.items():
            signal.signal(each, former)
