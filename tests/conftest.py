"""What several tests share."""

import os
import pathlib

import pytest

os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent


def shared_data(*parts: str) -> pathlib.Path:
    """The path of real data that lies beside the project's checkout; skips the test where there is none."""
    path = REPOSITORY.parent.joinpath("shared", "data", *parts)
    if not path.exists():
        pytest.skip(f"needs real data that is not part of the project: {path.name}")
    return path
