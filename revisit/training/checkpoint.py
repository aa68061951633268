"""What is saved of a run, and how another run starts from it.

A checkpoint holds `backbone` and `head` (variables by their own names), `optimizer`, `averages`
(the averaged weights, where the config asks for them), `step` and `best`. The step is also the
position in the data: the stream of examples is a function of the seed, so nothing else need be
kept. The backbone has the same names in every task and mode, so starting from it is reading it, and
a variable that is missing or of another shape is an error.
"""

import hashlib
import os
from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow as tf
import tf_keras as keras

from revisit.errors import UserError

CHECKPOINTS = "checkpoints"
BEST = "best"
_VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"


def named(variables: Sequence[tf.Variable]) -> dict[str, tf.Variable]:
    """Variables by the names they have in checkpoints: "conv1/kernel"."""
    return {variable.name.split(":")[0]: variable for variable in variables}


def _key(group: str, name: str) -> str:
    escaped = name.replace(".", "..").replace("/", ".S")  # as TensorFlow escapes names of children
    return f"{group}/{escaped}{_VALUE}"


def find_checkpoint(path: str, which: str = "last") -> str:
    """The prefix of a checkpoint's files.

    Args:
      path: a run's workdir, or a checkpoint in it ("DIR/checkpoints/ckpt-300").
      which: "last" or "best", of a workdir.

    Raises:
      UserError: there is none.
    """
    if os.path.exists(path + ".index"):
        return path
    parts = [path, CHECKPOINTS] + ([BEST] if which == BEST else [])
    found = tf.train.latest_checkpoint(os.path.join(*parts)) or tf.train.latest_checkpoint(path)
    if found is None:
        kept = (
            " (a run keeps one if config.train.keep_best names a metric)" if which == BEST else ""
        )
        raise UserError(f"{path!r} holds no {which} checkpoint: name a run's workdir{kept}")
    return found


def exists(workdir: str, step: int) -> bool:
    """Whether a run has saved at a step, and keeps it."""
    return os.path.exists(os.path.join(workdir, CHECKPOINTS, f"ckpt-{step}.index"))


def checksum(variables: Mapping[str, tf.Variable]) -> str:
    """12 hex digits of all names and values."""
    digest = hashlib.sha256()
    for name in sorted(variables):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(variables[name].numpy()).tobytes())
    return digest.hexdigest()[:12]


def load_variables(prefix: str, group: str, variables: Mapping[str, tf.Variable]) -> str:
    """Assigns variables from a checkpoint: all of them, or none.

    Args:
      prefix: of the checkpoint's files.
      group: "backbone" or "head"; averaged weights are taken where the checkpoint has them.
      variables: by name.

    Returns:
      What was loaded, for people: how many variables, from where, and a checksum of them.

    Raises:
      UserError: fewer than all are there with the same shape.
    """
    reader = tf.train.load_checkpoint(prefix)
    shapes = reader.get_variable_to_shape_map()
    misfits = []
    for name, variable in variables.items():
        found = shapes.get(_key(group, name))
        if found is None:
            misfits.append(f"{name} is not in it")
        elif tuple(found) != tuple(variable.shape):
            misfits.append(f"{name} is {tuple(found)} in it and {tuple(variable.shape)} here")
    matched = f"{len(variables) - len(misfits)} of {len(variables)} {group} variables"
    if misfits:
        raise UserError(
            f"checkpoint {prefix!r} fits {matched} ({misfits[0]}): "
            "give the config.model that it was trained with"
        )
    for name, variable in variables.items():
        averaged = _key("averages", f"{group}/{name}")
        variable.assign(reader.get_tensor(averaged if averaged in shapes else _key(group, name)))
    return f"{matched} from {prefix}, checksum {checksum(variables)}"


class Checkpoints:
    """The checkpoints of one run: the last few, and the best by a metric."""

    def __init__(
        self,
        workdir: str,
        models: Mapping[str, keras.Model],
        optimizer: keras.optimizers.Optimizer,
        averages: Mapping[str, tf.Variable],
        keep_last: int,
    ) -> None:
        """Args:
        workdir: of the run; another process's own directory where this one is not the chief.
        models: "backbone" and "head". optimizer: with its slots. averages: "backbone/<name>" ->
        variable that holds the averaged weight; empty without averages. keep_last: checkpoints kept
        besides the best.
        """
        self.step = tf.Variable(0, dtype=tf.int64, trainable=False, name="step")
        self.best = tf.Variable(-np.inf, dtype=tf.float64, trainable=False, name="best")
        saved = tf.train.Checkpoint(
            **{group: named(model.variables) for group, model in models.items()},
            optimizer=optimizer,
            averages=dict(averages),
            step=self.step,
            best=self.best,
        )
        directory = os.path.join(workdir, CHECKPOINTS)
        self._last = tf.train.CheckpointManager(saved, directory, keep_last)
        self._best = tf.train.CheckpointManager(saved, os.path.join(directory, BEST), 1)

    @property
    def resumable(self) -> bool:
        """Whether the run has saved before."""
        return self._last.latest_checkpoint is not None

    def restore(self) -> int:
        """Goes on from the last checkpoint, of which every value must fit; its step."""
        self._last.checkpoint.restore(self._last.latest_checkpoint).assert_consumed()
        return int(self.step.numpy())

    def save(self, step: int) -> None:
        """Saves at a step."""
        self.step.assign(step)
        self._last.save(checkpoint_number=step)

    def save_best(self, step: int, value: float) -> None:
        """Saves as the best, if the value is higher than that of the best so far."""
        if value > float(self.best.numpy()):
            self.best.assign(value)
            self.step.assign(step)
            self._best.save(checkpoint_number=step)
