"""The beam search written down plainly, with tuples and dictionaries, to hold the compiled one to.

Nothing here is shared with the decoder: not the language model, not the search, not the rules for committing.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace

import numpy as np

from myotype.decoding.automaton import Automaton
from myotype.keyboard import BLANK, KEYS, SYMBOLS

BACKSPACE = KEYS.index("Key.backspace")
NEVER = -math.inf


class Arpa:
    """An n-gram model as dictionaries: (words) -> log10 probability, (words) -> log10 back-off weight."""

    def __init__(self, ngrams, backoffs):
        self.ngrams = ngrams
        self.backoffs = backoffs
        self.order = max(len(words) for words in ngrams)
        self.unk_log10 = ngrams["<unk>",]

    @classmethod
    def load(cls, path):
        ngrams, backoffs, order = {}, {}, 0
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.startswith("\\"):
                order = int(line[1]) if line.endswith("-grams:") else 0
            elif line.strip() and order:
                log10, *words = line.split()
                # single precision, as every reader of these files keeps it
                if len(words) > order:
                    backoffs[tuple(words[:order])] = float(np.float32(words[order]))
                ngrams[tuple(words[:order])] = float(np.float32(log10))
        return cls(ngrams, backoffs)

    def log10(self, context, word):
        """P(word | context), by the longest n-gram there is; back-off weights are summed from the longest on."""
        backoff = 0.0
        while (*context, word) not in self.ngrams:
            if not context:
                return -99.0
            backoff += self.backoffs.get(context, 0.0)
            context = context[1:]
        return backoff + self.ngrams[(*context, word)]

    def after(self, context, word):
        """Give as much of the context as an n-gram can have."""
        return (*context, word)[-(self.order - 1) :] if self.order > 1 else ()


class TinyModel:
    """An `Arpa` as the flat arrays that the decoder takes."""

    def __init__(self, arpa):
        words = sorted({word for words in arpa.ngrams for word in words})
        number = {word: i for i, word in enumerate(words)}
        states = {()} | {words[:-1] for words in arpa.ngrams} | set(arpa.backoffs)
        states |= {words[i:] for words in states for i in range(len(words))}
        states = sorted(states, key=lambda words: (len(words), words))
        state = {context: i for i, context in enumerate(states)}

        def longest(words):
            while words not in state:
                words = words[1:]
            return words

        children = {context: [] for context in states}
        for words_, log10 in arpa.ngrams.items():
            after = state[longest(words_)]
            children[words_[:-1]].append((number[words_[-1]], log10, after))
        flat = [child for context in states for child in sorted(children[context])]
        self.automaton = Automaton(
            child_start=np.cumsum([0, *(len(children[context]) for context in states)]).astype(np.int64),
            child_word=np.array([child[0] for child in flat], np.uint16),
            child_log10=np.array([child[1] for child in flat], np.float32),
            child_state=np.array([child[2] for child in flat], np.int32),
            backoff=np.array([arpa.backoffs.get(context, 0.0) for context in states], np.float32),
            shorter=np.array([state[longest(context[1:])] if context else -1 for context in states], np.int32),
        )
        self.begin = state[longest(("<s>",))]
        self.end_word = number["</s>"]
        self.unk_log10 = arpa.unk_log10
        self.key_words = np.array([number.get(key, -1) for key in KEYS], np.int32)


@dataclass(frozen=True)
class Reading:
    """A hypothesis: all that its key sequence and its way there have made it."""

    labels: tuple = ()
    frames: tuple = ()
    blank: float = NEVER
    key: float = NEVER
    context: tuple | None = None  # None: at the beginning of a word
    history: tuple | None = None  # of what is to be seen: (score of the key, context before it, history before it)
    confidences: tuple = ()

    @property
    def total(self):
        return log_sum(self.blank, self.key)


def log_sum(a, b):
    high, low = max(a, b), min(a, b)
    return high if low == NEVER else high + math.log1p(math.exp(low - high))


class Search:
    """The search, and what is committed as it goes: give `step` a frame, look at `beam` and the committed lists."""

    def __init__(
        self,
        beam_size=50,
        labels_per_frame=10,
        lm=None,
        lm_weight=2.0,
        insertion_bonus=2.0,
        *,
        backspace=True,
        commit_delay=None,
        confidence_delay=16,
        hotwords=None,
    ):
        self.beam_size = beam_size
        self.labels_per_frame = labels_per_frame
        self.lm = lm
        self.lm_weight = lm_weight
        self.insertion_bonus = insertion_bonus
        self.backspace = backspace
        self.commit_delay = commit_delay
        self.confidence_delay = confidence_delay
        self.hotwords = hotwords or {}
        self.beam = [Reading(blank=0.0)]
        self.n_frames = 0
        self.n_committed = 0  # the first so many labels of every reading
        self.committed_frames = []
        self.committed_confidences = []

    @property
    def committed_labels(self):
        return list(self.beam[0].labels[: self.n_committed])

    def weighted(self, log10):
        return self.lm_weight * min(max(log10, -1000.0), 0.0)

    def append(self, reading, label):
        """Give (score, context, history) of a reading with a key more."""
        if self.backspace and label == BACKSPACE:
            if reading.history is None:
                return 0.0, None, None
            score, context, history = reading.history
            return -score + self.gain(reading, label), context, history
        score, context = 0.0, None
        if self.lm is not None:
            before = ("<s>",) if reading.context is None else reading.context
            if (KEYS[label],) in self.lm.ngrams:
                score = self.weighted(self.lm.log10(before, KEYS[label]))
                context = self.lm.after(before, KEYS[label])
            elif reading.context is None:
                score = self.weighted(self.lm.unk_log10)
            else:
                score = self.weighted(self.lm.log10(before, "</s>"))
            score += self.insertion_bonus
        return score + self.gain(reading, label), context, (score, reading.context, reading.history)

    def gain(self, reading, label):
        """Give what hot words add when a reading goes on by a key, also if that deletes one."""
        if not self.hotwords:
            return 0.0
        before, after = self.seen(reading.labels), self.seen((*reading.labels, label))
        return bias(after, self.hotwords) - bias(before, self.hotwords)

    def seen(self, labels):
        """Give the symbols of the keys that are to be seen."""
        keys = []
        for label in labels:
            if self.backspace and label == BACKSPACE:
                del keys[-1:]
            else:
                keys.append(SYMBOLS[label])
        return "".join(keys)

    def step(self, row):
        """One frame of emissions: all readings anew, parents from best to worst, staying before going on."""
        row = [float(value) for value in row]
        kept = sorted(range(len(row)), key=lambda label: -row[label])[: self.labels_per_frame]
        found = {}
        for reading in self.beam:
            last = reading.labels[-1] if reading.labels else None
            blank = reading.total + row[BLANK] if BLANK in kept else NEVER
            key = reading.key + row[last] if last in kept else NEVER
            add(found, replace(reading, blank=blank, key=key))
            for label in kept:
                if label == BLANK:
                    continue
                score, context, history = self.append(reading, label)
                longer = Reading(
                    labels=(*reading.labels, label),
                    frames=(*reading.frames, self.n_frames),
                    confidences=(*reading.confidences, None),
                    key=(reading.blank if label == last else reading.total) + row[label] + score,
                    context=context,
                    history=history,
                )
                add(found, longer)
        alive = [reading for reading in found.values() if reading.total > NEVER]
        self.beam = sorted(alive, key=lambda reading: -reading.total)[: self.beam_size]
        due = self.n_frames - self.confidence_delay
        self.beam = [self.judged(reading, lambda frame: frame == due) for reading in self.beam]
        if self.commit_delay is not None:
            self.cut(self.n_frames - self.commit_delay)
        self.n_frames += 1
        n = self.n_committed
        while all(reading.labels[n : n + 1] == self.beam[0].labels[n : n + 1] != () for reading in self.beam) and (
            len({reading.frames[n] for reading in self.beam}) == 1
        ):
            self.commit(n + 1)
            n += 1

    def cut(self, horizon):
        """Commit what the best reading has up to a frame, and drop the readings that have something else there."""
        best = self.beam[0]
        n = max(sum(frame <= horizon for frame in best.frames), self.n_committed)
        self.beam[0] = self.judged(best, lambda frame: frame <= horizon)
        agreeing = [
            reading
            for reading in self.beam
            if reading.labels[:n] == best.labels[:n]
            and (
                len(reading.labels) == n
                or reading.frames[n] > horizon
                or reading.labels[n : n + 1] == best.labels[n : n + 1]
            )
        ]
        self.commit(n)
        self.beam = agreeing

    def commit(self, n):
        best = self.judged(self.beam[0], lambda _: True)
        for frame, confidence in zip(
            best.frames[self.n_committed : n], best.confidences[self.n_committed : n], strict=True
        ):
            self.committed_frames.append(max([frame, *self.committed_frames[-1:]]))
            self.committed_confidences.append(confidence)
        self.n_committed = n

    def judged(self, reading, is_due):
        """Fill in the confidences that are due: of the readings that agree up to a key, the share that has it too."""
        confidences = list(reading.confidences)
        for i, frame in enumerate(reading.frames):
            if i >= self.n_committed and confidences[i] is None and is_due(frame):
                confidences[i] = self.mass(reading.labels[: i + 1]) / self.mass(reading.labels[:i])
        return replace(reading, confidences=tuple(confidences))

    def mass(self, labels):
        best = max(reading.total for reading in self.beam)
        return sum(math.exp(r.total - best) for r in self.beam if r.labels[: len(labels)] == labels)

    @property
    def n_settled(self):
        """Where the first key of any reading that is not committed begins."""
        last = max([0, *self.committed_frames])
        begins = [max(r.frames[self.n_committed], last) for r in self.beam if len(r.labels) > self.n_committed]
        return min([self.n_frames, *begins])

    def finish(self, *, end_of_word=True):
        """Close the words that are open, and put the readings in order."""
        closed = []
        for reading in self.beam:
            score = 0.0
            if end_of_word and self.lm is not None and reading.context is not None:
                score = self.weighted(self.lm.log10(reading.context, "</s>"))
            seen = self.seen(reading.labels)
            score += bias(seen, self.hotwords, ended=True) - bias(seen, self.hotwords)
            closed.append(replace(reading, blank=reading.blank + score, key=reading.key + score))
        self.beam = sorted(closed, key=lambda reading: -reading.total)

    def pending(self):
        """Give (labels, frames, confidences) of the best reading after what is committed."""
        best = self.judged(self.beam[0], lambda _: True)
        n = self.n_committed
        frames = np.maximum.accumulate([*self.committed_frames[-1:], *best.frames[n:]])
        return list(best.labels[n:]), list(frames[len(self.committed_frames[-1:]) :]), list(best.confidences[n:])


def bias(seen, hotwords, *, ended=False):
    """Give what hot words add to a key sequence, as it is to be seen: for each beginning of a word, the most.

    A hot word counts that stands there, or that what is there may still become.
    """
    letters = "abcdefghijklmnopqrstuvwxyz0123456789'"
    keys = seen.replace("⇧", "").lower()
    total = 0.0
    for start in range(len(keys)):
        if start > 0 and keys[start - 1] in letters:
            continue
        rest, most = keys[start:], 0.0
        for word, weight in hotwords.items():
            hot = re.sub(" +", " ", word.replace("⇧", "").lower().strip())
            goes_on = rest[len(hot) : len(hot) + 1]
            if rest.startswith(hot) and not (goes_on and goes_on in letters and hot[-1] in letters):
                most = max(most, weight * len(hot))
            elif hot.startswith(rest) and not ended:
                most = max(most, weight * len(rest))
        total += most
    return total


def add(found, reading):
    """Add a way to a key sequence; the first one says when its keys began, and be it of probability zero."""
    before = found.setdefault(reading.labels, replace(reading, blank=NEVER, key=NEVER))
    blank, key = log_sum(before.blank, reading.blank), log_sum(before.key, reading.key)
    found[reading.labels] = replace(before, blank=blank, key=key)


def random_model(seed):
    """Make up a small language model, proper or not: of some keys, with holes, and with equal probabilities."""
    random = np.random.default_rng(seed)
    keys = ["a", "b", "c", "Key.space"][: random.integers(1, 5)]
    words = [*keys, "</s>"]
    coarse = random.random() < 0.3

    def log10(low, high):
        value = random.uniform(low, high)
        return float(np.float32(round(value) if coarse else value))

    ngrams = {("<s>",): -99.0, ("<unk>",): log10(-3, 0)} | {(word,): log10(-3, 0) for word in words}
    contexts, backoffs = [("<s>",), *((key,) for key in keys)], {}
    for order in range(2, random.integers(1, 5) + 1):
        backoffs |= {context: log10(-1, 0.2) for context in contexts if random.random() < 0.8}
        longer = [(*context, word) for context in contexts for word in words if random.random() < 0.5]
        ngrams |= {ngram: log10(-3, 0) for ngram in longer}
        contexts = [ngram for ngram in longer if ngram[-1] != "</s>"]
        if not longer:
            backoffs = {context: weight for context, weight in backoffs.items() if len(context) < order - 1}
            break
    return Arpa(ngrams, backoffs)


def random_hotwords(seed):
    """Make up some hot words of few keys, with weights that binary fractions are exact for."""
    random = np.random.default_rng(seed)
    found = {}
    for _ in range(random.integers(0, 8)):
        word = "".join(random.choice([*"aabbcE '⇧-"[: random.integers(1, 11)]], random.integers(1, 7)))
        keys = re.sub(" +", " ", word.replace("⇧", "").lower().strip())
        if keys:
            found.setdefault(keys, (word, float(random.choice([0, 0.25, 0.5, 1, 3]))))
    return dict(found.values())


def random_emissions(seed, n_frames, kind):
    """Make up emissions of few keys: "noisy", "tied", "impossible" (zeros in between), "peaky", "deleting"."""
    random = np.random.default_rng(seed)
    if kind == "deleting":
        emissions = np.full((n_frames, len(KEYS) + 1), NEVER)
        emissions[:, [0, 1, BACKSPACE, BLANK]] = np.log(random.dirichlet(np.full(4, random.choice([0.3, 1])), n_frames))
        return emissions
    labels = [*range(3), KEYS.index("E"), BACKSPACE, KEYS.index("Key.space"), KEYS.index("Key.shift"), BLANK]
    shape = (n_frames, len(labels))
    logits = (
        np.full((n_frames, len(KEYS) + 1), NEVER) if random.random() < 0.5 else random.normal(-6, 1, (n_frames, 99))
    )
    chosen = random.normal(0, 2, shape)
    if kind == "tied":
        chosen = random.integers(0, 3, shape).astype(float)
    elif kind == "impossible":
        chosen[random.random(shape) < 0.4] = NEVER
        chosen[np.arange(n_frames), random.integers(0, len(labels), n_frames)] = 0
    elif kind == "peaky":
        chosen = np.full(shape, -5.0)
        chosen[:, -1] = 2
        chosen[np.arange(n_frames), random.integers(0, len(labels), n_frames)] += random.uniform(0, 7, n_frames)
    logits[:, labels] = chosen
    emissions = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    return emissions.astype(np.float32) if random.random() < 0.5 else emissions
