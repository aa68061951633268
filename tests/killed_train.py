"""revisit.train, which is killed (SIGKILL) at a moment: python -m tests.killed_train MOMENT FLAGS.

A killer from outside would hit such moments only by luck.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any

from revisit import cli


def _die(*_: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _in_step_5() -> None:
    from revisit.training import loop

    make_train_step, calls = loop.make_train_step, []

    def make(*arguments: Any) -> Callable:
        train_step = make_train_step(*arguments)

        def step(*batch: Any) -> Any:
            calls.append(batch)
            if len(calls) == 5:
                threading.Timer(0.001, _die).start()
            return train_step(*batch)

        return step

    loop.make_train_step = make


def _in_the_first_evaluation() -> None:
    from revisit.training import loop

    loop.draw_split = _die  # after the scores


def _in_the_save_of_step_6() -> None:
    import tensorflow as tf

    save = tf.train.CheckpointManager.save

    def die_while_writing(prefix: str) -> None:
        while not os.path.exists(prefix + "_temp"):
            pass
        _die()

    def save_watched(self: Any, checkpoint_number: int) -> str:
        prefix = os.path.join(self.directory, "ckpt-6")
        threading.Thread(target=die_while_writing, args=(prefix,), daemon=True).start()
        return save(self, checkpoint_number)

    tf.train.CheckpointManager.save = save_watched


MOMENTS = {
    "step": _in_step_5,
    "evaluation": _in_the_first_evaluation,
    "save": _in_the_save_of_step_6,
}

if __name__ == "__main__":
    cli.import_tensorflow()
    MOMENTS[sys.argv.pop(1)]()
    from revisit import train

    cli.run(train.main)
