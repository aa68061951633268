"""A study's grid: which runs a study config means, in what order, and how they are dealt to shards.

A study config has these fields:
  title         str, what the report is called
  base          a full experiment config (configs/default.py lists its fields); base.modes says what
                differs when pretraining and in each transfer mode, the transfer data set among it
  sweeps        a sequence of {dotted field of base: values}. Each is every combination of its
                values, with all other fields as in base; runs that several sweeps ask for are made
                once. "start" is no field: "random", or the workdir or checkpoint that pretraining
                starts from
  transfers     name -> {mode, and where they differ from the rest: title, metric, metric_type,
                config (laid over base)}: what is made of each backbone
  seeds         whole numbers; every run is made once for each
  scratch       whether each transfer is also run from random weights, for comparison
  metric        a figure of the transfer runs: "top_1"
  metric_type   "accuracy" (the higher the better) or "error" (a loss or error: the lower)
  costs         optional {image, clean_label, gpu_hour, budget}: prices in one currency, and what
                there is to spend; the report then has a table of what to buy next
  target        optional value of the metric to reach
  verified      optional {checked, correct}: labels looked at by hand, and those found right
"""

import itertools
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ml_collections import ConfigDict

from revisit.errors import UserError
from revisit.scaling.axes import DATA_SIZE, START, is_of_model
from revisit.scaling.curves import METRICS
from revisit.training import modes

FIELDS = ("title", "base", "sweeps", "transfers", "seeds", "scratch", "metric", "metric_type")
COSTS = ("image", "clean_label", "gpu_hour", "budget")
PRETRAIN = "pretrain"
MODE_TITLES = {"linear_probe": "Frozen features", "finetune": "Fine-tuning"}


class Transfer(NamedTuple):
    """What is made of a backbone, and what it is judged by; fields as in the module's docstring."""

    name: str
    mode: str
    title: str
    metric: str
    metric_type: str
    config: dict[str, Any]


class Run(NamedTuple):
    """One run of the grid.

    Attributes:
      name: readable and unique; the run's directory.
      transfer: name of a transfer, or "" for pretraining.
      mode: key of training.modes.MODES.
      seed: of weights and order.
      settings: dotted field -> value, of all fields that the study varies; from random weights only
        those of the model.
      init: name of the run whose backbone is the start, "random", or "" for pretraining.
    """

    name: str
    transfer: str
    mode: str
    seed: int
    settings: dict[str, Any]
    init: str


def swept_fields(config: ConfigDict) -> list[str]:
    """Every field that some sweep varies."""
    return list(dict.fromkeys(field for sweep in config.sweeps for field in sweep))


def transfers_of(config: ConfigDict) -> list[Transfer]:
    """The transfers of a study, frozen ones first."""
    found = [
        Transfer(
            name,
            fields["mode"],
            fields.get("title", MODE_TITLES.get(name, name)),
            fields.get("metric", config.metric),
            fields.get("metric_type", config.metric_type),
            fields.get("config", {}),
        )
        for name, fields in config.transfers.to_dict().items()
    ]
    return sorted(found, key=lambda transfer: list(modes.MODES).index(transfer.mode))


def check_study(config: ConfigDict) -> None:
    """Raises UserError where a study config lacks a field or holds a value that means nothing."""
    for field in FIELDS:
        if field not in config:
            raise UserError(f"not a study's config: no field {field!r} (needs {', '.join(FIELDS)})")
    known = {START, *modes.flatten(config.base.to_dict())}
    for field, values in _checked_values(config):
        if field not in known:
            raise UserError(f"config.sweeps varies {field!r}, which is no field of config.base")
        if not values or len(set(values)) != len(values):
            raise UserError(f"config.sweeps: {field}={values} must hold values, each of them once")
        if field == DATA_SIZE and not all(0 < value <= 1 for value in values):
            raise UserError(f"config.sweeps: {field}={values}: a part is in (0, 1]")
    for seed in config.seeds:
        if not isinstance(seed, int) or seed < 0:
            raise UserError(f"config.seeds holds {seed!r}: a seed is a whole number from 0")
    _check_transfers(config)
    _check_costs(config)


def _checked_values(config: ConfigDict) -> list[tuple[str, list]]:
    swept = [(field, list(values)) for sweep in config.sweeps for field, values in sweep.items()]
    if not swept or not len(config.seeds) or len(set(config.seeds)) != len(config.seeds):
        raise UserError("config.sweeps and config.seeds must hold values, each seed once")
    return swept


def _check_transfers(config: ConfigDict) -> None:
    kinds = [name for name, mode in modes.MODES.items() if mode.needs_init]
    if not config.transfers:
        raise UserError("config.transfers is empty: name what is made of each backbone")
    for name, fields in config.transfers.items():
        if fields.get("mode") not in kinds:
            raise UserError(
                f"config.transfers.{name}.mode={fields.get('mode')!r}: choose of {', '.join(kinds)}"
            )
    for transfer in transfers_of(config):
        if transfer.metric_type not in METRICS:
            raise UserError(f"metric_type={transfer.metric_type!r} is not {' or '.join(METRICS)}")


def _check_costs(config: ConfigDict) -> None:
    costs = config.get("costs")
    if costs is None:
        return
    for name in COSTS:
        if name not in costs or not costs[name] > 0:
            raise UserError(f"config.costs.{name} is missing or not above 0 ({', '.join(COSTS)})")


def _baseline(config: ConfigDict) -> dict[str, Any]:
    pretrain = {
        START: modes.RANDOM,
        **modes.flatten(modes.resolve(config.base, PRETRAIN).to_dict()),
    }
    return {field: pretrain[field] for field in swept_fields(config)}


def make_points(config: ConfigDict) -> list[dict[str, Any]]:
    """Settings of every pretraining run, each once, small data first."""
    baseline = _baseline(config)
    points: list[dict[str, Any]] = []
    for sweep in config.sweeps:
        for values in itertools.product(*sweep.values()):
            point = {**baseline, **dict(zip(sweep, values, strict=True))}
            if point not in points:
                points.append(point)
    return sorted(points, key=lambda point: point.get(DATA_SIZE, 1.0))


def _name_settings(settings: Mapping[str, Any]) -> str:
    """{"data.fraction": 0.1, "train.duration": "4 epochs"} -> "fraction0.1-duration4epochs"."""
    parts = []
    for field, value in settings.items():
        text = f"{value:.4g}" if isinstance(value, float) else str(value)
        last = re.sub(r"[^A-Za-z0-9.]", "", text.rpartition("/")[2])
        parts.append(f"{field.rpartition('.')[2]}{last or 'all'}")
    return "-".join(parts)


def _make_transfers(
    config: ConfigDict, seed: int, settings: dict[str, Any], init: str
) -> list[Run]:
    start = init.removeprefix(f"{PRETRAIN}-")
    if init == modes.RANDOM:
        start = "-".join(filter(None, [init, _name_settings(settings), f"seed{seed}"]))
    return [
        Run(f"{each.name}-{start}", each.name, each.mode, seed, settings, init)
        for each in transfers_of(config)
    ]


def _scratch_settings(points: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The different models among the points."""
    different: list[dict[str, Any]] = []
    for point in points:
        model = {field: value for field, value in point.items() if is_of_model(field)}
        if model not in different:
            different.append(model)
    return different


def make_groups(config: ConfigDict) -> list[list[Run]]:
    """Runs that belong together, each after the one that it starts from.

    A group is a pretraining run and its transfers, or one model's transfers from random weights.
    """
    groups = []
    points = make_points(config)
    for seed in config.seeds:
        if config.scratch:
            groups += [
                _make_transfers(config, seed, model, modes.RANDOM)
                for model in _scratch_settings(points)
            ]
        for point in points:
            name = f"{PRETRAIN}-{_name_settings(point)}-seed{seed}"
            pretrain = Run(name, "", PRETRAIN, seed, point, "")
            groups.append([pretrain, *_make_transfers(config, seed, point, name)])
    names = [run.name for group in groups for run in group]
    for name in names:
        if names.count(name) > 1:
            raise UserError(f"config.sweeps: two values are too alike to name: {name}")
    return groups


def parse_shard(text: str) -> tuple[int, int]:
    """ "2/8" -> (2, 8): the third of eight shards, counted from 0 as job arrays do."""
    index, slash, count = text.partition("/")
    if not (slash and index.isdigit() and count.isdigit() and int(index) < int(count)):
        raise UserError(f"--shard={text}: write i/n with 0 <= i < n, as 0/4 to 3/4")
    return int(index), int(count)


def deal(groups: Sequence[Sequence[Run]], index: int, count: int) -> list[Run]:
    """Runs of one shard of `count`; each run is in exactly one."""
    return [run for group in groups[index::count] for run in group]


def run_config(config: ConfigDict, run: Run) -> ConfigDict:
    """The config of one run of a study: the base, what its mode and its transfer lay over it, and
    its place in the grid."""
    overrides: dict[str, Any] = {"seed": run.seed}
    for transfer in transfers_of(config):
        if transfer.name == run.transfer:
            overrides.update(modes.flatten(transfer.config))
    for field, value in run.settings.items():
        if field != START and (run.mode == PRETRAIN or is_of_model(field)):
            overrides[field] = value
    return modes.resolve(config.base, run.mode, overrides)


def pick(runs: Sequence[Run], name: str) -> list[Run]:
    """The one run of that name."""
    found = [run for run in runs if run.name == name]
    if not found:
        raise UserError(f"--run={name}: no such run in the grid, as {runs[0].name}")
    return found
