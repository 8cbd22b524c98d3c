"""Fixtures that every test may use."""

from __future__ import annotations

import importlib.util
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from hub_server import Hub

SHARED = Path(__file__).parents[2] / "shared"

# No test may reach the Hugging Face Hub, nor read what the person who runs the tests has of it: a test that forgets the
# fixture `hub` finds nobody at home. huggingface_hub reads these when it is imported, and processes inherit them.
for name in [name for name in os.environ if name.startswith(("HF_", "HUGGING"))]:
    del os.environ[name]
os.environ |= {
    "HF_ENDPOINT": "http://127.0.0.1:9",
    "HF_HOME": "/nonexistent/huggingface",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_XET": "1",
    "NO_PROXY": "*",
}


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


def pytest_itemcollected(item: pytest.Item) -> None:
    """Let huggingface_hub hand files to its HTTP library as it does, which that library warns of."""
    if "hub" in getattr(item, "fixturenames", ()):
        item.add_marker(pytest.mark.filterwarnings("ignore:Use 'content=<...>':DeprecationWarning"))


@pytest.fixture
def hub(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A stand-in for the Hugging Face Hub, and an empty cache: for this process, and for those in its `environment`."""
    from huggingface_hub import constants, file_download
    from huggingface_hub.utils import _cache_assets, _http, disable_progress_bars, enable_progress_bars

    server = _hub_server().Hub(tmp_path_factory.mktemp("huggingface"))
    for name, value in {
        "ENDPOINT": server.url,
        "HUGGINGFACE_CO_URL_TEMPLATE": server.url + "/{repo_id}/resolve/{revision}/{filename}",
        "HF_HOME": str(server.home),
        "HF_HUB_CACHE": str(server.home / "hub"),
        "HF_ASSETS_CACHE": str(server.home / "assets"),
        "HF_TOKEN_PATH": str(server.home / "token"),
        "HF_STORED_TOKENS_PATH": str(server.home / "stored_tokens"),
    }.items():
        monkeypatch.setattr(constants, name, value)
    monkeypatch.setattr(_cache_assets, "HF_ASSETS_CACHE", constants.HF_ASSETS_CACHE)
    for module in (_http, file_download):  # which wait between attempts
        monkeypatch.setattr(module, "time", SimpleNamespace(**{**vars(time), "sleep": lambda _: None}))
    _http.close_session()
    disable_progress_bars()  # those that break off would show up in the midst of something else
    yield server
    enable_progress_bars()
    _http.close_session()
    server.close()


def _hub_server() -> ModuleType:
    """Load the stand-in: the folder of tests is no package, and not on the path."""
    if "hub_server" not in sys.modules:
        spec = importlib.util.spec_from_file_location("hub_server", Path(__file__).with_name("hub_server.py"))
        assert spec is not None
        assert spec.loader is not None
        module = sys.modules["hub_server"] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return sys.modules["hub_server"]
