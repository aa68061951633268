"""Optimizers by their first steps, decay by its gradient, averages by their definitions."""

import sys

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras
from ml_collections import ConfigDict

from revisit.errors import UserError
from revisit.training import optimizers, schedules

FIELDS = {
    "name": "sgd",
    "momentum": 0.9,
    "decay": 0.9,
    "epsilon": 1.0,
    "initial_accumulator": 1.0,
    "clip_norm": 0.0,
    "weight_decay": 0.0,
    "beta_1": 0.9,
    "beta_2": 0.999,
    "adam_epsilon": 1e-8,
    "average": "none",
    "average_decay": 0.9,
    "average_start": "0 steps",
    "average_every": "1 steps",
}


def _make(rate=0.1, **fields):
    if sys.version_info >= (3, 12) and (fields.get("name") == "lamb" or "average" in fields):
        pytest.skip("needs tensorflow-addons, which has no wheel for this Python")
    schedule = schedules.Schedule("constant", rate, schedules.Curve(100))
    return optimizers.make_optimizer(
        ConfigDict({**FIELDS, **fields}),
        schedule,
        lambda duration: schedules.to_steps(duration, 100, 10, 100),
    )


def _variables():
    kernel = tf.Variable([[1.0, -2.0]], name="dense/kernel")
    return [kernel, tf.Variable([3.0], name="dense/bias")]


def _run(optimizer, variables, gradients):
    """The values of the variables after each step, whose gradient is one for all elements."""

    @tf.function
    def step(gradient):
        grads = [tf.fill(variable.shape, gradient) for variable in variables]
        optimizer.apply_gradients(zip(grads, variables, strict=True))

    history = []
    for gradient in gradients:
        step(tf.constant(gradient))
        history.append([variable.numpy() for variable in variables])
    return history


@pytest.mark.parametrize(
    ("fields", "moves"),
    [
        # velocity = 0.9 velocity + gradient; w -= 0.1 velocity
        ({"name": "sgd"}, [0.1, 0.29]),
        # w -= 0.1 (0.9 velocity + gradient)
        ({"name": "nesterov"}, [0.19, 0.461]),
        # mean square 1.0, then 1.0: each increment is 0.1 / sqrt(1 + 1) = 0.0707
        ({"name": "rmsprop", "initial_accumulator": 1.0}, [0.0707107, 0.2050610]),
        # mean square 0.1, then 0.19: 0.1 / sqrt(1.1) = 0.0953; 0.9 x that + 0.1 / sqrt(1.19)
        ({"name": "rmsprop", "initial_accumulator": 0.0}, [0.0953463, 0.2728273]),
        # corrected for bias, the first steps are of the length of the rate
        ({"name": "adamw"}, [0.1, 0.2]),
    ],
)
def test_the_first_two_steps(fields, moves):
    variables = _variables()
    before = [variable.numpy() for variable in variables]
    after = _run(_make(**fields), variables, [1.0, 1.0])
    for step, move in enumerate(moves):
        for old, new in zip(before, after[step], strict=True):
            np.testing.assert_allclose(old - new, np.full(old.shape, move), rtol=1e-5)


def test_rmsprop_starts_as_tensorflow_1_or_as_keras():
    for start, share in ((1.0, 0.71), (0.0, 0.95)):
        variable = tf.Variable([0.0], name="kernel")
        _run(_make(1.0, name="rmsprop", initial_accumulator=start), [variable], [1.0])
        assert -variable.numpy()[0] == pytest.approx(share, abs=0.005)


def test_rmsprop_agrees_with_keras_when_it_starts_as_keras():
    ours, theirs = _variables(), _variables()
    gradients = [0.3, -2.0, 5.0, 0.01]
    _run(_make(name="rmsprop", initial_accumulator=0.0), ours, gradients)
    keras_rmsprop = keras.optimizers.RMSprop(0.1, rho=0.9, momentum=0.9, epsilon=1.0)
    _run(keras_rmsprop, theirs, gradients)
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5)


def test_adamw_agrees_with_keras_and_spares_the_bias():
    ours, theirs = _variables(), _variables()
    gradients = [0.3, -2.0, 5.0, 0.01]
    _run(_make(name="adamw", weight_decay=0.05), ours, gradients)
    keras_adamw = keras.optimizers.AdamW(0.1, weight_decay=0.05, epsilon=1e-8)
    keras_adamw.exclude_from_weight_decay(var_names=["bias"])
    _run(keras_adamw, theirs, gradients)
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5)


@pytest.mark.parametrize("name", optimizers.DECOUPLED)
def test_decoupled_decay_shrinks_kernels_alone(name):
    kernel, bias = _variables()
    _run(_make(name=name, weight_decay=0.5), [kernel, bias], [0.0])
    assert np.abs(kernel.numpy()).sum() < 3.0
    np.testing.assert_array_equal(bias.numpy(), [3.0])


def test_kernels_are_chosen_by_name():
    names = [
        "conv1/kernel:0",
        "dense/bias:0",
        "bn1/gamma:0",
        "kernel_free/beta:0",
        "head/kernel/part_3:0",
        "separable/depthwise_kernel:0",
    ]
    variables = [tf.Variable(0.0, name=name.removesuffix(":0")) for name in names]
    chosen = [variable.name for variable in optimizers.kernels(variables)]
    assert chosen == ["conv1/kernel:0", "head/kernel/part_3:0", "separable/depthwise_kernel:0"]


def test_kernels_of_a_model_are_those_of_convolutions_and_dense_layers():
    image = keras.Input([8, 8, 3])
    x = keras.layers.Conv2D(4, 3, use_bias=False)(image)
    x = keras.layers.BatchNormalization()(x)
    outputs = keras.layers.Dense(2)(keras.layers.GlobalAveragePooling2D()(x))
    model = keras.Model(image, outputs)
    shapes = [tuple(variable.shape) for variable in optimizers.kernels(model.trainable_variables)]
    assert shapes == [(3, 3, 3, 4), (4, 2)]


def test_weight_decay_has_the_half_and_its_gradient_is_rate_times_weight():
    variables = _variables()
    with tf.GradientTape() as tape:
        loss = optimizers.weight_decay_loss(variables, 0.1)
    assert float(loss) == pytest.approx(0.1 * (1 + 4) / 2)
    gradient, none = tape.gradient(loss, variables)
    np.testing.assert_allclose(gradient, [[0.1, -0.2]])
    assert none is None


def test_weight_decay_of_nothing_is_zero():
    assert float(optimizers.weight_decay_loss([], 0.1)) == 0.0


def _averaged(optimizer, variables):
    with optimizers.averaged_weights(optimizer, variables):
        return [variable.numpy() for variable in variables]


@pytest.mark.parametrize("average", optimizers.AVERAGES)
def test_after_averaged_weights_the_weights_are_the_same_bits(average):
    variables = _variables()
    optimizer = _make(average=average, momentum=0.0)
    optimizers.create_slots(optimizer, variables)
    _run(optimizer, variables, [0.3, 1e-7, 1234.5])
    before = [variable.numpy() for variable in variables]
    averaged = _averaged(optimizer, variables)
    assert (average == "none") == all(map(np.array_equal, averaged, before))
    for variable, value in zip(variables, before, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value)


def test_the_weights_come_back_when_evaluation_fails():
    variables = _variables()
    optimizer = _make(average="polyak")
    _run(optimizer, variables, [1.0, 1.0])
    before = variables[0].numpy()
    with pytest.raises(RuntimeError), optimizers.averaged_weights(optimizer, variables):
        raise RuntimeError
    np.testing.assert_array_equal(variables[0].numpy(), before)


def test_polyak_is_a_moving_average_that_starts_fast():
    variable = tf.Variable([0.0], name="kernel")
    optimizer = _make(1.0, average="polyak", average_decay=0.15, momentum=0.0)
    optimizers.create_slots(optimizer, [variable])
    _run(optimizer, [variable], [-1.0, -1.0, -1.0])  # the weight is 1, 2, 3
    average = 0.0
    for weight, decay in ((1.0, 0.1), (2.0, 0.15), (3.0, 0.15)):  # 1/10, 2/11, 3/12, at most 0.15
        average = decay * average + (1 - decay) * weight
    np.testing.assert_allclose(_averaged(optimizer, [variable]), [[average]], rtol=1e-6)


def test_polyak_is_the_weight_itself_before_it_starts():
    variable = tf.Variable([0.0], name="kernel")
    optimizer = _make(1.0, average="polyak", average_start="2 steps", momentum=0.0)
    _run(optimizer, [variable], [-1.0, -1.0])
    np.testing.assert_array_equal(_averaged(optimizer, [variable]), [[2.0]])


def test_swa_is_the_mean_of_snapshots():
    variable = tf.Variable([0.0], name="kernel")
    optimizer = _make(
        1.0, average="swa", average_start="1 steps", average_every="2 steps", momentum=0.0
    )
    optimizers.create_slots(optimizer, [variable])
    _run(optimizer, [variable], [-1.0])
    np.testing.assert_array_equal(_averaged(optimizer, [variable]), [[1.0]])  # no snapshot yet
    _run(optimizer, [variable], [-1.0] * 5)  # the weight is 2, 3, ... 6; snapshots of 2, 4, 6
    np.testing.assert_allclose(_averaged(optimizer, [variable]), [[4.0]], rtol=1e-6)


def test_averages_are_given_in_the_order_of_the_variables():
    variables = _variables()
    optimizer = _make(average="polyak")
    optimizers.create_slots(optimizer, variables)
    assert optimizers.averages(_make(), variables) == variables
    shapes = [tuple(average.shape) for average in optimizers.averages(optimizer, variables)]
    assert shapes == [(1, 2), (1,)]


@pytest.mark.parametrize("average", optimizers.AVERAGES)
@pytest.mark.parametrize("name", optimizers.OPTIMIZERS)
def test_a_restored_optimizer_goes_on_to_the_bit(tmp_path, name, average):
    gradients = [0.5, -0.25, 2.0, 0.125, -1.0, 3.0]
    fields = {"name": name, "average": average, "weight_decay": 0.01, "average_start": "1 steps"}

    def fresh():
        variables = _variables()
        optimizer = _make(**fields)
        optimizers.create_slots(optimizer, variables)
        return variables, optimizer, tf.train.Checkpoint(model=variables, optimizer=optimizer)

    whole, optimizer, _ = fresh()
    _run(optimizer, whole, gradients)
    expected = whole + optimizers.averages(optimizer, whole)

    first, optimizer, checkpoint = fresh()
    _run(optimizer, first, gradients[:3])
    path = checkpoint.save(str(tmp_path / "checkpoint"))
    second, optimizer, checkpoint = fresh()
    checkpoint.restore(path).assert_consumed()
    _run(optimizer, second, gradients[3:])
    for one, other in zip(second + optimizers.averages(optimizer, second), expected, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())
    assert optimizer.iterations.numpy() == 6


def test_mistakes_are_named():
    with pytest.raises(UserError, match='optimizer.name is "adam"; choose one of sgd, nesterov'):
        _make(name="adam")
    with pytest.raises(UserError, match='optimizer.average is "ema"; choose one of none, polyak'):
        _make(average="ema")
