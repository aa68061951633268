"""Measured points of a curve, metric against data size, and the units that the metric comes in."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from revisit.errors import UserError

METRICS = ("error", "accuracy")
MIN_SIZES = 3
_JUMP = 20.0  # times: what no noise between runs explains, and percent among fractions exceeds


class Scale(NamedTuple):
    """How a metric's values become errors and back: error, or accuracy out of a whole of 1 or
    100."""

    metric: str
    whole: float = 1.0

    def to_errors(self, values: np.ndarray) -> np.ndarray:
        """Errors [N] from values [N] of the metric."""
        return values if self.metric == "error" else 1 - values / self.whole

    def from_errors(self, errors: np.ndarray) -> np.ndarray:
        """Values [N] of the metric from errors [N]."""
        return errors if self.metric == "error" else self.whole * (1 - errors)

    def from_forecast(self, errors: np.ndarray) -> np.ndarray:
        """As from_errors, but kept to 0 to the whole, which a law doesn't know of."""
        return self.from_errors(errors if self.metric == "error" else np.clip(errors, 0, 1))

    def from_change(self, change: float) -> float:
        """A difference of two errors as a difference of the metric."""
        return change if self.metric == "error" else 0.0 - self.whole * change  # never -0


class Curve(NamedTuple):
    """One group's points, n of them, in no order. Several points at one size are its seeds.

    x: [n] data sizes. errors: [n]. fit: [n] bool, False where a point is kept out of the fit to be
    predicted.
    """

    group: tuple[str, ...]
    x: np.ndarray
    errors: np.ndarray
    fit: np.ndarray

    @property
    def sizes(self) -> np.ndarray:
        """Different sizes among the points to fit, ascending."""
        return np.unique(self.x[self.fit])

    @property
    def name(self) -> str:
        """The group in words."""
        return ", ".join(self.group) or "all points"


def make_curve(
    x: Sequence[float] | np.ndarray,
    errors: Sequence[float] | np.ndarray,
    group: tuple[str, ...] = (),
) -> Curve:
    """A curve of which every point is fitted."""
    sizes = np.asarray(x, np.float64)
    return Curve(group, sizes, np.asarray(errors, np.float64), np.ones(len(sizes), bool))


def recognize_scale(values: np.ndarray, metric: str, column: str) -> Scale:
    """Says whether accuracies are fractions or percent. Errors and losses need no unit: every law
    is free of scale.

    Raises:
      UserError: accuracies below 0, above 100, or some that look like fractions among percents.
    """
    if metric not in METRICS:
        raise UserError(f"metric {metric!r} is neither {' nor '.join(METRICS)}")
    if metric == "error":
        return Scale("error")
    if values.min() < 0 or values.max() > 100:
        odd = values.min() if values.min() < 0 else values.max()
        raise UserError(
            f"column {column!r}: accuracy {odd:g} is outside 0 to 1 and 0 to 100"
            " (errors and losses: --metric=error)"
        )
    if values.max() <= 1:
        return Scale("accuracy", 1.0)
    fractions = values[(values > 0) & (values <= 1)]
    if fractions.size:
        raise UserError(
            f"column {column!r}: accuracies such as {fractions[0]:g} and {values.max():g} mix"
            " fractions and percent: bring all rows to one unit (fractions, if some are below 1%)"
        )
    return Scale("accuracy", 100.0)


def check_target(target: float | None, scale: Scale) -> None:
    """Raises UserError where a target is no value of the metric."""
    if target is None:
        return
    if scale.metric == "error" and target <= 0:
        raise UserError(f"--target={target:g}: an error or loss is above 0")
    if scale.metric == "accuracy" and not scale.whole / 100 < target < scale.whole:
        unit = "percent, as 80" if scale.whole > 1 else "fractions, as 0.8"
        raise UserError(f"--target={target:g}: the accuracies of this table are {unit}")


def _jump(curve: Curve) -> str:
    """What is said of a point whose error is many times that of a size no larger."""
    x, errors = curve.x[curve.fit], curve.errors[curve.fit]
    lowest = np.array([errors[x <= size].min() for size in x])
    worst = int(np.argmax(errors / lowest))
    if errors[worst] <= _JUMP * lowest[worst]:
        return ""
    return (
        f"the error {errors[worst]:g} at size {x[worst]:g} is {errors[worst] / lowest[worst]:.0f}"
        " times that of a size no larger: percent mixed with fractions, or a run that failed"
    )


def refusal(curve: Curve) -> str:
    """Why no law can be fitted to the curve; empty if one can."""
    sizes = curve.sizes
    if sizes.size < MIN_SIZES:
        found = ", ".join(f"{size:g}" for size in sizes)
        sizes_word = "size" if sizes.size == 1 else "sizes"
        return f"{sizes.size} different {sizes_word} ({found}): a law needs at least {MIN_SIZES}"
    errors = curve.errors[curve.fit]
    if not np.isfinite(errors).all():
        num_bad = int((~np.isfinite(errors)).sum())
        return f"{num_bad} of {errors.size} values are not finite numbers"
    if errors.min() <= 0:
        return (
            f"an error of {errors.min():g}: the laws are about log error and need every error"
            " above 0"
        )
    return _jump(curve)
