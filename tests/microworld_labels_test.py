"""Label noise has the stated rates; the truth is kept beside it."""

import numpy as np
import pytest

from data_prep.microworld import labels, taxonomy

N = 10_000


@pytest.fixture(scope="module")
def annotated():
    truths = [labels.true_labels("pretrain", 5, index) for index in range(N)]
    return [(truth, labels.noisy_labels(5, index, truth)) for index, truth in enumerate(truths)]


def _assert_near(count: int, total: int, rate: float) -> None:
    assert abs(count - total * rate) < 4 * np.sqrt(total * rate * (1 - rate))


def test_the_stated_rate_of_the_kept_labels_is_wrong(annotated):
    kept = [(name, truth) for truth, said in annotated for name in said]
    _assert_near(sum(name not in truth for name, truth in kept), len(kept), 0.2)


def test_most_wrong_labels_are_siblings_of_something_in_the_image(annotated):
    wrong = [(name, truth) for truth, said in annotated for name in said if name not in truth]
    sibling = sum(
        any(name in taxonomy.relatives(true)[0] for true in truth) for name, truth in wrong
    )
    assert 0.65 < sibling / len(wrong) < 0.85


def test_labels_beyond_the_first_are_missing_at_the_stated_rate(annotated):
    beyond = sum(len(truth) - 1 for truth, _ in annotated)
    missing = sum(len(truth) - len(said) for truth, said in annotated)
    _assert_near(missing, beyond, 0.3)


def test_every_image_has_a_label_and_none_twice(annotated):
    assert all(len(said) == len(set(said)) >= 1 for _, said in annotated)


def test_noise_is_a_function_of_seed_and_index(annotated):
    for index in (17, 3, 11):
        truth, said = annotated[index]
        assert labels.noisy_labels(5, index, truth) == said
    others = [
        labels.noisy_labels(6, index, truth) for index, (truth, _) in enumerate(annotated[:200])
    ]
    assert others != [said for _, said in annotated[:200]]
