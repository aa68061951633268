"""revisit.training.logs: what a line in the terminal shows."""

from revisit.training.logs import shown


def test_the_log_line_of_an_evaluation_shows_the_loss_and_the_first_figures():
    few = {"top_1": 0.5, "loss": 1.25}
    assert shown(few) == "loss 1.25  top_1 0.5"
    many = {**few, **{f"extra_{k}": k for k in range(5)}}
    text = shown(many)
    assert text == "loss 1.25  top_1 0.5  extra_0 0  extra_1 1  extra_2 2  (2 more in metrics.csv)"
