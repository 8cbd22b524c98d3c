"""The model card: what the Hub and a reader find in it, and what nobody can smuggle into it."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys

import pytest
import yaml
from huggingface_hub import ModelCard
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from myotype.runtime import Bundle, Provenance, published
from myotype.runtime.bundle import Facts
from myotype.runtime.card import architecture_in_words, model_card
from myotype.runtime.licenses import license_url

CONFIG = {
    "n_outputs": 99, "n_chans": 32, "sfreq": 2000, "num_bands": 2, "electrodes_per_band": 16, "n_fft": 64,
    "hop_length": 16, "mlp_features": [384], "rotation_offsets": [-1, 0, 1], "pooling": "mean",
    "block_channels": [24, 24, 24, 24], "kernel_width": 32,
}  # fmt: skip
FACTS = Facts(
    architecture="EMG2QwertyNet",
    sfreq=2000,
    n_chans=32,
    hop_length=16,
    receptive_field=2048,
    warmup_frames=127,
    look_ahead=0.1,
    parameters=5_293_315,
    multiply_adds=8_370_432,
    precision="float32",
    provenance=Provenance(license="MIT", source="a test"),
)
PUBLISHED = {"license": published.LICENSE, "citation": published.CITATION}
MARKDOWN = MarkdownIt("commonmark").enable("table")

HOSTILE = [
    "a\n---\nlicense: mit\n---\n# Safe",
    "a\r---\rlicense: mit\u2028---\x85---",
    "---",
    "x\n```\n# out of the fence\n<script>alert(1)</script>",
    "````````\n~~~~~~~~~",
    "a | b \\| c \\\\| d",
    "<script>alert(1)</script><img src=x onerror=alert(1)><!-- ",
    "[click](javascript:alert(1)) ![x](http://x/y.png) <http://x> [x]: http://x",
    "**bold** __bold__ _it_ `code` ~~gone~~ # heading \\(x\\) $$x$$ &lt;script&gt;",
    "# heading",
    "- item\n\n1. item\n\n> quote\n\n    code\n\n***",
    "\u202eesrever\u202c \u200b\u2066x\ufeff \x1b[31mred\x00 \ud800",
    "{{ template }} {% x %} %YAML: !!python/object:os.system 'x' \"y\" &anchor *alias",
    "",
]


def card_of(name="model", *, architecture="EMG2QwertyNet", **provenance):
    stated = Provenance(**{"license": "BSD-3-Clause", "source": "a test"} | provenance)
    card = model_card(name, CONFIG, dataclasses.replace(FACTS, architecture=architecture, provenance=stated))
    card.encode()  # nothing in it that cannot be written
    return card


def front_matter(card):
    start, header, _ = card.split("---\n", 2)
    assert start == ""
    return yaml.safe_load(header)


def structure(card):
    """Give the kinds of all blocks of the page, and of all that stands in their lines, text apart."""
    body = card.split("---\n", 2)[2]
    blocks = MARKDOWN.parse(body)
    lines = [child.type for block in blocks for child in block.children or []]
    return [block.type for block in blocks], [kind for kind in lines if kind not in ("text", "softbreak")]


def shown(card):
    return MARKDOWN.render(card.split("---\n", 2)[2])


def test_a_model_derived_from_the_published_weights_passes_on_licence_results_and_citation():
    text = card_of("generic", **PUBLISHED, details={"source SHA-256": published.CHECKPOINT_SHA256})
    data = ModelCard(text).data
    assert (data.license, data.library_name) == ("cc-by-nc-sa-4.0", "myotype")
    assert data.license_name is None
    assert data.tags == ["emg", "surface-electromyography", "typing", "keystroke", "ctc", "EMG2QwertyNet"]
    rows = [line for line in text.splitlines() if "±" in line and line.startswith("|")]
    assert rows == [
        "| generic, unseen people (zero-shot) | 55.57 ± 4.40 | 55.38 ± 4.10 | 52.10 ± 5.54 | 51.78 ± 4.61 |",
        "| one person, random init | 15.65 ± 5.95 | 15.38 ± 5.88 | 11.03 ± 4.45 | 9.55 ± 5.16 |",
        "| generic, then fine-tuned on that person | 11.39 ± 4.28 | 11.28 ± 4.45 | 8.31 ± 3.19 | 6.95 ± 3.61 |",
    ]
    assert "| validation, greedy | test, greedy | validation, 6-gram | test, 6-gram |" in text
    words = " ".join(text.split())
    assert "as Sivakumar et al. (2024) published them. myotype did not measure them" in words
    assert "On people it does not know the generic model makes about 55 % errors." in words
    assert '"zero-shot 16 %" that is quoted elsewhere does not match these results' in words
    assert "make no commercial use of the weights, and share what you derive from them under the same licence" in words
    assert text.count("(https://creativecommons.org/licenses/by-nc-sa/4.0/)") == 2
    assert published.CITATION in text
    assert published.CHECKPOINT_SHA256 in text


def test_the_card_says_how_to_use_the_model_what_for_and_what_it_cannot_do():
    text = " ".join(card_of().split())
    assert "myotype transcribe recording.hdf5 --model" in text
    assert "Transcriber.from_pretrained(" in text
    assert "braindecode's class of the same name" in text
    assert "not for medical use" in text
    assert "without their consent" in text
    assert "2 bands of 16 electrodes at 2000 Hz are needed" in text
    assert "A recording's first 1.02 s are not read" in text
    assert "refused, not resampled" in text
    for row in (
        "| receptive field | 2048 samples, 1.024 s, causal |",
        "| look-ahead | 0.1 s after a key's press |",
        "| parameters | 5,293,315 |",
        "| multiply-adds a frame | 8,370,432 |",
    ):
        assert row in text
    assert "braindecode" not in card_of(architecture="AnotherNet"), "braindecode has no such class"


def test_a_network_of_another_size_or_making_is_not_given_the_published_results():
    size = dataclasses.replace(FACTS, parameters=1000)
    known = {"details": {"source SHA-256": published.CHECKPOINT_SHA256}}
    made = {"details": {"made by": published.MADE_BY}}
    for facts, details in ((size, known), (size, made), (FACTS, made)):
        stated = Provenance(source="a test", **PUBLISHED, **details)
        text = " ".join(model_card("another", CONFIG, dataclasses.replace(facts, provenance=stated)).split())
        assert "**They are not results of this model**" in text
        assert "55.38" in text
        assert "see above" not in text
        assert ("Derived from the emg2qwerty release" in text) == (details is known)
        assert "make no commercial use of the weights" in text


def test_what_a_changed_model_was_made_from_has_rows_of_its_own():
    text = card_of(details={"changed from": {"source": "the lab", "details": {"epoch": 3}}, "weights": 5})
    assert "| before: source | the lab |" in text
    assert "| weights | 5 |" in text


def test_the_card_of_a_model_that_the_transcriber_refuses_does_not_offer_it():
    text = model_card("head", CONFIG | {"n_outputs": 30}, FACTS)
    assert "myotype transcribe recording" not in text
    assert 'load_network("FOLDER")' in text


def test_a_model_trained_from_scratch_has_none_of_the_published_results():
    for provenance in (
        {},
        {"license": published.LICENSE},
        PUBLISHED,
        PUBLISHED | {"details": {"initial weights": "random"}},
        {"citation": published.CITATION},
    ):
        text = card_of(**provenance)
        assert "Published results" not in text
        assert "55.38" not in text
        assert "Derived from" not in text
        assert ("no commercial use" in text) == ("license" in provenance)


@pytest.mark.parametrize(
    ("provenance", "derived"),
    [
        (PUBLISHED, False),  # as braindecode says of every network of the kind
        (PUBLISHED | {"details": {"made by": published.MADE_BY}}, True),
        (PUBLISHED | {"details": {"recognised": published.RECOGNISED}}, True),
        (PUBLISHED | {"details": {"changed from": {"details": {"Hub repository": published.HUB_ID}}}}, True),
        ({"license": published.LICENSE, "details": {"source SHA-256": published.CHECKPOINT_SHA256}}, True),
        ({"license": published.LICENSE, "details": {"repository": published.HUB_ID}}, True),
        ({"license": published.LICENSE}, False),
        (PUBLISHED | {"license": "MIT"}, False),
        (PUBLISHED | {"details": {"initial weights": "random"}}, False),
    ],
)
def test_derived_weights_are_known_by_licence_and_what_is_said_of_them(provenance, derived):
    assert published.is_derived(Provenance(**{"source": "a test"} | provenance)) is derived


def test_a_simulated_model_says_so_in_words_and_tags():
    text = card_of(simulated=True)
    assert ModelCard(text).data.tags[-1] == "simulated"
    assert "Trained on simulated EMG only" in text
    assert "It reads no real person" in text
    assert "simulated" not in card_of()


@pytest.mark.parametrize(
    ("license_", "expected"),
    [
        ("BSD-3-Clause", "bsd-3-clause"),
        ("MIT", "mit"),
        ("mit", "mit"),
        ("Apache-2.0", "apache-2.0"),
        ("CC-BY-4.0", "cc-by-4.0"),
        ("CC BY 4.0", "cc-by-4.0"),
        ("CC0-1.0", "cc0-1.0"),
        ("GPL-3.0-or-later", "gpl-3.0"),
        ("ODbL-1.0", "odbl"),
        ("unknown", "unknown"),
        ("", "unknown"),
    ],
)
def test_the_licence_is_the_one_that_the_hub_knows(license_, expected):
    data = ModelCard(card_of(license=license_)).data
    assert (data.license, data.license_name) == (expected, None)


@pytest.mark.parametrize(
    ("license_", "name"),
    [
        ("LicenseRef-Lab-1", "licenseref-lab-1"),
        ("MIT OR Apache-2.0", "mit-or-apache-2.0"),
        ("2024-01-01", "2024-01-01"),
        ("null", "null"),
        ("1.0", "1.0"),
        ("許可", "unnamed"),
        ("x\nlicense: mit", "x-license-mit"),
    ],
)
def test_a_licence_that_the_hub_does_not_know_is_named(license_, name):
    data = ModelCard(card_of(license=license_)).data
    assert (data.license, data.license_name) == ("other", name)


def test_an_unknown_licence_tells_to_ask():
    assert "nobody has said how these weights may be used" in card_of(license="unknown")


@pytest.mark.parametrize(
    ("license_", "url"),
    [
        ("CC-BY-NC-SA-4.0", "https://creativecommons.org/licenses/by-nc-sa/4.0/"),
        ("CC0-1.0", "https://creativecommons.org/publicdomain/zero/1.0/"),
        ("bsd-3-clause", "https://spdx.org/licenses/BSD-3-Clause.html"),
        ("LicenseRef-Lab-1", ""),
        ("unknown", ""),
    ],
)
def test_a_licence_has_the_address_of_its_text(license_, url):
    assert license_url(license_) == url


@pytest.mark.parametrize("text", HOSTILE)
def test_text_from_elsewhere_stays_text(text):
    benign = card_of("x", source="x", citation="x", details={"x": "x", "y": ["x"]})
    card = card_of(text, source=text, citation=f"x{text}", details={text: text, f"{text}y": [text]})
    assert ModelCard(card).data.to_dict() == ModelCard(benign).data.to_dict()
    assert structure(card) == structure(benign)
    assert "<script" not in shown(card)
    assert not set("\u202e\u202c\u200b\u2066\ufeff\x1b\x00") & set(card)


def test_text_from_elsewhere_is_shown_as_it_was():
    page = shown(
        card_of(
            "a_b *c* <d> & `e`", details={"x|y": "1 \\| 2 $3$ [4](5)", "n": 1.5, "list": [1, "a"], "&lt;": "one\n two"}
        )
    )
    assert "<h1>a_b *c* &lt;d&gt; &amp; `e`</h1>" in page
    assert "<td>x|y</td>\n<td>1 \\| 2 $3$ [4](5)</td>" in page
    assert "<td>n</td>\n<td>1.5</td>" in page
    assert "<td>&amp;lt;</td>\n<td>one two</td>" in page
    assert "<td>list</td>\n<td>[1, &quot;a&quot;]</td>" in page


def test_a_long_text_is_cut_so_that_the_card_stays_a_page():
    assert len(card_of(source="s" * 100_000)) < 5_000


TEXT = st.text(st.characters(codec=None, exclude_categories=())) | st.sampled_from(HOSTILE)


@settings(max_examples=150, deadline=None)
@given(name=TEXT, source=TEXT, key=TEXT, value=TEXT, citation=TEXT)
def test_whatever_files_say_the_page_has_the_same_parts_and_the_same_licence(name, source, key, value, citation):
    card = card_of(name, source=source, details={key: value}, citation=f"x{citation}", license="CC-BY-4.0")
    benign = card_of("x", source="x", details={"x": "x"}, citation="x", license="CC-BY-4.0")
    assert front_matter(card) == front_matter(benign)
    assert front_matter(card)["license"] == "cc-by-4.0"
    assert structure(card) == structure(benign)


@settings(max_examples=150, deadline=None)
@given(license_=TEXT, architecture=TEXT)
def test_whatever_licence_and_architecture_are_called_the_front_matter_is_read(license_, architecture):
    read = front_matter(card_of(license=license_, architecture=architecture))
    assert all(isinstance(value, str) for value in [read["license"], read.get("license_name", ""), *read["tags"]])
    assert read.keys() - {"license_name"} == {"library_name", "license", "tags"}


def test_a_configuration_that_says_little_makes_a_card_all_the_same():
    assert architecture_in_words({}) == []
    card = model_card("model", {"n_chans": 32, "block_channels": [], "n_fft": "x", "mlp_features": None}, FACTS)
    assert ModelCard(card).data.license == "mit"


def test_the_layers_are_described_first_to_last():
    assert architecture_in_words(CONFIG | {"block_channels": [24, 48]}) == [
        "log spectrogram of 64 samples every 16, 33 bins",
        "an MLP of 384 features for each of 2 bands of 16 electrodes, mean over rotations by -1, 0, 1",
        "2 TDS blocks of 24, 48 channels, kernels of 32 frames",
        "a linear head of 99 labels (98 keys and the CTC blank)",
    ]


@pytest.mark.parametrize(("shared", "same", "whose"), [(True, ", the same", ", the same"), (False, "", "")])
def test_the_layers_of_a_splashnet_are_described_first_to_last(shared, same, whose):
    splash = {"frequency_edges": [1, 2, 4, 8, 12, 22, 33], "settling_frames": 125, "shared": shared}
    assert architecture_in_words(CONFIG | splash)[1:4] == [
        "sums over 6 frequency bands, normalised by all of the signal so far (the first 125 frames together)",
        f"an MLP of 384 features{same} for each of 2 bands of 16 electrodes, mean over rotations by -1, 0, 1",
        f"4 TDS blocks of 24 channels, kernels of 32 frames{whose} for each band",
    ]


def test_the_card_of_the_bundled_model_is_made_from_its_files(monkeypatch):
    bundle = Bundle.open("demo")
    version = json.loads((bundle.folder / "myotype.json").read_text())["myotype_version"]
    monkeypatch.setattr("myotype.runtime.card.metadata.version", lambda _: version)
    assert (bundle.folder / "README.md").read_text() == model_card("demo", bundle.config, bundle.facts)


def test_a_card_needs_neither_torch_nor_the_hub():
    code = "import sys; sys.modules['torch'] = sys.modules['huggingface_hub'] = None; import myotype.runtime.card"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
