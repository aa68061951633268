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
_PYRAMID = flags.DEFINE_bool("pyramid", False, "Let the signature `features` give all stages too.")
_WEIGHTS_DTYPE = flags.DEFINE_enum(
    "weights_dtype", "float32", ["float32", "bfloat16"], "How kernels are stored."
)
_LICENSE = flags.DEFINE_string("license", "not stated", "The model's, for its card.")
_KEEP = flags.DEFINE_integer("keep", 0, "Newest versions that are kept; 0: all.", lower_bound=0)


def main(argv: Sequence[str]) -> None:
    """Exports, and prints where the new version lies."""
    if not _WORKDIR.value or not _OUT.value:
        raise UserError(
            "--workdir=DIR (a run) and --out=DIR (of the served model) must both be given"
        )

    cli.import_tensorflow()
    from revisit.serving.exporter import Options, export

    options = Options(
        which=_CHECKPOINT.value,
        pyramid=_PYRAMID.value,
        weights_dtype=_WEIGHTS_DTYPE.value,
        license=_LICENSE.value,
        keep=_KEEP.value,
    )
    print(export(_WORKDIR.value, _OUT.value, options))


if __name__ == "__main__":
    cli.run(main)
