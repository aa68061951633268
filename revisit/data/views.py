"""What training sees of a data set, chosen by config with nothing rewritten.

The records lie on disk in a fixed random order (a hash of their id), so the first part of them is a
random subset, and smaller subsets lie inside larger ones: the paper's data-size study.
"""

from collections.abc import Sequence

from revisit.data.records import Shard, count_examples
from revisit.errors import UserError


def take_fraction(shards: Sequence[Shard], fraction: float) -> tuple[Shard, ...]:
    """The first `fraction` of the records, as shards of which the last may be cut short.

    Args:
      shards: of one split, in their order.
      fraction: in (0, 1]; the number of records is rounded, and is at least one.

    Raises:
      UserError: the fraction is not in (0, 1].
    """
    if not 0.0 < fraction <= 1.0:
        raise UserError(f"config.data.fraction={fraction} is not in (0, 1]")
    left = max(1, round(fraction * count_examples(shards)))
    taken = []
    for shard in shards:
        if left <= 0:
            break
        count = min(left, shard.num_examples)
        taken.append(shard._replace(num_examples=count))
        left -= count
    return tuple(taken)
