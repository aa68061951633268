"""Every task's step compiled by XLA gives what it gives uncompiled, as a TPU needs it."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from revisit.tasks import TASKS
from revisit.training import loop, modes
from revisit.training.strategies import make_strategy

# task -> how `tiny_config` makes an experiment of it
TINY = {"classify": "multi"}


@pytest.mark.parametrize("task", [name for name in TASKS if name in TINY])
def test_a_whole_step_compiles_and_updates_alike(
    task: str, tiny_config: Callable[..., Any], tmp_path: Any
) -> None:
    config = tiny_config(TINY[task])
    config.model.depth = 8
    strategy = make_strategy("one_device")
    plan = loop.make_plan(modes.resolve(config, "pretrain"), "pretrain", strategy)
    batch = next(iter(loop.worker_batches(plan, 0)))
    assert all(value.shape.is_fully_defined() for value in batch.values())
    results, weights = [], []
    for compiled in (False, True):
        with strategy.distribution.scope():
            state = loop.make_state(plan, str(tmp_path))
            loop.optimizers.create_slots(state.optimizer, state.variables)
        step = loop.make_train_step(plan, state).python_function
        run = tf.function(step, jit_compile=compiled)
        for _ in range(2):
            results.append(run(batch, tf.constant(0.0)).numpy())
        weights.append([variable.numpy() for variable in state.variables])
    np.testing.assert_allclose(results[:2], results[2:], rtol=1e-4)
    for one, other in zip(*weights, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-5)
