"""Images a second that one core draws and encodes of the microworld.

python -m benchmarks.microworld_speed
"""

import io
import time
from collections.abc import Callable

from PIL import Image

from data_prep.microworld import rendering, scenes
from data_prep.sources import microworld
from data_prep.sources.source import Row, SourceOptions

GOAL = 400  # images/s a core, drawn and encoded
NUM_IMAGES = 1200
ROUND = 100  # images, enough for rounds to be alike


def _seconds(action: Callable[[Row], object], rows: list[Row]) -> float:
    """Processor time an image: the best of several rounds, as other work only slows."""
    rounds = []
    for start in range(0, len(rows), ROUND):
        begin = time.process_time()
        for row in rows[start : start + ROUND]:
            action(row)
        rounds.append((time.process_time() - begin) / ROUND)
    return min(rounds)


def _encoded_size(row: Row, **options: object) -> int:
    image = rendering.render(scenes.make_scene(*row.reference.scene), microworld.IMAGE_SIZE).image
    file = io.BytesIO()
    Image.fromarray(image).save(file, **options)  # type: ignore[arg-type]
    return file.tell()


def main() -> None:
    """Prints a table: what is done, images/s of processor time, ratio to the goal."""
    for world in ("pretrain", "transfer"):
        source = microworld.make_source(SourceOptions(world=world, num_images=NUM_IMAGES))
        rows = [row for row in source.rows() if isinstance(row, Row)]
        _seconds(source.read, rows[:20])  # tiles of patterns are made once a process
        for name, action in (
            ("layout", lambda row: scenes.make_scene(*row.reference.scene)),
            ("layout, drawing, JPEG", source.read),
        ):
            rate = 1 / _seconds(action, rows)
            print(f"{world:9} {name:22} {rate:8.0f} images/s  {rate / GOAL:6.2f} of the goal")
        jpeg, png = (
            sum([_encoded_size(row, format=each, quality=90) for row in rows[:100]]) / 100
            for each in ("JPEG", "PNG")
        )
        print(f"{world:9} bytes an image: JPEG {jpeg:.0f}, PNG {png:.0f}")


if __name__ == "__main__":
    main()
