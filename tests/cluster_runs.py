"""How tests run training on a cluster of real processes, watch it and compare what it saved."""

import os
import pathlib
import signal
import subprocess
import sys
import time

import numpy as np

from revisit.training import launcher

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent


def environment() -> dict[str, str]:
    """For a process of the project."""
    return {**os.environ, "PYTHONPATH": str(REPOSITORY)}


def write_config(path: pathlib.Path, data: pathlib.Path, **train: object) -> pathlib.Path:
    """A config file of a tiny classifier: 3 steps an epoch; `train` overrides config.train."""
    path.write_text(f"""
from configs import default

def get_config():
    config = default.get_config()
    config.data.update({{"dir": {str(data)!r}, "resize": 32, "crop": 28}})
    config.model.update({{"depth": 8, "width": 8, "stem": "patch4", "batch_norm_sync": True}})
    config.optimizer.name = "sgd"
    config.schedule.update({{"name": "cosine", "learning_rate": 0.01}})
    config.train.update({{"eval_batch_size": 16, "log_every": "1 steps", "save_every": "2 steps"}})
    config.train.update({train!r})
    return config
""")
    return path


class Command:
    """A command under way, whose output goes to a file."""

    def __init__(self, directory: pathlib.Path, *arguments: str, **variables: str) -> None:
        """Args:
        directory: of the process. arguments: of `python -m`. variables: of its environment.
        """
        parent = os.getpid()
        self.log = directory / f"output-{time.monotonic_ns()}.txt"
        with open(self.log, "w") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-m", *arguments],
                cwd=directory,
                env={**environment(), **variables},
                stdout=file,
                stderr=subprocess.STDOUT,
                preexec_fn=lambda: launcher.die_with(parent),  # also when pytest is killed
            )

    def wait(self, seconds: float = 400) -> int:
        """Its exit status."""
        try:
            return self.process.wait(seconds)
        finally:
            self.process.kill()

    def wait_for(self, text: str, seconds: float = 300) -> None:
        """Until its output holds a text."""
        deadline = time.monotonic() + seconds
        while text not in self.output:
            assert self.process.poll() is None, self.output
            assert time.monotonic() < deadline, f"no {text!r} in {self.output}"
            time.sleep(0.05)

    @property
    def output(self) -> str:
        return self.log.read_text()

    def kill(self, kind: str, index: int) -> None:
        """kill -9 of the process of one role, found by its TF_CONFIG."""
        task = f'"task": {{"type": "{kind}", "index": {index}}}'.encode()
        for child in _children(self.process.pid):
            if task in pathlib.Path(f"/proc/{child}/environ").read_bytes():
                os.kill(child, signal.SIGKILL)
                return
        raise AssertionError(f"no process is {kind} {index}")


class Cluster:
    """revisit.train on processes that each may be killed, and started again in its place."""

    def __init__(self, directory: pathlib.Path, *flags: str, **counts: int) -> None:
        """Args:
        directory: of the processes. flags: of revisit.train. counts: processes of each kind.
        """
        self._directory = directory
        self._flags = flags
        self._addresses = launcher.make_addresses(counts)
        self._commands: dict[tuple[str, int], Command] = {}
        for kind, count in counts.items():
            for index in range(count):
                self.start(kind, index)

    def start(self, kind: str, index: int) -> Command:
        """One process; another one, if there was one in this place."""
        task = launcher.environment(self._addresses, kind, index)["TF_CONFIG"]
        started = Command(self._directory, "revisit.train", *self._flags, TF_CONFIG=task)
        self._commands[kind, index] = started
        return started

    def kill(self, kind: str, index: int) -> None:
        """kill -9."""
        self._commands[kind, index].process.kill()
        self._commands[kind, index].process.wait()

    def __getitem__(self, place: tuple[str, int]) -> Command:
        return self._commands[place]

    def __enter__(self) -> "Cluster":
        return self

    def __exit__(self, *_: object) -> None:
        for place in self._commands:
            self.kill(*place)


def _children(process_id: int) -> list[int]:
    path = pathlib.Path(f"/proc/{process_id}/task/{process_id}/children")
    return [int(child) for child in path.read_text().split()]


def read_values(workdir: pathlib.Path) -> dict[str, np.ndarray]:
    """All values of a run's last checkpoint, by name."""
    import tensorflow as tf

    reader = tf.train.load_checkpoint(str(workdir / "checkpoints"))
    names = [name for name in reader.get_variable_to_shape_map() if "OBJECT_GRAPH" not in name]
    return {name: reader.get_tensor(name) for name in names if "save_counter" not in name}
