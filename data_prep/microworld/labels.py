"""From what a scene shows to what the web would say of it: noisy, incomplete labels.

About 20% of the kept labels of JFT-300M are wrong, and so are ours; how many are missing is unknown
there, and stated here. What is most alike is most often confused: a wrong label is mostly a
sibling's.
"""

import numpy as np

from data_prep.microworld import scenes, taxonomy

WRONG_RATE = 0.2  # share of the kept labels that are wrong
WRONG_SHARES = (0.7, 0.2, 0.1)  # of the wrong labels: a sibling's, a cousin's, any class's
MISSING_RATE = 0.3  # share of the labels beyond an image's first that are missing


def true_labels(world: str, seed: int, index: int) -> tuple[str, ...]:
    """Names of the leaf classes in a scene, the most prominent first, each once."""
    return tuple(dict.fromkeys(leaf.name for leaf in scenes.draw_leaves(world, seed, index)))


def _confused(name: str, truth: tuple[str, ...], rng: np.random.Generator) -> str:
    """A class that isn't in the image, most often a relative of the one that is."""
    circles = (*taxonomy.relatives(name), taxonomy.world_names("pretrain"))
    u = rng.random()
    first = (u >= WRONG_SHARES[0]) + (u >= WRONG_SHARES[0] + WRONG_SHARES[1])
    for candidates in circles[first:]:
        absent = [other for other in candidates if other not in truth]
        if absent:
            return absent[int(rng.integers(len(absent)))]
    raise AssertionError(f"no class is absent from {truth!r}")


def noisy_labels(seed: int, index: int, truth: tuple[str, ...]) -> tuple[str, ...]:
    """What the labels of a "pretrain" scene say: some truth, some confusions, each name once."""
    rng = scenes.random_stream("pretrain", seed, index, scenes.LABELS_STREAM)
    u = rng.random((len(truth), 2))
    kept = [k for k in range(len(truth)) if k == 0 or u[k, 0] >= MISSING_RATE]
    said: dict[str, None] = {}
    for k in kept:
        wrong = u[k, 1] < WRONG_RATE
        taken = (*truth, *said)
        said[_confused(truth[k], taken, rng) if wrong else truth[k]] = None
    return tuple(said)
