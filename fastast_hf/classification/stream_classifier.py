"""A sound that goes on -> labels of its windows as they arrive, at one or several merge ratios in turns."""

import time
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import closing
from typing import Any, NamedTuple, cast

import numpy as np
from transformers import PreTrainedModel

from fastast_hf.classification.results import LabelScore
from fastast_hf.classification.scoring import (
    best_labels,
    check_at_least_1,
    input_arguments,
    label_probabilities,
    model_inputs,
)
from fastast_hf.classification.streaming import (
    Clock,
    StreamStatistics,
    StreamWindow,
    WindowQueue,
    arriving_windows,
    put_in_background,
)
from fastast_hf.model.log_mel import samples_of_frames, window_length


class Heard(NamedTuple):
    """The labels of a window, when they are there and not shown yet.

    Attributes:
        start: Where the window begins, in seconds of the stream.
        end: Where it ends.
        labels: The best labels, best first.
        merge_ratio: At which it was computed; None for the model's own schedule.
        compute_seconds: From its waveform to its labels.
        num_dropped: Windows that were dropped since the one before.
        window: What was heard, and when it arrived.
    """

    start: float
    end: float
    labels: tuple[LabelScore, ...]
    merge_ratio: float | None
    compute_seconds: float
    num_dropped: int
    window: StreamWindow


class StreamClassifier:
    """Classifies a stream in windows. It falls behind in the open: see `fastast_hf.classification.streaming`.

    Several merge ratios take turns from window to window, so that each has the machine for itself and hears about the same.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        feature_extractor: Any,
        *,
        window: float = 1.0,
        hop: float = 0.5,
        merge_ratios: Sequence[float | None] = (None,),
        top_k: int = 3,
        patience: float = 1.0,
        can_drop: bool = True,
        clock: Clock = time.perf_counter,
    ) -> None:
        """Check the settings and let the model run once at each ratio, since first runs are slow.

        Args:
            model: An audio classifier, in eval mode. With ratios, one that has `set_merge_ratio`.
            feature_extractor: The model's.
            window: Seconds of sound that get labels of their own, from 25 ms to the `max_length` of the feature extractor.
            hop: Seconds from the start of a window to that of the next.
            merge_ratios: Ratios, each once; None is the model's own schedule.
            top_k: Labels of a window.
            patience: Seconds of windows that may wait, at least one window, before they are dropped. Sound that comes in
                bursts, as from many programs, needs as much as a burst.
            can_drop: Whether sound goes on while the model computes. If not, it is asked for when the model has time, and
                nothing is dropped: for sound that can wait.
            clock: Seconds.

        Raises:
            ValueError: An argument is out of its range.
        """
        check_at_least_1(top_k=top_k)
        rate = feature_extractor.sampling_rate
        shortest, longest = window_length(rate), samples_of_frames(feature_extractor.max_length, rate)
        if not shortest / rate <= window <= longest / rate:
            raise ValueError(
                f"`window` must be from {shortest / rate:g} to {longest / rate:g} seconds, one analysis window to the "
                f"`max_length` of the feature extractor, got {window}. Give another one."
            )
        if not 1 / rate <= hop < float("inf"):
            raise ValueError(f"`hop` must be a positive number of seconds, got {hop}. Half the window is a good one.")
        if not 0 <= patience < float("inf"):
            raise ValueError(
                f"`patience` must be a number of seconds, got {patience}. At 0, one window waits, the newest."
            )
        if not merge_ratios or len(set(merge_ratios)) < len(merge_ratios):
            raise ValueError(f"`merge_ratios` must be different from each other, got {merge_ratios}. Give each once.")
        self._model, self._feature_extractor, self._clock, self._top_k = model, feature_extractor, clock, top_k
        self._arguments = input_arguments(model, feature_extractor, None)
        self._window, self._hop, self._min_samples, self._rate = (
            round(window * rate),
            round(hop * rate),
            shortest,
            rate,
        )
        self._can_drop = can_drop
        self.end = 0.0
        self._max_waiting = max(1, int(patience / hop + 1e-6))  # 0.3 / 0.1 is a little less than 3
        self._queue = WindowQueue(self._max_waiting, clock=clock)
        self.statistics = {ratio: StreamStatistics(self._hop / rate) for ratio in merge_ratios}
        for ratio in merge_ratios:
            self._labels(np.zeros(self._window, dtype=np.float32), ratio)

    @property
    def num_dropped(self) -> int:
        """Windows of this stream dropped so far, at all ratios."""
        return self._queue.num_dropped

    @property
    def behind(self) -> float:
        """Seconds that the labels are behind the sound now. Any thread may ask."""
        return self._queue.behind

    def listen(self, chunks: Iterable[np.ndarray]) -> Generator[Heard, None, None]:
        """Classify a stream until it ends, or until this generator is closed, as `contextlib.closing` does.

        Args:
            chunks: The sound as it arrives, (samples,) float32 at the feature extractor's rate. If windows can be dropped, a
                thread of its own takes them; it ends with this generator, see `put_in_background`.

        Yields:
            The windows that were computed. Give each to `shown` when it is.

        Raises:
            Exception: An error of `chunks`, after the windows before it.
        """
        ratios = list(self.statistics)
        self._queue = WindowQueue(self._max_waiting, clock=self._clock)  # that of a stream before is closed
        num_dropped, before = 0, ratios[0]
        with closing(self._windows(chunks)) as windows:  # whatever happens here: its thread must not go on
            for number, window in enumerate(windows):
                newly = self._queue.num_dropped - num_dropped
                num_dropped += newly
                self.statistics[before].num_dropped += newly  # they went by while that one computed
                before = ratios[number % len(ratios)]
                started = self._clock()
                labels = self._labels(window.waveform, before)
                seconds = self._clock() - started
                start, self.end = window.start / self._rate, (window.start + len(window.waveform)) / self._rate
                yield Heard(start, self.end, labels, before, seconds, newly, window)

    def shown(self, heard: Heard) -> float:
        """Count a window as shown, now.

        Args:
            heard: What `listen` gave.

        Returns:
            Its latency in seconds.
        """
        latency = self._clock() - heard.window.arrived_at
        self.statistics[heard.merge_ratio].add(compute_seconds=heard.compute_seconds, latency=latency)
        return latency

    def _windows(self, chunks: Iterable[np.ndarray]) -> Generator[StreamWindow, None, None]:
        windows = arriving_windows(
            self._queue.until_left(chunks), self._window, self._hop, min_samples=self._min_samples, clock=self._clock
        )
        if not self._can_drop:
            yield from windows
            return
        with put_in_background(windows, self._queue):
            while (window := self._queue.take()) is not None:
                yield window

    def _labels(self, waveform: np.ndarray, merge_ratio: float | None) -> tuple[LabelScore, ...]:
        """Compute the labels of a waveform."""
        model: Any = self._model
        if merge_ratio is not None:
            model.set_merge_ratio(merge_ratio)
        inputs = model_inputs(self._feature_extractor, [waveform], self._arguments, model)
        id2label = cast(Mapping[int, str], model.config.id2label)
        return best_labels(label_probabilities(model, inputs), id2label, self._top_k)[0]
