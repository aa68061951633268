"""A cluster on one machine: a process for each role, and all of them gone when it ends.

    launcher.launch([sys.executable, "-m", "revisit.train", ...], num_workers=2, num_servers=1)

Roles are told apart by TF_CONFIG, as on a real cluster. Each process leads a session of its own, so
a Ctrl-C reaches the launcher alone, which then lets the run save; the kernel kills the processes if
the launcher itself is killed (PR_SET_PDEATHSIG).
"""

import contextlib
import ctypes
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple, TextIO

from revisit.errors import UserError
from revisit.training.signals import signals_handled_by

GRACE_SECONDS = 90.0  # for the others to save or to notice, once a process failed or a signal came
_PR_SET_PDEATHSIG = 1  # of sys/prctl.h
_KILLED = 128 + signal.SIGKILL  # the status of what had to be ended
_LIBC = ctypes.CDLL(None)  # loaded here, since nothing should be loaded between fork and exec


class Layout(NamedTuple):
    """What a cluster consists of, by kind of role.

    Attributes:
      started: processes of each kind.
      needed: the run can't go on with fewer.
      leading: the kind whose processes end by themselves when the run does.
    """

    started: Mapping[str, int]
    needed: Mapping[str, int]
    leading: str


def make_layout(num_workers: int, num_servers: int) -> Layout:
    """Equal workers; or, where there are parameter servers, a coordinator ("chief") over workers.

    Raises:
      UserError: there is no worker, or a negative number of servers.
    """
    if num_workers < 1 or num_servers < 0:
        raise UserError(
            f"--workers={num_workers} --ps={num_servers}: give at least 1 worker and 0 servers"
        )
    if not num_servers:
        return Layout({"worker": num_workers}, {"worker": num_workers}, "worker")
    started = {"chief": 1, "worker": num_workers, "ps": num_servers}
    return Layout(started, {**started, "worker": 1}, "chief")


def make_addresses(started: Mapping[str, int]) -> dict[str, list[str]]:
    """A free port of the loopback device for each process."""
    with contextlib.ExitStack() as held:  # all at once, so that no port is given twice

        def address() -> str:
            listening = held.enter_context(socket.create_server(("127.0.0.1", 0)))
            return f"127.0.0.1:{listening.getsockname()[1]}"

        return {kind: [address() for _ in range(count)] for kind, count in started.items()}


def environment(addresses: Mapping[str, Sequence[str]], kind: str, index: int) -> dict[str, str]:
    """This process's environment, with the TF_CONFIG of a role."""
    task = {"type": kind, "index": index}
    return {
        **os.environ,
        "TF_CONFIG": json.dumps({"cluster": addresses, "task": task}),
        "PYTHONPATH": os.pathsep.join(sys.path),
        "PYTHONUNBUFFERED": "1",
    }


def die_with(parent: int) -> None:
    """In a child, before its program starts: the kernel kills it when the parent dies."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before the line above
        os._exit(1)


class Process:
    """One role under way."""

    def __init__(self, command: Sequence[str], kind: str, name: str, env: dict[str, str]) -> None:
        parent = os.getpid()
        self.kind = kind
        self.name = name
        self.popen = subprocess.Popen(
            command,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            preexec_fn=lambda: die_with(parent),
        )

    @property
    def status(self) -> int | None:
        """As a shell gives it, 128 + the signal that killed it; None while it runs."""
        status = self.popen.poll()
        return 128 - status if status is not None and status < 0 else status


class _Output:
    """Passes lines on, each with the name of the role that wrote it."""

    def __init__(self, processes: Sequence[Process]) -> None:
        self._selector = selectors.DefaultSelector()
        self._rest: dict[int, bytes] = {}
        for process in processes:
            for pipe, to in (
                (process.popen.stdout, sys.stdout),
                (process.popen.stderr, sys.stderr),
            ):
                assert pipe is not None
                self._rest[pipe.fileno()] = b""
                self._selector.register(pipe, selectors.EVENT_READ, (process.name, to))

    def pass_on(self, seconds: float) -> bool:
        """Waits at most so long for output and passes it on; False when there was none."""
        ready = self._selector.select(seconds)
        for key, _ in ready:
            chunk = os.read(key.fd, 2**16)
            *lines, self._rest[key.fd] = (self._rest[key.fd] + chunk).split(b"\n")
            if not chunk:
                self._selector.unregister(key.fileobj)
                lines = [self._rest[key.fd]] if self._rest[key.fd] else []
            name, to = key.data
            _write(name, to, lines)
        return bool(ready)


def _write(name: str, to: TextIO, lines: Sequence[bytes]) -> None:
    for line in lines:
        print(f"[{name}] {line.decode(errors='replace')}", file=to, flush=True)


class _Watch:
    """Follows the processes of a run to its end."""

    def __init__(self, layout: Layout, processes: Sequence[Process]) -> None:
        self._layout = layout
        self._processes = processes
        self._leading = [each for each in processes if each.kind == layout.leading]
        self._ended: set[str] = set()
        self._deadline = float("inf")

    def _failed(self) -> list[Process]:
        return [process for process in self._processes if process.status]

    def _is_broken(self) -> bool:
        failed = [process.kind for process in self._failed()]
        started, needed = self._layout.started, self._layout.needed
        return any(started[kind] - failed.count(kind) < needed[kind] for kind in started)

    def _shorten(self) -> None:
        self._deadline = min(self._deadline, time.monotonic() + GRACE_SECONDS)

    def stop(self) -> None:
        """Asks the run to save and end."""
        self._shorten()
        for process in self._leading:
            process.popen.send_signal(signal.SIGTERM)

    def is_over(self) -> bool:
        """Whether the run has ended, or had its time; tells of processes that failed."""
        for process in self._failed():
            if process.name not in self._ended:
                self._ended.add(process.name)
                print(f"[launch] {process.name} ended with status {process.status}", flush=True)
        if self._is_broken():
            self._shorten()
        done = all(process.status is not None for process in self._leading)
        return done or time.monotonic() > self._deadline

    def worst_status(self) -> int:
        """Of the leading processes; of all if some were missing."""
        failed = self._failed() if self._is_broken() else []
        statuses = (process.status for process in [*self._leading, *failed])
        return max(_KILLED if status is None else status for status in statuses)


def _end(processes: Sequence[Process]) -> None:
    for process in processes:
        process.popen.kill()
    for process in processes:
        process.popen.wait()


def launch(command: Sequence[str], num_workers: int, num_servers: int) -> int:
    """Runs a command once for each role of a local cluster, to the end of the run.

    A first SIGTERM or SIGINT lets the run save and end, a second ends it at once. With parameter
    servers the run is the coordinator's: when it ends, servers and workers are ended, and a worker
    that dies is reported, no more.

    Args:
      command: of every role; they differ in TF_CONFIG.
      num_workers: processes that train.
      num_servers: parameter servers; 0 for workers that all keep the whole model.

    Returns:
      The worst exit status of the processes that the run could not do without.

    Raises:
      UserError: the numbers make no cluster.
    """
    layout = make_layout(num_workers, num_servers)
    addresses = make_addresses(layout.started)
    processes: list[Process] = []
    noted: list[int] = []
    with signals_handled_by(lambda signum, frame: noted.append(signum)):
        try:
            for kind, count in layout.started.items():
                for index in range(count):
                    env = environment(addresses, kind, index)
                    processes.append(Process(command, kind, f"{kind} {index}", env))
            return _follow(_Watch(layout, processes), _Output(processes), noted)
        finally:
            _end(processes)


def _follow(watch: _Watch, output: _Output, noted: list[int]) -> int:
    handled = 0
    while not watch.is_over() and len(noted) < 2:
        output.pass_on(0.1)
        if len(noted) > handled:
            handled = len(noted)
            watch.stop()
    while output.pass_on(0.1):  # what they wrote last
        pass
    return watch.worst_status()
