"""Nonlinear least squares for many small problems at once: every row of an array is one curve to
fit."""

from collections.abc import Callable

import numpy as np

_DIFFERENCE = 1e-6
_GAIN = 1e-6  # of a sum of squares: less than that is no gain
_PATIENCE = 6  # steps: damping rises four thousandfold meanwhile
_SEARCH_STEPS = 40
_POLISH_STEPS = 60  # of the best search: in a flat valley it is not there yet
_STARTS_SEARCHED = 5
_LARGEST_STEP = 3.0  # parameters are logarithms: a factor of 20 a step


def _jacobian(predict: Callable, theta: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """[R, n, P] forward differences of predict([R, P]) -> [R, n]."""
    moves = _DIFFERENCE * np.eye(theta.shape[1])
    return np.stack([(predict(theta + move) - predicted) / _DIFFERENCE for move in moves], axis=2)


def _step(jacobian: np.ndarray, residual: np.ndarray, damping: np.ndarray) -> np.ndarray:
    """[R, P] Levenberg-Marquardt steps, damped by the diagonal as Marquardt has it."""
    gradient = np.einsum("rnp,rn->rp", jacobian, residual)
    hessian = np.einsum("rnp,rnq->rpq", jacobian, jacobian)
    diagonal = np.einsum("rpp->rp", hessian)
    # A parameter without any influence has a zero row: the second term keeps the system solvable.
    ridge = damping[:, None] * diagonal + 1e-12 * diagonal.max(axis=1, keepdims=True) + 1e-200
    hessian = hessian + ridge[:, :, None] * np.eye(hessian.shape[1])
    step = np.linalg.solve(hessian, gradient[..., None])[..., 0]
    return np.clip(step, -_LARGEST_STEP, _LARGEST_STEP)


def minimize(
    predict: Callable[[np.ndarray], np.ndarray],
    starts: np.ndarray,
    targets: np.ndarray,
    num_steps: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Levenberg-Marquardt on R problems side by side.

    Args:
      predict: parameters [R, P] -> predictions [R, n], row by row.
      starts: [R, P] where each problem starts.
      targets: [R, n] or [n].
      num_steps: at most; a step that doesn't lower a problem's sum is not taken, and when no
        problem has gained for some steps, all are done.

    Returns:
      Parameters [R, P] and sums of squares [R].
    """
    theta = np.array(starts, dtype=np.float64)
    damping = np.full(len(theta), 1e-2)
    predicted = predict(theta)
    squares = ((predicted - targets) ** 2).sum(axis=1)
    last_gain = 0
    for step in range(num_steps):
        proposal = theta - _step(_jacobian(predict, theta, predicted), predicted - targets, damping)
        proposed = predict(proposal)
        proposed_squares = ((proposed - targets) ** 2).sum(axis=1)
        better = proposed_squares < squares
        if (squares - proposed_squares > _GAIN * squares).any():
            last_gain = step
        theta = np.where(better[:, None], proposal, theta)
        predicted = np.where(better[:, None], proposed, predicted)
        squares = np.where(better, proposed_squares, squares)
        if step - last_gain > _PATIENCE:
            break
        damping = np.clip(np.where(better, damping / 5, damping * 4), 1e-10, 1e10)
    return theta, squares


def search(
    predict: Callable[[np.ndarray], np.ndarray], starts: np.ndarray, targets: np.ndarray
) -> np.ndarray:
    """[P]: the best of several searches for one curve, targets [n], from the best of starts [K, P],
    and then as far as it goes."""
    squares = ((predict(starts) - targets) ** 2).sum(axis=1)
    starts = starts[np.argsort(squares)[:_STARTS_SEARCHED]]
    found, squares = minimize(predict, starts, targets, _SEARCH_STEPS)
    best, _ = minimize(predict, found[squares.argmin()][None], targets, _POLISH_STEPS)
    return best[0]
