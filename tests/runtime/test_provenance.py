"""What files say of the origin of weights, taken strictly."""

from __future__ import annotations

import json

import pytest

from myotype.errors import ModelError
from myotype.runtime import Provenance
from myotype.runtime.provenance import provenance_metadata, provenance_of_metadata

SOUND = {"license": "MIT", "source": "a test"}
FULL = Provenance(
    license="CC-BY-NC-SA-4.0",
    source="Zeichen: ü, ⏎",
    simulated=True,
    citation="@book{a}",
    details={"seeds": [1, 2], "CER": 1.5, "more": {"none": None}},
)


def test_what_is_not_said_is_the_default():
    assert Provenance.from_json(SOUND, "there") == Provenance(license="MIT", source="a test")


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (None, "there: expected a JSON object, found NoneType"),
        ([], "there: expected a JSON object, found list"),
        ({}, "there: license is missing"),
        ({"license": "MIT"}, "there: source is missing"),
        (SOUND | {"licence": "MIT"}, "there: 'licence' is not known; known are license, source, simulated, citation"),
        (SOUND | {"\x1b[2J": 1}, r"there: '\x1b[2J' is not known"),
        (SOUND | {"license": 5}, "there: license is no str"),
        (SOUND | {"source": None}, "there: source is no str"),
        (SOUND | {"simulated": 1}, "there: simulated is no bool"),
        (SOUND | {"citation": ["a"]}, "there: citation is no str"),
        (SOUND | {"details": [1]}, "there: details is no dict"),
        (SOUND | {"license": ""}, "there: license is ''; expected an SPDX identifier, or 'unknown'"),
        (SOUND | {"license": "MIT\n"}, r"there: license is 'MIT\n'; expected an SPDX identifier, or 'unknown'"),
        (SOUND | {"license": "\x1b[2J"}, r"there: license is '\x1b[2J'; expected an SPDX identifier"),
        (SOUND | {"license": "x" * 101}, f"there: license is '{'x' * 100}'; expected an SPDX identifier"),
        (SOUND | {"source": "x" * 20_001}, "there: source has 20001 characters; at most 20000 are read"),
        (SOUND | {"citation": "x" * 20_001}, "there: citation has 20001 characters; at most 20000 are read"),
    ],
)
def test_what_is_malformed_is_refused_by_name(content, found):
    with pytest.raises(ModelError) as caught:
        Provenance.from_json(content, "there")
    assert str(caught.value).startswith(found)


def test_metadata_carry_it_there_and_back():
    metadata = provenance_metadata(FULL)
    assert [type(text) for text in metadata.values()] == [str]  # one entry: the order of several is not fixed
    assert provenance_of_metadata(metadata, "there") == FULL


def test_metadata_need_not_say_anything():
    assert provenance_of_metadata({"format": "pt"}, "there") is None


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "5", json.dumps(SOUND | {"license": 5})])
def test_malformed_metadata_are_refused_with_their_place(text):
    with pytest.raises(ModelError, match=r"^there: (the metadata's )?provenance"):
        provenance_of_metadata({"provenance": text}, "there")
