"""Durations and learning rates, with literal values."""

import math

import pytest
import tensorflow as tf
import tf_keras as keras
from ml_collections import ConfigDict

from revisit.errors import UserError
from revisit.training import schedules

FIELDS = {
    "name": "staircase",
    "learning_rate": 1e-3,
    "decay_factor": 0.9,
    "decay_every": "3000000 steps",
    "power": 0.9,
    "warmup": "0 steps",
}


def _schedule(num_examples=1000, batch_size=10, total_steps=100, **fields):
    config = ConfigDict({**FIELDS, **fields})
    return schedules.make_schedule(config, num_examples, batch_size, total_steps)


@pytest.mark.parametrize(
    ("duration", "steps"),
    [
        (3000, 3000),
        (0, 0),
        ("3000", 3000),
        ("0 steps", 0),
        ("1 step", 1),
        ("3_000 steps", 3000),
        ("3e6 steps", 3_000_000),
        ("4 epochs", 1250),  # 4 x 10,000 / 32
        ("1 epoch", 313),  # rounds up: 312.5 batches
        ("0.1 epochs", 32),
        ("100000 examples", 3125),
        ("1e5 examples", 3125),
        ("1 examples", 1),
        ("5 percent", 10),
        ("0.25 percent", 0),
        (" 100  percent ", 200),
    ],
)
def test_durations_become_steps(duration, steps):
    assert schedules.to_steps(duration, 10_000, 32, total_steps=200) == steps


def test_the_papers_epochs_are_its_steps():
    assert schedules.to_steps("3.84 epochs", 300_000_000, 32) == 36_000_000


def test_rounding_up_adds_no_step_to_an_exact_number():
    assert schedules.to_steps("0.1 epochs", 30, 1) == 3  # 0.1 * 30 is 3.0000000000000004 in floats


@pytest.mark.parametrize(
    "duration", ["", "epochs", "four epochs", "4 weeks", "-4 epochs", "1.5 steps", "nan steps", 1.5]
)
def test_what_is_no_duration_is_quoted(duration):
    with pytest.raises(UserError, match=f'not a duration: "{duration}".* as in "4 epochs"'):
        schedules.to_steps(duration, 100, 10)


def test_a_run_cannot_be_a_part_of_itself():
    with pytest.raises(UserError, match='"5 percent" is a part of the run.*give epochs or steps'):
        schedules.to_steps("5 percent", 100, 10)


@pytest.mark.parametrize(
    ("step", "rate"),
    [
        (0, 1e-3),
        (2_999_999, 1e-3),
        (3_000_000, 9e-4),
        (5_999_999, 9e-4),
        (36_000_000, 2.824295e-4),
        (90_000_000, 4.239116e-5),
    ],
)
def test_the_papers_staircase(step, rate):
    assert float(_schedule(total_steps=36_000_000)(step)) == pytest.approx(rate, rel=1e-6)


@pytest.mark.parametrize(
    ("name", "rates"),
    [
        ("constant", [1.0, 1.0, 1.0, 1.0]),
        ("cosine", [1.0, 0.853553, 0.5, 0.0]),
        ("poly", [1.0, 0.771890, 0.535887, 0.0]),
        ("staircase", [1.0, 0.81, 0.59049, 0.348678]),
    ],
)
def test_shapes(name, rates):
    schedule = _schedule(name=name, learning_rate=1.0, decay_every="10 percent")
    assert [float(schedule(step)) for step in (0, 25, 50, 100)] == pytest.approx(rates, abs=1e-6)


def test_shapes_stay_at_their_end():
    assert float(_schedule(name="cosine")(150)) == 0.0
    assert float(_schedule(name="poly")(150)) == 0.0


def test_warmup_grows_to_the_full_rate():
    schedule = _schedule(name="cosine", learning_rate=1.0, warmup="0.1 epochs")  # 10 of 100 steps
    rates = [float(schedule(step)) for step in (0, 4, 9, 10, 55, 100)]
    assert rates == pytest.approx([0.1, 0.5, 1.0, 1.0, 0.5, 0.0], abs=1e-6)


def test_warmup_does_not_move_the_stairs():
    schedule = _schedule(learning_rate=1.0, decay_every="50 steps", warmup="10 steps")
    assert [float(schedule(step)) for step in (4, 49, 50)] == pytest.approx([0.5, 1.0, 0.9])


def test_a_schedule_works_inside_a_function():
    schedule = _schedule(name="cosine", learning_rate=1.0)
    step = tf.Variable(50, dtype=tf.int64)
    rate = tf.function(lambda: schedule(step))
    assert rate().dtype == tf.float32
    assert float(rate()) == pytest.approx(0.5)
    step.assign(100)
    assert float(rate()) == pytest.approx(0.0)


def test_a_schedule_survives_serialization():
    schedule = _schedule(name="poly", warmup="5 steps")
    serialized = keras.optimizers.schedules.serialize(schedule)
    restored = keras.optimizers.schedules.deserialize(serialized)
    assert restored.get_config() == schedule.get_config()
    assert float(restored(42)) == float(schedule(42)) > 0
    assert math.isclose(float(restored(0)), 0.2e-3, rel_tol=1e-6)


def test_mistakes_are_named():
    with pytest.raises(UserError, match='schedule.name is "linear"; choose one of constant, stair'):
        _schedule(name="linear")
    with pytest.raises(UserError, match='schedule.decay_every is "0 steps": give at least 1 step'):
        _schedule(decay_every="0 steps")
