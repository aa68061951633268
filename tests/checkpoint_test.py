"""revisit.training.checkpoint: what is damaged is passed over, what is old is removed."""

import pathlib
import types

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from revisit.errors import UserError
from revisit.training.checkpoint import Checkpoints, Joined, exists, find_checkpoint, named
from revisit.training.optimizers import create_slots

# Of the run and of the optimizer's settings, not of the model
SETTINGS = tuple(f"optimizer/{name}" for name in ("decay", "learning_rate", "momentum"))
OTHERS = ("best/", "save_counter/", "step/", "window/", *SETTINGS)


def _model() -> keras.Model:
    return keras.Sequential([keras.layers.Dense(3, name="dense")])


def _checkpoints(directory: pathlib.Path, keep_last: int = 2) -> tuple[Checkpoints, keras.Model]:
    model = _model()
    model.build((None, 4))
    models = {"backbone": model}
    return Checkpoints(str(directory), models, keras.optimizers.SGD(), {}, keep_last), model


def _save_three(directory: pathlib.Path) -> None:
    checkpoints, model = _checkpoints(directory)
    for step in (1, 2, 3):
        model.layers[0].bias.assign([step] * 3)
        checkpoints.snapshot(step)()


@pytest.mark.parametrize("suffix", ["data-00000-of-00001", "index"])
def test_a_truncated_checkpoint_is_passed_over_with_a_warning(
    tmp_path: pathlib.Path, caplog: pytest.LogCaptureFixture, suffix: str
) -> None:
    _save_three(tmp_path)
    damaged = tmp_path / "checkpoints" / f"ckpt-3.{suffix}"
    damaged.write_bytes(damaged.read_bytes()[:100])
    again, model = _checkpoints(tmp_path)
    assert "ckpt-3 is damaged and passed over" in caplog.text
    assert again.restore() == 2
    assert model.layers[0].bias.numpy().tolist() == [2, 2, 2]
    assert find_checkpoint(str(tmp_path)).endswith("ckpt-2")
    with pytest.raises(UserError, match="ckpt-3' is damaged, take another one: "):
        find_checkpoint(str(tmp_path / "checkpoints" / "ckpt-3"))
    assert not exists(str(tmp_path), 3)
    again.snapshot(3)()
    assert exists(str(tmp_path), 3)


def test_what_is_written_is_what_was_when_the_copy_was_taken(tmp_path: pathlib.Path) -> None:
    model, optimizer = _model(), keras.optimizers.legacy.SGD(momentum=0.9)
    model.build((None, 4))
    parts = [tf.Variable(tf.zeros([2, n]), name=f"classifier/kernel/part_{n}") for n in (1, 3)]
    models: dict = {"backbone": model, "head": types.SimpleNamespace(variables=parts)}
    learned = [*model.variables, *parts]
    checkpoints = Checkpoints(str(tmp_path), models, optimizer, {}, keep_last=1)
    create_slots(optimizer, learned)
    checkpoints.add_slots(optimizer, learned)
    variables = [*learned, *optimizer.variables()]
    for step in (3, 7):  # the second copy goes where the first one lies
        for variable in variables:
            variable.assign(tf.cast(tf.fill(variable.shape, step), variable.dtype))
        write = checkpoints.snapshot(step)
        for variable in variables:
            variable.assign(tf.zeros_like(variable))
        write()
    assert checkpoints.step.numpy() == 7
    reader = tf.train.load_checkpoint(find_checkpoint(str(tmp_path)))
    names = [name for name in reader.get_variable_to_shape_map() if "/" in name]
    values = {name: reader.get_tensor(name) for name in names if "VARIABLE_VALUE" in name}
    ours = {name: value for name, value in values.items() if not name.startswith(OTHERS)}
    assert len(ours) == 3 + 3 + 1  # variables, parts joined; their slots; the optimizer's count
    assert {float(each) for value in ours.values() for each in np.ravel(value)} == {7.0}


def test_old_checkpoints_are_removed(tmp_path: pathlib.Path) -> None:
    _save_three(tmp_path)
    kept = sorted(path.stem for path in (tmp_path / "checkpoints").glob("*.index"))
    assert kept == ["ckpt-2", "ckpt-3"]


def test_a_process_beside_the_chief_keeps_nothing(tmp_path: pathlib.Path) -> None:
    checkpoints, _ = _checkpoints(tmp_path, keep_last=0)
    checkpoints.snapshot(5)()
    assert not list(tmp_path.rglob("ckpt*"))


def test_parts_are_named_and_filled_as_one() -> None:
    parts = [tf.Variable(tf.zeros([2, n]), name=f"classifier/kernel/part_{n}") for n in (1, 3)]
    joined = named(parts)["classifier/kernel"]
    assert isinstance(joined, Joined)
    assert tuple(joined.shape) == (2, 4)
    joined.assign(np.arange(8, dtype=np.float32).reshape(2, 4))
    assert parts[1].numpy().tolist() == [[1, 2, 3], [5, 6, 7]]
    assert joined.numpy().tolist() == [[0, 1, 2, 3], [4, 5, 6, 7]]
