"""revisit.training.window: what the steps between two lines of progress come to."""

from revisit.training.window import Window


def test_rates_are_of_the_time_of_steps_alone() -> None:
    window = Window(lambda results: results)
    window.results, window.waited = [(1.0, 0.0, 0.0)] * 4, 5.0
    window.paused = 40.0  # for a checkpoint
    window.settle(4)
    figures = window.figures(batch_size=8, seconds=60.0)
    assert (figures["images_per_second"], figures["input_wait_share"]) == (4 * 8 / 20, 5 / 20)
