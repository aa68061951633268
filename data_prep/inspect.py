"""Shows what a data set holds: a table, and a contact sheet for a person's eyes.

python -m data_prep.inspect --data=data/mine
"""

import os
from collections.abc import Sequence

from absl import flags

from revisit import cli
from revisit.data.records import read_dataset
from revisit.errors import UserError

_DATA = flags.DEFINE_string("data", None, "directory of the data set")
_SPLIT = flags.DEFINE_string(
    "split", "", "whose images are drawn (default: train, or the first where there is none)"
)
_NUM_IMAGES = flags.DEFINE_integer("num_images", 36, "drawn on the contact sheet", 1)
_SHEET = flags.DEFINE_string(
    "sheet", "", "file of the contact sheet (default: contact_sheet.png in the data set)"
)
_PICTURE = flags.DEFINE_string("picture", "", "write the split's first image to this file too")


def main(argv: Sequence[str]) -> None:
    """Prints the table and draws the sheet."""
    if not _DATA.value:
        raise UserError("--data is missing: name a data set's directory, as --data=data/mine")
    dataset = read_dataset(_DATA.value)
    from data_prep.report import describe, shown_split

    split = _SPLIT.value or shown_split(dataset)
    dataset.num_examples(split)  # there is such a split, or a clear line
    print(describe(dataset))
    cli.import_tensorflow()  # after the table, which does without
    from data_prep.contact_sheet import read_records, write_contact_sheet

    path = _SHEET.value or os.path.join(_DATA.value, "contact_sheet.png")
    write_contact_sheet(dataset, split, _NUM_IMAGES.value, path)
    print(f"  contact sheet: {path}")
    if _PICTURE.value:
        record = next(read_records(dataset, split, 1))
        with open(_PICTURE.value, "wb") as file:
            file.write(record["image"])
        print(f"  picture: {_PICTURE.value}")


if __name__ == "__main__":
    cli.run(main)
