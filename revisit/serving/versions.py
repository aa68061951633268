"""The numbered folders of a served model, as TensorFlow Serving reads them: DIR/1, DIR/2, ..."""

import pathlib


def list_versions(directory: pathlib.Path) -> list[int]:
    """Numbers of the versions in a model's directory, ascending; [] if it does not exist.

    A server takes whatever has a number for its whole name, and nothing else, for a version.
    """
    if not directory.is_dir():
        return []
    return sorted(int(path.name) for path in directory.iterdir() if path.name.isdecimal())
