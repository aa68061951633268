"""Looks a taxonomy file over before anything is built on it.

    python -m data_prep.taxonomy --lint=classes.yaml
    python -m data_prep.taxonomy --lint=classes.yaml --data=data/mine --min_images=20

Prints its shape and what was found. What makes a closure wrong (a cycle, whose path is printed; a
name given twice, unknown, or below no root) is an error, and the exit status is 1; the rest are
warnings. With --data, also abstract classes without images and leaves with few.
"""

from collections.abc import Sequence

from absl import flags

from revisit import cli
from revisit.errors import UserError

_LINT = flags.DEFINE_string(
    "lint",
    None,
    "file: CSV or TSV of child,parent, YAML tree, taxonomy.json, WordNet's data.noun or "
    "wordnet.is_a.txt, Open Images' hierarchy JSON, Tencent ML-Images' hierarchy",
)
_DATA = flags.DEFINE_string("data", None, "directory of a data set, or CSV of class,images")
_MIN_IMAGES = flags.DEFINE_integer("min_images", 20, "that a leaf should have", 0)
_EXAMPLES = flags.DEFINE_integer("examples", 3, "how many cases of each finding are printed", 1)


def main(argv: Sequence[str]) -> None:
    """Reads the file and prints two tables."""
    from data_prep import lint
    from data_prep.report import format_table, taxonomy_rows
    from data_prep.sources.taxonomies import read_classes
    from revisit.data.taxonomy import make_taxonomy

    if not _LINT.value:
        raise UserError("--lint is missing: name a taxonomy file, as --lint=classes.yaml")
    graph = read_classes(_LINT.value)
    counts = lint.read_counts(_DATA.value) if _DATA.value else None
    findings = lint.lint(graph, counts, _MIN_IMAGES.value)
    if findings:
        print(lint.format_findings(findings, _EXAMPLES.value))
    lint.check_findings(findings, _LINT.value)
    print(format_table([("taxonomy", _LINT.value), *taxonomy_rows(make_taxonomy(*graph))]))


if __name__ == "__main__":
    cli.run(main)
