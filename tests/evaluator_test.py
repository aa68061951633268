"""revisit.evaluation.evaluator: rows of numbers and of strings."""

import numpy as np
import pytest
import tensorflow as tf

from revisit.evaluation.evaluator import evaluate

STRATEGIES = {
    "one device": lambda: tf.distribute.OneDeviceStrategy("/cpu:0"),
    "mirrored": lambda: tf.distribute.MirroredStrategy(["/cpu:0"]),
}


@pytest.mark.parametrize("name", STRATEGIES)
def test_strings_of_any_length_and_numbers_come_back_in_their_order(name: str) -> None:
    strategy = STRATEGIES[name]()
    names = [b"", b"a", b"\x00\xff", b"three\x00"]
    batches = tf.data.Dataset.from_tensor_slices({"name": names, "x": np.arange(4.0)}).batch(4)
    rows: list = []
    evaluate(
        strategy,
        lambda batch: {**batch, "twice": 2 * batch["x"]},
        strategy.experimental_distribute_dataset(batches),
        rows.append,
    )
    (row,) = rows
    assert row["name"].tolist() == names
    np.testing.assert_array_equal(row["twice"], [0, 2, 4, 6])
