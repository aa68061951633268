"""Exports a trained model for TensorFlow Serving, as the next version of a served model.

python -m revisit.export --workdir=WORKDIR --out=models/NAME       # models/NAME/1, then /2, ...
"""

from collections.abc import Sequence

from absl import flags

from revisit import cli
from revisit.errors import UserError

_WORKDIR = flags.DEFINE_string("workdir", None, "Workdir of the run whose model is exported.")
_OUT = flags.DEFINE_string("out", None, "Directory of the served model's versions.")
_CHECKPOINT = flags.DEFINE_enum("checkpoint", "last", ["last", "best"], "Which checkpoint to take.")


def main(argv: Sequence[str]) -> None:
    """Exports, and prints where the new version lies."""
    if not _WORKDIR.value or not _OUT.value:
        raise UserError(
            "--workdir=DIR (a run) and --out=DIR (of the served model) must both be given"
        )

    cli.import_tensorflow()
    from revisit.serving.exporter import export

    print(export(_WORKDIR.value, _OUT.value, _CHECKPOINT.value))


if __name__ == "__main__":
    cli.run(main)
