"""tensorflow-addons does its work under tf_keras where it is, and says so where it isn't."""

import os
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from ml_collections import ConfigDict

from revisit.errors import UserError
from revisit.training import addons, optimizers, schedules

needs_addons = pytest.mark.skipif(
    sys.version_info >= (3, 12), reason="tensorflow-addons has no wheel for this Python"
)

FIELDS = {
    "name": "lamb",
    "momentum": 0.9,
    "clip_norm": 0.0,
    "weight_decay": 0.0,
    "beta_1": 0.9,
    "beta_2": 0.999,
    "adam_epsilon": 1e-8,
    "average": "none",
    "average_decay": 0.9,
    "average_start": 0,
    "average_every": 1,
}


def _make(**fields):
    schedule = schedules.Schedule("constant", 0.1, schedules.Curve(100))
    return optimizers.make_optimizer(ConfigDict({**FIELDS, **fields}), schedule)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"name": "lamb"}, "optimizer.name=lamb needs .* or choose optimizer.name=adamw"),
        ({"name": "sgd", "average": "polyak"}, "optimizer.average=polyak needs .* choose opt"),
        (
            {"name": "sgd", "average": "swa"},
            "optimizer.average=swa needs .* choose optimizer.average=none",
        ),
    ],
)
def test_where_it_cannot_be_had_it_is_an_error_that_says_what_to_do(monkeypatch, fields, words):
    monkeypatch.setitem(sys.modules, "tensorflow_addons", None)  # makes its import fail
    with pytest.raises(UserError, match=words) as raised:
        _make(**fields)
    assert "no wheel for Python 3.12 and later: use Python 3.11" in str(raised.value)


def test_without_it_all_else_works(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_addons", None)
    for name in ("sgd", "adamw"):
        assert _make(name=name).get_config()["learning_rate"]


@needs_addons
def test_it_is_imported_only_when_asked_for_and_without_a_word():
    program = (
        "import sys; from revisit.training import addons, optimizers;"
        "print('tensorflow_addons' in sys.modules, addons.require('', '').__name__)"
    )
    # Bazel gives the interpreter its paths by other means than the environment.
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment
    )
    assert done.stdout.strip() == "False tensorflow_addons", done.stderr
    assert "end of life" not in done.stderr.lower()


@needs_addons
def test_lamb_scales_kernels_by_their_norm_and_biases_not():
    kernel = tf.Variable([[3.0, 4.0]], name="dense/kernel")  # of norm 5
    bias = tf.Variable([3.0, 4.0], name="dense/bias")
    optimizer = _make(name="lamb")
    gradients = [tf.ones_like(kernel), tf.ones_like(bias)]
    optimizer.apply_gradients(zip(gradients, [kernel, bias], strict=True))
    # Adam's first update is 1 in each element, of norm sqrt(2): 0.1 x 5 / sqrt(2) against 0.1.
    np.testing.assert_allclose(kernel, [[3 - 0.353553, 4 - 0.353553]], rtol=1e-5)
    np.testing.assert_allclose(bias, [2.9, 3.9], rtol=1e-5)


@needs_addons
def test_an_average_wraps_every_optimizer():
    for average in addons.AVERAGES:
        for name in optimizers.OPTIMIZERS.keys() - {"rmsprop"}:
            optimizer = _make(name=name, average=average)
            assert type(optimizer).__module__.startswith("tensorflow_addons")
