r"""Builds a data set that training reads: TFRecords with labels closed over a taxonomy.

    python -m data_prep.build --source=manifest --manifest=labels.csv --images=photos \
        --taxonomy=classes.yaml --out=data/mine

Beam's own flags are passed on: `--runner=DataflowRunner --project=...` builds it on many machines.
The same command goes on where a build was stopped.
"""

import logging
import sys
from collections.abc import Sequence
from typing import Any

from absl import flags

from revisit import cli
from revisit.errors import UserError

_SOURCES = (
    "coco",
    "image_folder",
    "imagenet21k",
    "manifest",
    "microworld",
    "open_images",
    "tencent",
    "tfds",
    "voc",
    "webdataset",
)

_SOURCE = flags.DEFINE_enum("source", "manifest", _SOURCES, "the form that the images come in")
_OUT = flags.DEFINE_string("out", None, "directory of the data set; new, empty, or begun before")
_MANIFEST = flags.DEFINE_string(
    "manifest", "", "tables of images and labels: a file, a pattern, or several, with commas"
)
_IMAGES = flags.DEFINE_string(
    "images", "", "the pictures: a folder, tar archives, or what the source calls for"
)
_TAXONOMY = flags.DEFINE_string("taxonomy", "", "CSV or TSV of child,parent, YAML tree, or JSON")
_ALLOW_OUTSIDE_PATHS = flags.DEFINE_bool(
    "allow_outside_paths", False, "follow links, absolute paths and ../ out of --images"
)
_SPLIT = flags.DEFINE_string("split", "", "splits of a TFDS set, with commas (default: all)")
_LABEL_FEATURE = flags.DEFINE_string("label_feature", "", "the feature of a TFDS set with labels")
_SEED = flags.DEFINE_integer("seed", 0, "decides the order on disk, the split, and what is drawn")
_VALIDATION_FRACTION = flags.DEFINE_float(
    "validation_fraction", 0.05, "share of the images that name no split", 0.0, 1.0
)
_EXAMPLES_PER_SHARD = flags.DEFINE_integer(
    "examples_per_shard",
    1024,
    "images a file on average; 1024 of 100 KB make 100 MB",
    1,
)
_MAX_BAD_FRACTION = flags.DEFINE_float(
    "max_bad_fraction", 0.01, "share of rows that may be rejected before the build fails", 0.0, 1.0
)
_MAX_PIXELS = flags.DEFINE_integer(
    "max_pixels", 100_000_000, "of an image; larger ones are rejected before they get memory", 1
)
_SHORT_SIDE = flags.DEFINE_integer(
    "short_side", 0, "pixels; images whose shorter side is longer are made smaller; 0: none is", 0
)
_JPEG_QUALITY = flags.DEFINE_integer(
    "jpeg_quality", 95, "of photographs that have to be encoded again", 1, 100
)
_EVALUATION_SETS = flags.DEFINE_list(
    "evaluation_sets",
    [],
    "directories of built data sets; their images' near duplicates here are listed",
)
_NUM_IMAGES = flags.DEFINE_integer("num_images", 25_000, "how many to draw (microworld)", 1)
_WORLD = flags.DEFINE_enum("world", "pretrain", ("pretrain", "transfer"), "one of the microworld")
_COPIES = flags.DEFINE_float(
    "copies", 0.0, "share of the images that show an earlier one again (microworld)", 0.0, 0.9
)
_NUM_PROCESSES = flags.DEFINE_integer(
    "num_processes",
    None,
    "reading images in each of Beam's workers (default: one a core; 1 if you choose a --runner)",
    1,
)


def _check_out() -> str:
    if not _OUT.value:
        raise UserError("--out is missing: name the directory of the data set, as --out=data/mine")
    return str(_OUT.value)


def main(argv: Sequence[str]) -> None:
    """Builds, then prints what was built."""
    out = _check_out()
    from data_prep.builder import BuildOptions, build
    from data_prep.images import ImageOptions
    from data_prep.pipeline import PlanOptions
    from data_prep.report import describe
    from data_prep.sources.source import SourceOptions
    from revisit.data.records import read_dataset

    options = BuildOptions(
        source_name=_SOURCE.value,
        source=SourceOptions(
            manifest=_MANIFEST.value,
            images=_IMAGES.value,
            taxonomy=_TAXONOMY.value,
            allow_outside_paths=_ALLOW_OUTSIDE_PATHS.value,
            split=_SPLIT.value,
            label_feature=_LABEL_FEATURE.value,
            seed=_SEED.value,
            num_images=_NUM_IMAGES.value,
            world=_WORLD.value,
            copies=_COPIES.value,
        ),
        out=out,
        plan=PlanOptions(
            seed=_SEED.value,
            validation_fraction=_VALIDATION_FRACTION.value,
            examples_per_shard=_EXAMPLES_PER_SHARD.value,
            images=ImageOptions(_MAX_PIXELS.value, _SHORT_SIDE.value, _JPEG_QUALITY.value),
        ),
        max_bad_fraction=_MAX_BAD_FRACTION.value,
        num_processes=_NUM_PROCESSES.value,
        evaluation_sets=tuple(_EVALUATION_SETS.value),
    )
    build(options, _beam_options)
    print(describe(read_dataset(out)))


_beam_options: dict[str, Any] = {}

if __name__ == "__main__":
    # Beam takes seconds to import: worker processes, which import this file too, do without.
    logging.getLogger().addFilter(lambda record: "apitools" not in record.getMessage())
    from data_prep.builder import split_arguments

    sys.argv[1:], _beam_options = split_arguments(sys.argv[1:])
    cli.run(main)
