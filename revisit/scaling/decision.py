"""What to buy next: more images, clean labels, a larger model or longer training, by their prices.

Each option spends the whole budget, or what its kind can take, and is judged by the slope that the
study measured on that axis, with the slope's interval. Slopes are used no further than tenfold.
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from ml_collections import ConfigDict

from revisit.scaling.ablations import Series, comparisons, level_of, slope_of
from revisit.scaling.axes import DATA_SIZE, DURATION
from revisit.scaling.findings import Estimate, sign

REACH = 10.0  # times what was measured
SECONDS = 3600.0  # of a GPU hour


class Option(NamedTuple):
    """A way to spend.

    Attributes:
      what: in words, with the amount.
      cost: in the config's currency.
      gain: change of the metric, with its interval.
      share: part of the way to the target that the gain goes; None without a target.
    """

    what: str
    cost: float
    gain: Estimate
    share: Estimate | None


def _times(estimate: Estimate, factor: float) -> Estimate:
    ends = sorted((factor * estimate.low, factor * estimate.high))
    return Estimate(factor * estimate.value, *ends)


def _largest(series: Series) -> float:
    return max(float(level) for level in series.levels)


def _hours(series: Series, level: float | str) -> float:
    """Mean hours of pretraining at a level."""
    seconds = [
        each.pretrain_seconds for each in series.results if level_of(each, series.field) == level
    ]
    return float(np.mean(seconds)) / SECONDS


def _more(series: Series, unit_price: float, budget: float) -> tuple[float, float, Estimate]:
    """(amount bought, its cost, gain) on a log axis."""
    largest = _largest(series)
    bought = min(budget / unit_price, (REACH - 1) * largest)
    gain = _times(slope_of(series), math.log10(1 + bought / largest))
    return bought, bought * unit_price, gain


def more_data(series: Series, costs: ConfigDict) -> Option:
    """More images of the same kind, and the training on them."""
    largest = _largest(series)
    price = costs.image + costs.gpu_hour * _hours(series, largest) / largest
    bought, cost, gain = _more(series, price, costs.budget)
    return Option(f"{bought:,.0f} more images", cost, gain, None)


def longer_training(series: Series, costs: ConfigDict) -> Option:
    """More steps on the same images."""
    largest = _largest(series)
    hours = _hours(series, largest)
    bought, cost, gain = _more(series, costs.gpu_hour * hours / largest, costs.budget)
    return Option(f"{hours * bought / largest:,.2g} GPU hours of longer training", cost, gain, None)


def cleaner_labels(series: Series, costs: ConfigDict) -> Option:
    """Labels checked and put right: less noise by the share of images that the budget pays for."""
    num_images = max(result.num_examples for result in series.results)
    share = min(costs.budget / costs.clean_label / num_images, _largest(series))
    cost = share * num_images * costs.clean_label
    return Option(
        f"{share * num_images:,.0f} labels cleaned", cost, _times(slope_of(series), -share), None
    )


def larger_model(series: Series, costs: ConfigDict) -> Option:
    """The largest model measured instead of the smallest, on the same data."""
    level, before, gain = comparisons(series)[-1]
    hours = max(_hours(series, level) - _hours(series, before), 0.0)
    name = series.field.rpartition(".")[2]
    what = f"{name} {level:g} instead of {before:g}"
    return Option(what, hours * costs.gpu_hour, gain, None)


# field -> what its slope says can be bought
OPTIONS: dict[str, Callable[[Series, ConfigDict], Option]] = {
    DATA_SIZE: more_data,
    "data.noise_wrong": cleaner_labels,
    "model.depth": larger_model,
    "model.width": larger_model,
    DURATION: longer_training,
}


def _reach(option: Option, best: float, target: float | None) -> Option:
    if target is None or target == best:
        return option
    return option._replace(share=_times(option.gain, 1 / (target - best)))


def options(series: Sequence[Series], costs: ConfigDict, target: float | None) -> list[Option]:
    """Ways to spend the budget on one transfer, the best first.

    Those that can't be told to help come after those that can; within each, by gain.

    Args:
      series: of the transfer, at most one of each field counts: the one with the most images.
      costs: config.costs.
      target: value of the metric to reach, from the best mean measured; None for none.
    """
    chosen: dict[str, Series] = {}
    for each in series:
        if each.field in OPTIONS and each.is_numeric:
            known = chosen.get(each.field)
            if known is None or _weight(each) > _weight(known):
                chosen[each.field] = each
    if not chosen:
        return []
    scale = next(iter(chosen.values())).units.scale
    better = -1.0 if scale.metric == "error" else 1.0
    means = [np.mean(values) for each in chosen.values() for values in each.levels.values()]
    best = better * max(better * float(mean) for mean in means)
    found = [_reach(OPTIONS[field](each, costs), best, target) for field, each in chosen.items()]
    return sorted(found, key=lambda each: (-sign(each.gain, scale), -better * each.gain.value))


def _weight(series: Series) -> tuple[int, int]:
    return max(result.num_examples for result in series.results), len(series.levels)
