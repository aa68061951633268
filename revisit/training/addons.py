"""The only door to tensorflow-addons: averages of weights (Polyak, SWA) and LAMB.

tensorflow-addons is past its end of life: it has no wheels for Python 3.12 and later, and it
imports modules of Keras 2 by the names that they had inside `keras`. Those names are registered
here before it is imported, and it is imported only when something of it is asked for, so that all
else works where it can't be had.
"""

import importlib
import sys
import types
import warnings
from collections.abc import Callable
from typing import Any, TypeAlias

import ml_collections
import tf_keras as keras

from revisit.errors import UserError

Optimizer: TypeAlias = keras.optimizers.legacy.Optimizer


def require(purpose: str, instead: str) -> types.ModuleType:
    """tensorflow_addons, or a UserError that says what needs it and what to choose instead."""
    # It asks for keras.src.engine, which Keras 3 doesn't have; in tf_keras it has another name.
    for name in ("engine", "engine.keras_tensor"):
        sys.modules.setdefault(f"keras.src.{name}", importlib.import_module(f"tf_keras.src.{name}"))
    try:
        with (
            warnings.catch_warnings()
        ):  # of its end of life, and of TensorFlow versions that it doesn't know
            warnings.simplefilter("ignore")
            return importlib.import_module("tensorflow_addons")
    except ImportError as error:
        raise UserError(
            f"{purpose} needs tensorflow-addons, which has no wheel for Python 3.12 and later: "
            f"use Python 3.11, or {instead}"
        ) from error


def lamb(learning_rate: Callable, decayed_names: str, **arguments: float) -> Optimizer:
    """LAMB (You et al., 2020), for large batches.

    Args:
      learning_rate: step -> rate.
      decayed_names: regular expression; variables whose names don't match have neither decay nor
        layer adaptation.
      **arguments: beta_1, beta_2, epsilon, weight_decay.
    """
    addons = require("optimizer.name=lamb", "choose optimizer.name=adamw")
    others = [f"^(?!.*{decayed_names})"]
    return addons.optimizers.LAMB(learning_rate, exclude_from_weight_decay=others, **arguments)


def _polyak(
    optimizer: Optimizer, config: ml_collections.ConfigDict, steps: Callable[[str | int], int]
) -> Optimizer:
    """Moving average: a = d a + (1 - d) w, d = min(average_decay, (1 + n) / (10 + n)) at step n."""
    addons = require("optimizer.average=polyak", "choose optimizer.average=none")
    start = steps(config.average_start)
    return addons.optimizers.MovingAverage(
        optimizer, average_decay=config.average_decay, start_step=start, dynamic_decay=True
    )


def _swa(
    optimizer: Optimizer, config: ml_collections.ConfigDict, steps: Callable[[str | int], int]
) -> Optimizer:
    """Mean of the weights at steps average_start + n average_every (Izmailov et al., 2018)."""
    addons = require("optimizer.average=swa", "choose optimizer.average=none")
    start, period = steps(config.average_start), max(steps(config.average_every), 1)
    return addons.optimizers.SWA(optimizer, start_averaging=start, average_period=period)


AVERAGES: dict[
    str, Callable[[Optimizer, ml_collections.ConfigDict, Callable[[str | int], int]], Optimizer]
] = {
    "polyak": _polyak,
    "swa": _swa,
}


def has_averages(optimizer: Optimizer) -> bool:
    """False while an SWA optimizer has taken no snapshot: its averages are still zeros."""
    hyper: dict[str, Any] = optimizer._hyper
    return int(optimizer.iterations.numpy()) > int(hyper.get("start_averaging", -1))
