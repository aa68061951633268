"""What several tests share."""

import os
import pathlib
from collections.abc import Callable

import pytest

os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent


@pytest.fixture
def shared_data() -> Callable[..., pathlib.Path]:
    """shared_data("folder", "file"): real data beside the checkout; skips the test if missing."""

    def find(*parts: str) -> pathlib.Path:
        path = REPOSITORY.parent.joinpath("shared", "data", *parts)
        if not path.exists():
            pytest.skip(f"needs real data that is not part of the project: {path.name}")
        return path

    return find
