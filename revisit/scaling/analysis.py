"""What a study's results say, before anything is written of it."""

from collections.abc import Sequence
from typing import NamedTuple

from ml_collections import ConfigDict

from revisit.scaling import axes, branches, surfaces
from revisit.scaling.ablations import Series, make_series, split_runs
from revisit.scaling.axes import DATA_SIZE
from revisit.scaling.branches import Branch
from revisit.scaling.curves import Curve, make_curve
from revisit.scaling.findings import Finding, Units, find, scale_of
from revisit.scaling.grid import PRETRAIN, Transfer, swept_fields, transfers_of
from revisit.scaling.results import Result
from revisit.scaling.selection import CurveFit
from revisit.scaling.surfaces import Surface
from revisit.training.modes import RANDOM


class Capacity(NamedTuple):
    """Curves against data size that differ in one field of the model alone.

    Attributes:
      field: of the model.
      curves: level -> its curve, ascending.
      surface: over both sizes; None where `refusal` says why.
    """

    field: str
    curves: dict[float, Series]
    surface: Surface | None
    refusal: str

    @property
    def transfer(self) -> Transfer:
        """What was made of the backbones."""
        return next(iter(self.curves.values())).transfer

    @property
    def models(self) -> tuple[float, float]:
        """The largest level, and twice as much."""
        return max(self.curves), 2 * max(self.curves)

    @property
    def foreseen(self) -> list[CurveFit]:
        """What the surface says of these two; nothing without one."""
        if self.surface is None:
            return []
        fits = [surfaces.foresee(self.surface, model, ()) for model in self.models]
        names = [axes.write_level(self.field, f"{model:g}") for model in self.models]
        return [
            fit._replace(curve=fit.curve._replace(group=(self.transfer.name, f"surface, {name}")))
            for fit, name in zip(fits, names, strict=True)
        ]


class Analysis(NamedTuple):
    """A finished study: its config, all its results, and what they say.

    Attributes:
      config: of the study.
      results: of all runs.
      findings: curves against data size.
      series: levels of every field that is varied, data size too.
      capacities: curves of models of different size.
      units: of each transfer's metric, by the transfer's name.
      branches: of the taxonomy, those that gain most from data first; empty where runs don't tell.
    """

    config: ConfigDict
    results: tuple[Result, ...]
    findings: tuple[Finding, ...]
    series: tuple[Series, ...]
    capacities: tuple[Capacity, ...]
    units: dict[str, Units]
    branches: tuple[Branch, ...]

    def of_field(self, field: str) -> list[Series]:
        """The series of one field."""
        return [series for series in self.series if series.field == field]


def _find_curves(results: Sequence[Result], transfer: Transfer, units: Units) -> list[Finding]:
    own = [result for result in results if result.run.transfer == transfer.name]
    groups = split_runs(results, DATA_SIZE, transfer)
    if not groups:  # one size is reported, and refused a law
        groups = [("", tuple(each for each in own if each.run.init != RANDOM))]
    found = []
    for label, group in groups:
        model = _model(group[0])
        scratch = [r for r in own if r.run.init == RANDOM and _model(r).items() <= model.items()]
        found.append(find(group, scratch, transfer, label, units.scale))
    return found


def _model(result: Result) -> dict:
    settings = result.run.settings
    return {field: value for field, value in settings.items() if axes.is_of_model(field)}


def analyse(config: ConfigDict, results: Sequence[Result], workdir: str) -> Analysis:
    """Fits the curves of a study, and compares the levels of all else that it varies.

    Args:
      config: of the study.
      results: of its runs.
      workdir: where the runs lie; the per-class tables of pretraining are read there.
    """
    units, findings, series = {}, [], []
    for transfer in transfers_of(config):
        own = [result for result in results if result.run.transfer == transfer.name]
        units[transfer.name] = Units(scale_of(own, transfer))
        findings += _find_curves(results, transfer, units[transfer.name])
        for field in swept_fields(config):
            series += make_series(results, field, transfer, units[transfer.name])
    ranked = _rank_branches(findings, results, workdir)
    capacities = _find_capacities(series)
    return Analysis(
        config,
        tuple(results),
        tuple(findings),
        tuple(series),
        tuple(capacities),
        units,
        tuple(ranked),
    )


def _find_capacities(series: Sequence[Series]) -> list[Capacity]:
    groups: dict[tuple[str, str, str], dict[float, Series]] = {}
    for each in series:
        settings = each.results[0].run.settings
        for field, level in settings.items():
            if each.field == DATA_SIZE and axes.is_of_model(field) and _is_amount(level):
                rest = {name: settings[name] for name in settings if name not in (field, DATA_SIZE)}
                key = each.transfer.name, field, repr(sorted(rest.items()))
                groups.setdefault(key, {})[float(level)] = each
    return [
        _fit_capacity(field, dict(sorted(curves.items())))
        for (_, field, _), curves in groups.items()
        if len(curves) > 1
    ]


def _is_amount(level: object) -> bool:
    return isinstance(level, int | float) and not isinstance(level, bool)


def _curve_of(series: Series) -> Curve:
    x, values = series.points
    return make_curve(x, series.units.scale.to_errors(values))


def _fit_capacity(field: str, levels: dict[float, Series]) -> Capacity:
    drawn = [_curve_of(series) for series in levels.values()]
    points = surfaces.join_points(drawn, list(levels))
    refusal = surfaces.refusal(points)
    return Capacity(field, levels, None if refusal else surfaces.fit_surface(points), refusal)


def _rank_branches(
    findings: Sequence[Finding], results: Sequence[Result], workdir: str
) -> list[Branch]:
    """From the pretraining runs behind the first curve against data size."""
    pretrained = [result for result in results if result.run.mode == PRETRAIN]
    for label, group in split_runs(results, DATA_SIZE, findings[0].transfer):
        if label == findings[0].label:
            names = {result.run.init for result in group}
            pretrained = [result for result in pretrained if result.run.name in names]
    found = branches.read_curves(pretrained, workdir)
    return branches.rank(found) if found else []
