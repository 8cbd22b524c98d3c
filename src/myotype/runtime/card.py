"""The model card: what a person should know before using a model."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import TYPE_CHECKING, Any, Final

from myotype.keyboard import N_LABELS
from myotype.runtime import published
from myotype.runtime.licenses import UNKNOWN, hub_name, license_url, normal, spdx
from myotype.runtime.provenance import Provenance

if TYPE_CHECKING:
    from myotype.runtime.bundle import Facts

_LONGEST: Final = 600
"""Characters of one text in the card, which is to stay a page; ``myotype.json`` has them all."""

_ESCAPES: Final = str.maketrans(
    {character: f"\\{character}" for character in "`*[]#~"}
    # Backslashes and dollars begin formulas on the Hub, escaped or not; a bar ends a cell of a table.
    | {"\\": "&#92;", "$": "&#36;", "|": "&#124;", "&": "&amp;", "<": "&lt;", ">": "&gt;"}
)

_SIMULATED: Final = """\
> **Trained on simulated EMG only.** This model reads the simulated typist it was trained on. It reads no real person:
> expect noise from a real wristband.
"""

_USE: Final = """\
## How to use

```
myotype transcribe recording.hdf5 --model FOLDER
```

```python
import myotype

transcript = myotype.Transcriber.from_pretrained("FOLDER").transcribe("recording.hdf5")
print(transcript.text)
```

FOLDER is the folder that this card lies in, or the name of its repository on the Hugging Face Hub.
"""

_USE_IN_PYTORCH: Final = """\
## How to use

myotype's transcriber does not take it: that wants 99 labels and 32 channels. In PyTorch:

```python
from myotype.network import load_network

network = load_network("FOLDER")
```

FOLDER is the folder that this card lies in, or the name of its repository on the Hugging Face Hub.
"""

_BRAINDECODE: Final = """\
`config.json` and `model.safetensors` load in braindecode's class of the same name, `EMG2QwertyNet`, as they are.
"""

_INTENDED: Final = """\
## Intended use

Research on typing from surface EMG. It is not for medical use, and not for reading people without their consent:
keystrokes are secrets, and so is a recording of the muscles that made them.
"""

_PUBLISHED: Final = """\
## Published results

Of the emg2qwerty release, as Sivakumar et al. (2024) published them. WHOSE

Character error rates in percent of whole recordings of eight held-out people, mean ± standard deviation over people;
the 6-gram is a language model of characters.

| | validation, greedy | test, greedy | validation, 6-gram | test, 6-gram |
|---|---|---|---|---|
ROWS

**On people it does not know the generic model makes about 55 % errors.** The "zero-shot 16 %" that is quoted elsewhere
does not match these results: it is close to the row of one person with random init.
"""

_OF_THESE_WEIGHTS: Final = """\
myotype did not measure them, and
they tell of this model only as far as its weights are the released ones."""

_OF_OTHERS: Final = """\
**They are not results of this
model**, but of that release's network of 5,293,315 parameters."""

_INHERITED: Final = """\
## Licence

ORIGIN emg2qwerty release by Sivakumar et al. (NeurIPS 2024,
[arXiv 2410.20081](https://arxiv.org/abs/2410.20081)), and under its licence,
[CC BY-NC-SA 4.0](LICENSE_URL):
name that source and what you changed (what was changed so far stands below), make no commercial use of the weights, and
share what you derive from them under the same licence.
"""


def model_card(name: str, config: Mapping[str, Any], facts: Facts) -> str:
    """Write a model's card in Markdown, with the front matter that the Hugging Face Hub reads.

    What comes from files (names, sources, details, citations) is shown as text, whatever markup it holds.

    Parameters
    ----------
    name
        What the model is called.
    config
        The network's constructor arguments.
    facts
        What is known of the model.
    """
    provenance = facts.provenance
    derived = published.is_derived(provenance)
    known = published.is_named(provenance) and facts.parameters == published.PARAMETERS
    runs = (config.get("n_outputs"), facts.n_chans) == (N_LABELS, 32)  # what the transcriber takes
    sections = [
        _front_matter(facts) + f"\n# {_text(name)}\n",
        "Reads keystrokes from the surface EMG of both wrists, with myotype.\n" if runs else "A network of myotype.\n",
    ]
    if provenance.simulated:
        sections.append(_SIMULATED)
    sections += [_table(_facts(config, facts)), _USE if runs else _USE_IN_PYTORCH]
    if facts.architecture == "EMG2QwertyNet":
        sections.append(_BRAINDECODE)
    sections.append(_INTENDED)
    if derived:
        rows = "\n".join(f"| {' | '.join(row)} |" for row in published.RESULTS)
        sections.append(_PUBLISHED.replace("ROWS", rows).replace("WHOSE", _OF_THESE_WEIGHTS if known else _OF_OTHERS))
    sections.append(_limits(config, facts, results=known))
    if derived:
        origin = "Derived from the" if published.is_named(provenance) else "Made by the training code of the"
        url = license_url(published.LICENSE)
        sections.append(_INHERITED.replace("ORIGIN", origin).replace("LICENSE_URL", url))
    written_by = ("written by", f"myotype {metadata.version('myotype')}")
    made = [("source", provenance.source), *_flat(provenance.details), written_by]
    sections.append("## Where it comes from\n\n" + _table([(_text(key), _text(value)) for key, value in made]))
    if provenance.citation.strip():
        sections.append("## Citation\n\n" + _fenced(provenance.citation))
    return "\n".join(sections)


def architecture_in_words(config: Mapping[str, Any]) -> list[str]:
    """Describe a network's layers in words, first to last, as far as its configuration tells."""
    words = []
    n_fft, hop_length = config.get("n_fft"), config.get("hop_length")
    if isinstance(n_fft, int) and hop_length is not None:
        words.append(f"log spectrogram of {n_fft} samples every {hop_length}, {n_fft // 2 + 1} bins")
    edges = config.get("frequency_edges")
    if isinstance(edges, Sequence):
        words.append(
            f"sums over {len(edges) - 1} frequency bands, normalised by all of the signal so far (the first "
            f"{config.get('settling_frames')} frames together)"
        )
    same = ", the same" if config.get("shared") is True else ""
    if "mlp_features" in config:
        words.append(
            f"an MLP of {_listed(config['mlp_features'])} features{same} for each of {config.get('num_bands')} bands "
            f"of {config.get('electrodes_per_band')} electrodes, {config.get('pooling')} over rotations by "
            f"{_listed(config.get('rotation_offsets'))}"
        )
    channels = config.get("block_channels")
    if isinstance(channels, Sequence):
        each = channels[0] if len(set(map(str, channels))) == 1 else _listed(channels)
        whose = f"{same} for each band" if "shared" in config else ""
        kernels = f"kernels of {config.get('kernel_width')} frames"
        words.append(f"{len(channels)} TDS blocks of {each} channels, {kernels}{whose}")
    if "n_outputs" in config:
        words.append(f"a linear head of {_labels(config)}")
    return words


def _front_matter(facts: Facts) -> str:
    known = hub_name(spdx(facts.provenance.license) or "")
    if known is not None:
        terms = [f"license: {known}"]
    elif normal(facts.provenance.license) == UNKNOWN:
        terms = ["license: unknown"]
    else:
        terms = ["license: other", f"license_name: {_slug(facts.provenance.license).lower()}"]
    tags = ["emg", "surface-electromyography", "typing", "keystroke", "ctc", _slug(facts.architecture)]
    if facts.provenance.simulated:
        tags.append("simulated")
    return "\n".join(["---", "library_name: myotype", *terms, f"tags: [{', '.join(tags)}]", "---"])


def _facts(config: Mapping[str, Any], facts: Facts) -> list[tuple[str, str]]:
    return [
        ("architecture", _text(f"{facts.architecture}: {'; '.join(architecture_in_words(config))}")),
        ("input", f"{facts.n_chans} channels at {facts.sfreq:g} Hz, microvolts"),
        ("output", f"log-probabilities of {_text(_labels(config))}, {facts.frame_rate:g} frames a second"),
        ("receptive field", f"{facts.receptive_field} samples, {facts.receptive_field / facts.sfreq:.3f} s, causal"),
        ("look-ahead", f"{facts.look_ahead:g} s after a key's press"),
        ("parameters", f"{facts.parameters:,}"),
        ("multiply-adds a frame", f"{facts.multiply_adds:,}"),
        ("licence", _terms(facts.provenance)),
    ]


def _terms(provenance: Provenance) -> str:
    if normal(provenance.license) == UNKNOWN:
        return "unknown: nobody has said how these weights may be used; ask whoever made them"
    name, url = _text(provenance.license), license_url(provenance.license)
    return (f"[{name}]({url})" if url else name) + (": no commercial use" if provenance.is_noncommercial else "")


def _limits(config: Mapping[str, Any], facts: Facts, *, results: bool) -> str:
    bands, electrodes = config.get("num_bands"), config.get("electrodes_per_band")
    worn = f"{bands} bands of {electrodes} electrodes" if bands and electrodes else f"{facts.n_chans} electrodes"
    if results:
        known = "People it was not trained on: see above. It knows English in lower case with basic punctuation."
    elif facts.provenance.simulated:
        known = "Other typists than the simulated one of its training, simulated or real, are not read."
    else:
        known = "People, languages and ways of typing that it was not trained on are read far worse than those it was."
    return (
        "## Limits\n\n"
        f"- {_text(worn)} at {facts.sfreq:g} Hz are needed, left band first, worn as in the data it was trained on: "
        "a band\n  put on another way is read worse. Recordings at other rates are refused, not resampled.\n"
        f"- {known}\n"
        f"- A recording's first {facts.receptive_field / facts.sfreq:.2f} s are not read, nor are keys in its last "
        f"{facts.look_ahead:g} s.\n"
    )


def _flat(details: Mapping[str, Any], before: str = "") -> list[tuple[str, Any]]:
    """Put what a changed model was made from into rows of its own."""
    rows: list[tuple[str, Any]] = []
    for key, value in details.items():
        rows += _flat(value, "before: ") if before == "" and isinstance(value, dict) else [(f"{before}{key}", value)]
    return rows


def _labels(config: Mapping[str, Any]) -> str:
    count = config.get("n_outputs")
    return f"{count} labels" + (f" ({N_LABELS - 1} keys and the CTC blank)" if count == N_LABELS else "")


def _listed(values: object) -> str:
    return ", ".join(map(str, values)) if isinstance(values, (list, tuple)) else str(values)


def _slug(text: str) -> str:
    """Make a name for the front matter: quoted, so that no name is a number, a date or nothing to YAML."""
    return json.dumps(re.sub(r"[^A-Za-z0-9.]+", "-", text).strip("-.")[:64] or "unnamed")


def _table(rows: Sequence[tuple[str, str]]) -> str:
    return "".join(["| | |\n|---|---|\n", *(f"| {name} | {value} |\n" for name, value in rows)])


def _text(value: object) -> str:
    """Write what came from a file as one line of text that Markdown and HTML leave as it is."""
    words = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    line = _visible(" ".join(words.split()))
    if len(line) > _LONGEST:
        line = f"{line[:_LONGEST]}…"
    escaped = line.translate(_ESCAPES)
    return re.sub(r"(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])", r"\\_", escaped)  # inside a word it means nothing


def _fenced(text: str) -> str:
    """Write lines between fences that are longer than any in them."""
    lines = "\n".join(_visible(line.expandtabs()) for line in text.strip().splitlines())
    fence = "`" * max([3, *(len(run) + 1 for run in re.findall("`+", lines))])
    return f"{fence}\n{lines}\n{fence}\n"


def _visible(text: str) -> str:
    """Replace what controls a display, or cannot be written at all, by a character that is seen."""
    return "".join("�" if unicodedata.category(character) in ("Cc", "Cf", "Cs") else character for character in text)
