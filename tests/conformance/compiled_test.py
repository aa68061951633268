"""Every task's step compiled by XLA gives what it gives uncompiled, as a TPU needs it."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from configs import default
from data_prep.builder import BuildOptions, build
from data_prep.pipeline import PlanOptions
from data_prep.sources.source import SourceOptions
from revisit.tasks import TASKS
from revisit.training import modes, optimizers
from revisit.training.batches import worker_batches
from revisit.training.plan import Plan, make_plan
from revisit.training.step import make_state, make_train_step
from revisit.training.strategies import make_strategy
from tests.tiny_tasks import TINY

# Without pooling: XLA has no deterministic gradient of it, and an earlier test may want one.
STEMS = {"classify": "patch4", "detect": "patch4", "segment": "conv3", "pose": "patch4"}
HOST_OPERATIONS = {"PyFunc", "EagerPyFunc", "PyFuncStateless", "PrintV2", "IteratorGetNext"}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Drawings with labels, boxes, masks and keypoints."""
    directory = str(tmp_path_factory.mktemp("microworld") / "data")
    source = SourceOptions(seed=0, num_images=40, world="pretrain")
    build(BuildOptions("microworld", source, directory, PlanOptions(), 0.0, 1), {})
    return directory


def _plan(task: str, data: str) -> Plan:
    config = default.get_config()
    config.task.name, config.data.dir = task, data
    config.model.update({"depth": 8, "width": 8})
    config.optimizer.name = "sgd"
    config.schedule.update({"name": "constant", "learning_rate": 0.02})
    config.train.update({"batch_size": 4, "eval_batch_size": 4})
    config.update_from_flattened_dict({"model.stem": STEMS[task], **TINY[task]})
    strategy = make_strategy("one_device")
    return make_plan(modes.resolve(config, "pretrain"), "pretrain", strategy)


def _operations(function: Any) -> Iterator[Any]:
    """All of a traced function, those of the functions that it calls too."""
    graph = function.graph.as_graph_def()
    yield from graph.node
    for each in graph.library.function:
        yield from each.node_def


def _flat(variables: list[tf.Variable]) -> np.ndarray:
    return np.concatenate([variable.numpy().ravel() for variable in variables])


@pytest.mark.parametrize("task", TASKS)
def test_a_whole_step_compiles_and_updates_alike(task: str, data: str, tmp_path: Any) -> None:
    plan = _plan(task, data)
    batch = next(iter(worker_batches(plan, 0)))
    assert all(value.shape.is_fully_defined() for value in batch.values())
    results, moves = [], []
    for compiled in (False, True):
        with plan.strategy.distribution.scope():
            state = make_state(plan, str(tmp_path))
            optimizers.create_slots(state.optimizer, state.variables)
        before = _flat(state.variables)
        step = make_train_step(plan, state).python_function
        run = tf.function(step, jit_compile=compiled)
        for _ in range(2):
            results.append(run(batch, tf.constant(0.0)).numpy())
        moves.append(_flat(state.variables) - before)
    traced = run.get_concrete_function(batch, tf.constant(0.0))
    assert not HOST_OPERATIONS & {each.op for each in _operations(traced)}
    np.testing.assert_allclose(results[:2], results[2:], rtol=2e-3)
    assert np.linalg.norm(moves[0] - moves[1]) < 0.02 * np.linalg.norm(moves[0])
