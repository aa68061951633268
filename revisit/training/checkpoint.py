"""What is saved of a run, and how another run starts from it.

A checkpoint holds `backbone` and `head` (variables by their own names), `optimizer`, `averages`
(the averaged weights, where the config asks for them), `step`, `best`, and `window` (the losses
that no line of progress has told yet). The step is also the position in the data: the stream of
examples is a function of the seed, so nothing else need be kept.

Values are copied first and written from the copies, so that training can go on meanwhile.
TensorFlow writes a checkpoint under another name and renames it, so a killed process leaves it
whole or not at all. What else may damage it (a full disk, a copy cut short) is found on reading:
such a checkpoint is passed over with a warning, and the one before it is taken.

The backbone has the same names in every task and mode, so starting from it is reading it, and a
variable that is missing or of another shape is an error.
"""

import functools
import hashlib
import os
import re
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import tensorflow as tf
import tf_keras as keras
from absl import logging
from tensorflow.python.util.object_identity import ObjectIdentityDictionary

from revisit.errors import UserError
from revisit.training.optimizers import nested

CHECKPOINTS = "checkpoints"
BEST = "best"
_VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"
Write: TypeAlias = Callable[[], object]


class Joined(tf.__internal__.tracking.Trackable):
    """Variables that are blocks of columns of one, and that checkpoints hold as this one."""

    def __init__(self, parts: Sequence[tf.Variable]) -> None:
        """Args:
        parts: [..., columns], in order.
        """
        self.parts = list(parts)

    @property
    def dtype(self) -> tf.DType:
        """Of every part."""
        return self.parts[0].dtype

    @property
    def shape(self) -> tf.TensorShape:
        """Of the whole."""
        columns = sum(part.shape[-1] for part in self.parts)
        return self.parts[0].shape[:-1].concatenate(columns)

    def read_value(self) -> tf.Tensor:
        """The whole."""
        return tf.concat([part.read_value() for part in self.parts], axis=-1)

    def numpy(self) -> np.ndarray:
        """The whole."""
        return self.read_value().numpy()

    def assign(self, value: Any) -> None:
        """Gives each part its columns."""
        widths = [part.shape[-1] for part in self.parts]
        for part, columns in zip(self.parts, tf.split(value, widths, axis=-1), strict=True):
            part.assign(columns)

    def _copy_trackable_to_cpu(self, object_map: MutableMapping) -> None:
        for part in self.parts:
            part._copy_trackable_to_cpu(object_map)
        object_map[self] = Joined([object_map[part] for part in self.parts])

    def _serialize_to_tensors(self) -> dict[str, tf.Tensor]:
        return {"VARIABLE_VALUE": self.read_value()}

    def _restore_from_tensors(self, restored: dict[str, tf.Tensor]) -> None:
        self.assign(restored["VARIABLE_VALUE"])


def named(
    variables: Sequence[tf.Variable], values: Sequence[tf.Variable] | None = None
) -> dict[str, Any]:
    """Variables by the names they have in checkpoints, "conv1/kernel", parts joined.

    Args:
      variables: whose names count.
      values: what is named so; the variables themselves if None.
    """
    groups: dict[str, list[tf.Variable]] = {}
    for variable, value in zip(variables, values or variables, strict=True):
        name = re.sub(r"/part_\d+$", "", variable.name.split(":")[0])
        groups.setdefault(name, []).append(value)
    return {name: Joined(parts) if len(parts) > 1 else parts[0] for name, parts in groups.items()}


def _key(group: str, name: str) -> str:
    escaped = name.replace(".", "..").replace("/", ".S")  # as TensorFlow escapes names of children
    return f"{group}/{escaped}{_VALUE}"


def find_checkpoint(path: str, which: str = "last") -> str:
    """The prefix of a checkpoint's files.

    Args:
      path: a run's workdir, or a checkpoint in it ("DIR/checkpoints/ckpt-300").
      which: "last" or "best", of a workdir.

    Raises:
      UserError: there is none, or the one that is named is damaged.
    """
    if os.path.exists(path + ".index"):
        damage = _find_damage(path)
        if damage:
            raise UserError(f"checkpoint {path!r} is damaged, take another one: {damage}")
        return path
    parts = [path, CHECKPOINTS] + ([BEST] if which == BEST else [])
    found = _last_whole(os.path.join(*parts)) or _last_whole(path)
    if found is None:
        kept = (
            " (a run keeps one if config.train.keep_best names a metric)" if which == BEST else ""
        )
        raise UserError(f"{path!r} holds no {which} checkpoint: name a run's workdir{kept}")
    return found


def exists(workdir: str, step: int) -> bool:
    """Whether a run has saved at a step, and keeps it undamaged."""
    prefix = os.path.join(workdir, CHECKPOINTS, f"ckpt-{step}")
    return os.path.exists(prefix + ".index") and _is_whole(prefix)


def _find_damage(prefix: str) -> str:
    """Why a value can't be read, "" if all can; TensorFlow compares each with its checksum."""
    try:
        reader = tf.train.load_checkpoint(prefix)
        for name in reader.get_variable_to_shape_map():
            reader.get_tensor(name)
    # TensorFlow's reader raises a truncated file's error as Python's own
    except (tf.errors.OpError, ValueError, IndexError, RuntimeError) as error:
        return " ".join(str(error).split())
    return ""


def _is_whole(prefix: str) -> bool:
    damage = _find_damage(prefix)
    if damage:
        logging.warning("checkpoint %s is damaged and passed over: %s", prefix, damage)
    return not damage


def _last_whole(directory: str) -> str | None:
    """The prefix of the last checkpoint that can be read; None if there is none."""
    state = tf.train.get_checkpoint_state(directory)
    saved = state.all_model_checkpoint_paths if state else []
    return next(filter(_is_whole, reversed(saved)), None)


def checksum(variables: Mapping[str, tf.Variable]) -> str:
    """12 hex digits of all names and values."""
    digest = hashlib.sha256()
    for name in sorted(variables):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(variables[name].numpy()).tobytes())
    return digest.hexdigest()[:12]


def proof(variables: Mapping[str, tf.Variable]) -> str:
    """Of what was loaded, whose shapes were found equal: how many numbers, and their checksum."""
    num_numbers = sum(np.prod(variable.shape, dtype=np.int64) for variable in variables.values())
    return f"{num_numbers:,} numbers in the same shapes, checksum {checksum(variables)}"


def load_variables(prefix: str, group: str, variables: Mapping[str, tf.Variable]) -> str:
    """Assigns variables from a checkpoint: all of them, or none.

    Args:
      prefix: of the checkpoint's files.
      group: "backbone" or "head"; averaged weights are taken where the checkpoint has them.
      variables: by name.

    Returns:
      What was loaded, for people: how many variables, from where, and `proof` of them.

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
        value = reader.get_tensor(averaged if averaged in shapes else _key(group, name))
        variable.assign(tf.cast(value, variable.dtype))
    return f"{matched} from {prefix}, {proof(variables)}"


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
        workdir: of the run. models: "backbone" and "head". optimizer: with its slots. averages:
        "backbone/<name>" -> variable that holds the averaged weight; empty without averages.
        keep_last: checkpoints kept besides the best; 0 keeps none, in a process that has to take
        part when another one copies what it saves.
        """
        self.step = tf.Variable(0, dtype=tf.int64, trainable=False, name="step")
        self.best = tf.Variable(-np.inf, dtype=tf.float64, trainable=False, name="best")
        self.window = tf.Variable([0.0, 0.0], dtype=tf.float64, trainable=False, name="window")
        self._saved = tf.train.Checkpoint(
            **{group: named(model.variables) for group, model in models.items()},
            optimizer=optimizer,
            averages=dict(averages),
            step=self.step,
            best=self.best,
            window=self.window,
        )
        # Written from copies as by TensorFlow's own asynchronous checkpoints, which would keep all
        # runs of a study in memory to the end of the process.
        self._copies = ObjectIdentityDictionary()
        self._saved._saver._object_map = self._copies
        directory = os.path.join(workdir, CHECKPOINTS)
        self._keeps = keep_last > 0
        self._found = _last_whole(directory)
        self._last = tf.train.CheckpointManager(self._saved, directory, keep_last or None)
        self._best = tf.train.CheckpointManager(self._saved, os.path.join(directory, BEST), 1)

    def add_slots(
        self, optimizer: keras.optimizers.Optimizer, variables: Sequence[tf.Variable]
    ) -> None:
        """Saves the optimizer's slots of joined variables too, which TensorFlow would not find."""
        self._saved.slots = {
            f"{name}/{slot}": Joined([holder.get_slot(part, slot) for part in joined.parts])
            for name, joined in named(variables).items()
            if isinstance(joined, Joined)
            for holder in nested(optimizer)
            for slot in holder.get_slot_names()
        }

    @property
    def resumable(self) -> bool:
        """Whether the run has saved before."""
        return self._found is not None

    def restore(self) -> int:
        """Goes on from the last checkpoint, of which every value must fit; its step."""
        self._saved.restore(self._found).assert_consumed()
        return int(self.step.numpy())

    def _leaves(self) -> Iterator[Any]:
        """All that holds a value; TensorFlow's view of a checkpoint does not list slots."""
        for each in tf.train.TrackableView(self._saved).descendants():
            if isinstance(each, (tf.Variable, Joined)):
                yield each
        for optimizer in nested(self._saved.optimizer):
            yield from optimizer.variables()

    def _snapshot(self, manager: tf.train.CheckpointManager, step: int) -> Write:
        self.step.assign(step)
        for leaf in self._leaves():
            leaf._copy_trackable_to_cpu(self._copies)
        if not self._keeps:
            return lambda: None
        return functools.partial(manager.save, checkpoint_number=step)

    def snapshot(self, step: int, window: Sequence[float] = (0.0, 0.0)) -> Write:
        """Copies what the run is at a step, its `window` too: the sum and the number of the losses
        that were not told yet.

        Returns:
          What writes the copy, in any thread, before the next copy is taken.
        """
        self.window.assign(window)
        return self._snapshot(self._last, step)

    def is_best(self, value: float) -> bool:
        """Whether a value is higher than that of the best so far."""
        return value > float(self.best.numpy())

    def snapshot_best(self, step: int, value: float) -> Write:
        """As `snapshot`, of the best so far and its value."""
        self.best.assign(value)
        return self._snapshot(self._best, step)
