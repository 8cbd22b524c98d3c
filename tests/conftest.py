"""Fixtures that every test may use."""

from __future__ import annotations

from pathlib import Path

import pytest

SHARED = Path(__file__).parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of facts and reference outputs that lies beside the project."""
    if not SHARED.is_dir():
        pytest.skip("the folder ../shared with the reference data is absent")
    return SHARED


@pytest.fixture(scope="session")
def golden(shared: Path) -> Path:
    """The reference outputs that a compatible implementation must reproduce."""
    return shared / "golden"
