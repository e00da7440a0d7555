"""Labels of a stream: those of `classify_files`; and what is dropped when computing is slow, on a clock of the tests' own."""

import itertools
import threading
from contextlib import closing, contextmanager

import numpy as np
import pytest
import soundfile

from fastast_hf import FastASTFeatureExtractor
from fastast_hf.classification import classify_files, stream_classifier
from fastast_hf.classification.results import LabelScore
from fastast_hf.classification.stream_classifier import StreamClassifier
from fastast_hf.classification.stream_sources import file_chunks
from fastast_hf.classification.streaming import WindowQueue
from tests.conftest import tiny_ast, tiny_model

RATE = 16_000
EXTRACTOR = FastASTFeatureExtractor(num_mel_bins=36, max_length=96)


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    path = tmp_path_factory.mktemp("sounds") / "sound.wav"
    soundfile.write(path, np.random.default_rng(0).uniform(-0.5, 0.5, round(2.3 * RATE)), RATE)
    return path


@pytest.mark.parametrize("can_drop", [False, True])
@pytest.mark.parametrize("ratios", [(None,), (0.3,), (0.0, 0.4, 0.2)])
def test_labels_are_those_of_files(sound, ratios, can_drop):
    options = {"window": 0.5, "hop": 0.2, "top_k": 5}
    # with patience for the whole file, nothing is dropped on any machine
    classifier = StreamClassifier(
        tiny_model(merge_ratio=0.1), EXTRACTOR, **options, merge_ratios=ratios, can_drop=can_drop, patience=10
    )
    found = []
    for heard in classifier.listen(file_chunks(sound, RATE)):
        assert classifier.shown(heard) >= heard.compute_seconds > 0
        found.append(heard)
    assert [heard.merge_ratio for heard in found] == [ratios[number % len(ratios)] for number in range(len(found))]
    for ratio in ratios:
        model = tiny_model(merge_ratio=0.1 if ratio is None else ratio)
        expected = list(classify_files(model, EXTRACTOR, sound, **options))
        assert len(found) == len(expected) == 10
        for heard, result in zip(found, expected, strict=True):
            assert (heard.start, heard.end, heard.num_dropped) == (result.start, result.end, 0)
            if heard.merge_ratio == ratio:
                assert dict(heard.labels) == pytest.approx(dict(result.labels), abs=1e-5)
    counts = [(one.num_windows, one.num_dropped) for one in classifier.statistics.values()]
    assert sum(windows for windows, _ in counts) == 10
    assert {dropped for _, dropped in counts} == {0}
    assert (classifier.num_dropped, classifier.behind) == (0, 0)


def test_an_ast_is_heard_as_it_is(sound):
    classifier = StreamClassifier(tiny_ast(), EXTRACTOR, can_drop=False, window=0.5, hop=0.5, top_k=1)
    expected = classify_files(tiny_ast(), EXTRACTOR, sound, window=0.5, top_k=1)
    for heard, result in zip(classifier.listen(file_chunks(sound, RATE)), expected, strict=True):
        assert heard.labels[0].label == result.labels[0].label


@pytest.mark.parametrize("end", ["closed", "error"])
def test_the_thread_of_an_endless_stream_ends_with_the_listening(end, monkeypatch):
    classifier = StreamClassifier(tiny_model(), EXTRACTOR, window=0.5, hop=0.5)
    before = set(threading.enumerate())
    with closing(classifier.listen(itertools.repeat(np.zeros(320, dtype=np.float32)))) as found:
        next(found)
        (thread,) = set(threading.enumerate()) - before
        if end == "error":
            monkeypatch.setattr(stream_classifier, "model_inputs", None)
            with pytest.raises(TypeError):
                next(found)
            assert not thread.is_alive(), "also while somebody holds the error and its frames"
    assert not thread.is_alive()


class Simulation:
    """A stream on a clock that only computing and waiting for sound turn: chunk k is there at `chunk * (k + 1)` seconds."""

    def __init__(self, seconds, cost):
        self.now = 0.0
        self.seconds, self.cost = seconds, cost
        self.coming, self.queue = [], None

    def chunks(self):
        for number in range(round(self.seconds * 10)):
            self.now = (number + 1) / 10
            yield np.zeros(RATE // 10, dtype=np.float32)

    @contextmanager
    def start(self, windows, queue):
        self.coming, self.queue = list(windows), queue
        self.now = 0.0
        yield

    def pass_until(self, now):
        self.now = max(self.now, now)
        while self.coming and self.coming[0].arrived_at <= self.now:
            self.queue.put(self.coming.pop(0))
        if not self.coming:
            self.queue.close()

    def compute(self, waveform, merge_ratio):
        if self.queue is not None:  # the stream has begun
            self.pass_until(self.now + self.cost[merge_ratio])
        return (LabelScore("sound", 1.0),)

    def install(self, monkeypatch):
        simulation = self

        class Queue(WindowQueue):
            def take(self):
                if not self._waiting and simulation.coming:
                    simulation.pass_until(simulation.coming[0].arrived_at)
                return super().take()

        monkeypatch.setattr(stream_classifier, "WindowQueue", Queue)
        monkeypatch.setattr(stream_classifier, "put_in_background", self.start)
        monkeypatch.setattr(StreamClassifier, "_labels", lambda _, *arguments: self.compute(*arguments))


def naive(arrivals, cost, max_waiting):
    """What happens, event by event: the windows computed, by ratio, their latencies, and how many each ratio dropped."""
    ratios, coming, waiting, now = list(cost), list(arrivals), [], 0.0
    computed, dropped, ratio = [], dict.fromkeys(ratios, 0), ratios[0]

    def arrive(until):
        nonlocal waiting
        while coming and coming[0] <= until + 1e-9:
            waiting.append(coming.pop(0))
            if len(waiting) > max_waiting:
                dropped[ratio] += len(waiting) - 1
                waiting = waiting[-1:]

    while coming or waiting:
        if not waiting:
            now = max(now, coming[0])
            arrive(now)
        window = waiting.pop(0)
        ratio = ratios[len(computed) % len(ratios)]
        now += cost[ratio]
        arrive(now)
        computed.append((ratio, window, now - window))
    return computed, dropped


@pytest.mark.parametrize("patience", [0.0, 1.0, 2.0])
@pytest.mark.parametrize(
    "cost", [{None: 0.25}, {None: 1.25}, {0.0: 1.75, 0.4: 0.25}, {0.0: 9.0}, {0.1: 0.75, 0.2: 2.25, 0.3: 0.75}]
)
def test_a_slow_model_drops_windows_and_says_so(monkeypatch, cost, patience):
    simulation = Simulation(seconds=20, cost=cost)
    simulation.install(monkeypatch)
    classifier = StreamClassifier(
        tiny_model(),
        EXTRACTOR,
        window=0.5,
        hop=0.5,
        merge_ratios=tuple(cost),
        patience=patience,
        clock=lambda: simulation.now,
    )
    found, latencies, furthest = [], [], 0.0
    for heard in classifier.listen(simulation.chunks()):
        furthest = max(furthest, classifier.behind)
        latencies.append(classifier.shown(heard))
        found.append(heard)
    arrivals = [0.5 * (number + 1) for number in range(40)]
    computed, dropped = naive(arrivals, cost, max(1, int(patience / 0.5)))
    assert [(heard.merge_ratio, heard.end) for heard in found] == [(ratio, end) for ratio, end, _ in computed]
    assert latencies == pytest.approx([latency for *_, latency in computed])
    assert {ratio: one.num_dropped for ratio, one in classifier.statistics.items()} == dropped
    assert classifier.num_dropped == sum(dropped.values()) == sum(heard.num_dropped for heard in found)
    assert len(found) + classifier.num_dropped == 40, "every window is computed or told as dropped"
    assert furthest == pytest.approx(max(latencies)), "the display says how late the latest label is"
    for ratio, statistics in classifier.statistics.items():
        assert statistics.real_time_factor == pytest.approx(cost[ratio] / 0.5)
    assert (classifier.num_dropped > 0) == (sum(cost.values()) / len(cost) > 0.5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"window": 0.01}, r"`window` must be from 0\.025 to 0\.975 seconds, .* got 0\.01\. Give another one"),
        ({"window": 2.0}, "`window` must be from .* got 2"),
        ({"hop": 0.0}, r"`hop` must be a positive number of seconds, got 0\.0\. Half the window"),
        ({"hop": float("inf")}, "`hop` must be a positive number of seconds, got inf"),
        ({"patience": -1.0}, r"`patience` must be a number of seconds, got -1\.0\. At 0, one window waits"),
        (
            {"merge_ratios": (0.1, 0.1)},
            r"`merge_ratios` must be different from each other, got \(0\.1, 0\.1\)\. Give each",
        ),
        ({"top_k": 0}, r"`top_k` must be at least 1, got 0\. Leave it out for the default"),
        ({"top_k": -1}, "`top_k` must be at least 1, got -1"),
        ({"merge_ratios": ()}, r"`merge_ratios` must be different from each other, got \(\)"),
    ],
)
def test_arguments_are_refused_at_once(arguments, message):
    with pytest.raises(ValueError, match=message):
        StreamClassifier(tiny_model(), EXTRACTOR, **{"window": 0.5, **arguments})
