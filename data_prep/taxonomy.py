"""Looks a taxonomy file over before anything is built on it.

    python -m data_prep.taxonomy --lint=classes.yaml

Prints its shape; a cycle, an unknown name or a name given twice is one line and exit status 1.
"""

from collections.abc import Sequence

from absl import app, flags

from revisit import cli
from revisit.errors import UserError

_LINT = flags.DEFINE_string("lint", None, "file: CSV or TSV of child,parent, YAML tree, or JSON")


def main(argv: Sequence[str]) -> None:
    """Reads the file and prints a table."""
    from data_prep.report import format_table, taxonomy_rows
    from data_prep.sources.taxonomies import read_taxonomy

    if len(argv) > 1:
        raise app.UsageError(f"unexpected argument {argv[1]!r}: name the file as --lint=FILE")
    if not _LINT.value:
        raise UserError("--lint is missing: name a taxonomy file, as --lint=classes.yaml")
    print(format_table([("taxonomy", _LINT.value), *taxonomy_rows(read_taxonomy(_LINT.value))]))


if __name__ == "__main__":
    cli.run(main)
