"""Tiles of patterns and of noise: made once a process, from fixed seeds."""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

SIZE = 128  # pixels of a tile's side; a power of two, so that coordinates wrap with a mask

Tile = npt.NDArray[np.float32]


def smooth_noise(seed: int, low: float, high: float) -> Tile:
    """Periodic noise of the wave numbers from `low` to `high` a tile, scaled to [0, 1] by rank."""
    rng = np.random.default_rng([20170710, seed])
    waves = np.fft.fftfreq(SIZE) * SIZE
    radius = np.hypot(waves[:, None], waves[None, :])
    spectrum = np.fft.fft2(rng.standard_normal((SIZE, SIZE)))
    band = np.where((radius >= low) & (radius <= high), 1 / np.maximum(radius, 1), 0)
    field = np.fft.ifft2(spectrum * band).real
    ranks = np.empty(SIZE * SIZE, np.float32)
    ranks[np.argsort(field, axis=None)] = np.linspace(0, 1, SIZE * SIZE, dtype=np.float32)
    return ranks.reshape(SIZE, SIZE)


def _grid() -> tuple[Tile, Tile]:
    y, x = np.mgrid[0:SIZE, 0:SIZE].astype(np.float32) / SIZE
    return y, x


def _wave(phase: npt.NDArray[np.floating[Any]], share: float = 0.5) -> Tile:
    return (phase % 1.0 < share).astype(np.float32)


def _spots(seed: int, level: float) -> Tile:
    return (smooth_noise(seed, 3, 9) > level).astype(np.float32)


def _dots(n: int, radius: float) -> Tile:
    y, x = _grid()
    row = np.floor(y * n)
    u, v = (x * n + 0.5 * (row % 2)) % 1 - 0.5, y * n % 1 - 0.5
    return (u * u + v * v < radius * radius).astype(np.float32)


def _bricks() -> Tile:
    y, x = _grid()
    row = np.floor(y * 8)
    return np.maximum(_wave(y * 8, 0.16), _wave(x * 4 + 0.5 * (row % 2), 0.1))


def _scales() -> Tile:
    y, x = _grid()
    row = np.floor(y * 8)
    u = (x * 8 + 0.5 * (row % 2)) % 1 - 0.5
    return np.clip(2.4 * np.abs(y * 8 % 1 - np.sqrt(np.maximum(0, 0.25 - u * u)) - 0.3), 0, 1)


def _rosettes() -> Tile:
    noise = smooth_noise(5, 4, 8)
    return ((noise > 0.66) & (noise < 0.86)).astype(np.float32)


def _fur() -> Tile:
    waves = np.fft.fftfreq(SIZE) * SIZE
    spectrum = np.fft.fft2(smooth_noise(7, 1, 60) - 0.5)
    keep = np.exp(-((waves[:, None] / 7) ** 2) - (waves[None, :] / 30) ** 2)
    field = np.fft.ifft2(spectrum * keep).real
    return np.clip(0.5 + field / (4 * field.std()), 0, 1).astype(np.float32)


def _zigzag() -> Tile:
    y, x = _grid()
    return _wave(y * 5 + np.abs((x * 8) % 1 - 0.5) * 1.2)


def _net() -> Tile:
    y, x = _grid()
    return np.maximum(_wave(x * 5 + y * 5, 0.17), _wave(x * 5 - y * 5, 0.17))


def _waves() -> Tile:
    y, x = _grid()
    return 0.5 + 0.5 * np.sin(2 * np.pi * (y * 7 + 0.4 * np.sin(2 * np.pi * 3 * x)))


def _planks() -> Tile:
    y, x = _grid()
    row = np.floor(y * 8)
    return np.maximum(
        _wave(y * 8, 0.14), 0.35 * _wave(row * 0.37 + x * 0 + smooth_noise(9, 1, 5), 0.5)
    )


def _tartan() -> Tile:
    y, x = _grid()
    return 0.45 * (_wave(x * 5, 0.45) + _wave(y * 5, 0.45)) + 0.1 * _wave(x * 5 + 0.3, 0.1)


def _rings() -> Tile:
    y, x = _grid()
    return _wave(np.hypot(x - 0.5, y - 0.5) * 9)


PATTERNS: dict[str, Callable[[], Tile]] = {
    "stripes": lambda: _wave(_grid()[1] * 6 + 0.25 * smooth_noise(1, 1, 3)),
    "bands": lambda: _wave(_grid()[0] * 6),
    "checks": lambda: np.abs(_wave(_grid()[0] * 5) - _wave(_grid()[1] * 5)),
    "dots": lambda: _dots(6, 0.27),
    "spots": lambda: _spots(2, 0.72),
    "patches": lambda: (smooth_noise(3, 1, 4) > 0.58).astype(np.float32),
    "scales": _scales,
    "bricks": _bricks,
    "planks": _planks,
    "tartan": _tartan,
    "zigzag": _zigzag,
    "net": _net,
    "waves": _waves,
    "speckle": lambda: (smooth_noise(4, 12, 30) > 0.74).astype(np.float32),
    "fur": _fur,
    "rosettes": _rosettes,
    "rings": _rings,
}
GROUNDS = 12  # how many tiles of ground and sky there are


LEVELS = 6  # steps from the first colour to the second


@functools.cache
def pattern_tile(name: str) -> npt.NDArray[np.uint8]:
    """[SIZE, SIZE] uint8: how much of the second colour, from 0 to LEVELS - 1."""
    return np.rint(np.clip(PATTERNS[name](), 0, 1) * (LEVELS - 1)).astype(np.uint8)


@functools.cache
def ground_tile(index: int) -> Tile:
    """[SIZE, SIZE] float32 in [-0.5, 0.5]: texture of backgrounds, from cloudy to grainy."""
    if index % 3 == 2:
        return PATTERNS[("bricks", "planks", "net", "waves")[index // 3]]() * 0.6 - 0.3
    return smooth_noise(100 + index, 1 + index // 4, 3 * 2 ** (index % 5)) - 0.5


@functools.cache
def grain_tile() -> Tile:
    """[SIZE, SIZE] float32 of independent normal numbers."""
    return np.random.default_rng(20170710).standard_normal((SIZE, SIZE), np.float32)
