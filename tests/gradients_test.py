"""revisit.training.gradients, clipping and loss scaling: each is what it says."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from configs import default
from revisit.errors import UserError
from revisit.training import modes, optimizers
from revisit.training.batches import worker_batches
from revisit.training.plan import make_plan
from revisit.training.step import _make_gradients, make_state
from revisit.training.strategies import make_strategy

COMPUTED: dict[str, tuple[float, list, list]] = {}  # once for all tests: it takes seconds


@pytest.fixture
def first_gradients(tiny_config: Callable, tmp_path: Any) -> Callable:
    """first_gradients(field=value): loss, gradients and statistics of a run's first batch."""

    def run(changes: dict[str, Any]) -> tuple[float, list, list]:
        key = str(changes)
        if key not in COMPUTED:
            COMPUTED[key] = compute(changes)
        return COMPUTED[key]

    def compute(changes: dict[str, Any]) -> tuple[float, list, list]:
        config = tiny_config()
        config.model.depth = 8
        config.update_from_flattened_dict(changes)
        strategy = make_strategy("one_device")
        plan = make_plan(modes.resolve(config, "pretrain"), "pretrain", strategy)
        state = make_state(plan, str(tmp_path))
        gradients = tf.function(_make_gradients(plan, state))
        batch = next(iter(worker_batches(plan, 0)))
        loss, grads = gradients(batch)
        moving = state.backbone.non_trainable_variables
        return float(loss), [each.numpy() for each in grads], [each.numpy() for each in moving]

    return run


def _assert_close(one: list, other: list) -> None:
    assert len(one) == len(other)
    for ours, theirs in zip(one, other, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5 * np.abs(theirs).max())


def test_parts_of_a_batch_add_up_to_it(first_gradients: Callable) -> None:
    frozen = {"model.freeze_batch_norm": True}
    loss, whole, _ = first_gradients(frozen)
    loss_of_parts, parts, _ = first_gradients({**frozen, "train.accumulate": 2})
    assert loss_of_parts == pytest.approx(loss, rel=1e-5)
    _assert_close(parts, whole)


def test_batch_norm_sees_a_part_at_a_time(first_gradients: Callable) -> None:
    _, whole, _ = first_gradients({})
    _, parts, _ = first_gradients({"train.accumulate": 2})
    assert any(not np.allclose(a, b, rtol=1e-2) for a, b in zip(whole, parts, strict=True))


@pytest.mark.parametrize("changes", [{}, {"model.freeze_batch_norm": True}])
def test_computing_blocks_again_changes_nothing(
    first_gradients: Callable, changes: dict[str, Any]
) -> None:
    loss, grads, moving = first_gradients(changes)
    again = first_gradients({**changes, "train.recompute": True})
    assert again[0] == pytest.approx(loss, rel=1e-6)
    _assert_close(again[1], grads)
    _assert_close(again[2], moving)


@pytest.mark.parametrize(
    ("changes", "mode"),
    [
        ({"train.steps_per_call": 2}, "pretrain"),
        ({"model.dtype": "float16"}, "pretrain"),
        ({"probe.name": "ridge"}, "linear_probe"),
    ],
)
def test_what_parameter_servers_can_not_do_is_said(
    tiny_config: Callable, changes: dict[str, Any], mode: str
) -> None:
    config = tiny_config()
    config.update_from_flattened_dict(changes)
    apart = make_strategy("one_device")._replace(together=False)
    (field, value) = next(iter(changes.items()))
    with pytest.raises(UserError, match=f"config.{field}={value!r} needs replicas that take each"):
        make_plan(modes.resolve(config, mode), mode, apart)


def test_a_part_must_be_whole(tiny_config: Callable) -> None:
    config = tiny_config()
    config.train.accumulate = 5
    with pytest.raises(UserError, match="config.train.accumulate=5 does not divide the 32 example"):
        make_plan(modes.resolve(config, "pretrain"), "pretrain", make_strategy("one_device"))


def _optimizer(**fields: Any) -> keras.optimizers.legacy.Optimizer:
    config = default.get_config().optimizer
    config.update({"name": "sgd", "momentum": 0.0, "average_start": "0", **fields})
    return optimizers.make_optimizer(config, 1.0)


@pytest.mark.parametrize("average", ["none", "polyak"])
@pytest.mark.parametrize(
    ("clip_norm", "moves"),
    [(0.0, [3.0, 4.0, 12.0]), (13.5, [3.0, 4.0, 12.0]), (6.5, [1.5, 2.0, 6.0])],
)
def test_clipping_keeps_the_direction_of_all_gradients_together(
    average: str, clip_norm: float, moves: list[float]
) -> None:
    try:
        optimizer = _optimizer(clip_norm=clip_norm, average=average)
    except UserError as error:
        pytest.skip(str(error))
    one, other = tf.Variable([0.0, 0.0]), tf.Variable([0.0])
    optimizer.apply_gradients([(tf.constant([3.0, 4.0]), one), (tf.constant([12.0]), other)])
    np.testing.assert_allclose(-np.concatenate([one, other]), moves, rtol=1e-6)


def test_the_loss_scale_halves_and_leaves_out_what_is_not_finite_and_grows_in_time() -> None:
    optimizer = optimizers.with_loss_scaling(_optimizer())
    scale, unscale = optimizers.loss_scaling(optimizer)
    weight = tf.Variable(0.0)
    assert float(scale(tf.constant(1.0))) == 2.0**15
    optimizer.apply_gradients([(tf.constant(np.inf), weight)])
    assert (float(weight), int(optimizer.iterations)) == (0.0, 1)
    assert float(scale(tf.constant(1.0))) == 2.0**14
    for _ in range(2000):
        optimizer.apply_gradients([(unscale([tf.constant(2.0**14)])[0], weight)])
    assert (float(weight), int(optimizer.iterations)) == (-2000.0, 2001)
    assert float(scale(tf.constant(1.0))) == 2.0**15


def test_float16_gives_gradients_near_those_of_float32(first_gradients: Callable) -> None:
    loss, exact, _ = first_gradients({})
    rough_loss, rough, _ = first_gradients({"model.dtype": "float16"})
    assert rough_loss == pytest.approx(loss, rel=1e-2)
    ours, theirs = (np.concatenate([each.ravel() for each in grads]) for grads in (rough, exact))
    cosine = ours @ theirs / np.linalg.norm(ours) / np.linalg.norm(theirs)
    assert cosine > 0.99
    assert np.linalg.norm(ours) == pytest.approx(np.linalg.norm(theirs), rel=0.05)
    assert not np.array_equal(ours, theirs)


def test_averages_are_found_below_loss_scaling() -> None:
    try:
        optimizer = optimizers.with_loss_scaling(_optimizer(average="polyak"))
    except UserError as error:
        pytest.skip(str(error))
    weight = tf.Variable(1.0)
    optimizers.create_slots(optimizer, [weight])
    optimizer.apply_gradients([(tf.constant(0.5), weight)])
    assert optimizers.averages(optimizer, [weight])[0] is not weight
