"""What --mode means: a row of two facts, and what a config says of it."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from ml_collections import ConfigDict

from revisit.errors import UserError

RANDOM = "random"  # --init=random: weights as they are drawn, a baseline for a pretrained start


class Mode(NamedTuple):
    """Attributes:
    needs_init: whether a run must be told what it starts from.
    trains_backbone: False keeps the backbone's weights and moving statistics as they are.
    """

    needs_init: bool
    trains_backbone: bool


MODES = {
    "pretrain": Mode(needs_init=False, trains_backbone=True),
    "linear_probe": Mode(needs_init=True, trains_backbone=False),
    "finetune": Mode(needs_init=True, trains_backbone=True),
}


def check_init(mode: str, init: str | None) -> None:
    """Raises UserError where a mode must be told what to start from, and is not."""
    if MODES[mode].needs_init and not init:
        raise UserError(
            f"--mode={mode} needs --init: the workdir of a pretraining run, a checkpoint in it, "
            f"or --init={RANDOM} for untrained weights, the baseline"
        )


def flatten(fields: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested fields by their dotted names, each after `prefix`: {"a": {"b": 1}} -> {"a.b": 1}."""
    flat: dict[str, Any] = {}
    for name, value in fields.items():
        nested = isinstance(value, Mapping)
        flat.update(flatten(value, f"{prefix}{name}.") if nested else {prefix + name: value})
    return flat


def resolve(
    config: ConfigDict, mode: str, overrides: Mapping[str, Any] | None = None
) -> ConfigDict:
    """The config of one run: `config.modes[mode]` laid over the rest, then the overrides again.

    Args:
      config: as a config file gives it, overrides applied.
      mode: key of MODES.
      overrides: dotted field -> value, from the command line; they win over the mode's own values.

    Returns:
      A locked copy without `modes`.

    Raises:
      UserError: no such mode, or its part of the config names a field that does not exist.
    """
    if mode not in MODES:
        raise UserError(f"--mode={mode} is not one of {', '.join(MODES)}")
    resolved = ConfigDict(config.to_dict())
    laid_over = resolved.modes.get(mode, ConfigDict())
    del resolved["modes"]
    resolved.lock()
    try:
        resolved.update(laid_over)
        resolved.update_from_flattened_dict(
            {key: value for key, value in (overrides or {}).items() if not key.startswith("modes.")}
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        message = str(error.args[0]).split(" Other fields present")[0]
        raise UserError(
            f"config.modes.{mode} does not fit the fields of the config: {message}"
        ) from error
    return resolved
