"""Files to labels: whatever goes on at the same time, the answers are those of one clip after the other."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from transformers import ASTFeatureExtractor

from fastast_hf import FastASTFeatureExtractor
from fastast_hf.classification import classify_files
from fastast_hf.data import load_audio
from tests.conftest import ESC10, SHARED, requires_shared, tiny_ast, tiny_model

RATE = 16_000
SIZES = {"num_mel_bins": 36, "max_length": 96}  # 15,600 samples, 0.975 s
FAST, STOCK = FastASTFeatureExtractor(**SIZES), ASTFeatureExtractor(**SIZES)


def write(path, seconds, seed=0, rate=RATE):
    generator = np.random.default_rng(seed)
    samples = generator.uniform(-0.5, 0.5, round(seconds * rate)) * np.linspace(0, 1, round(seconds * rate))
    soundfile.write(path, samples, rate)
    return path


@pytest.fixture(scope="module")
def sounds(tmp_path_factory):
    """A folder of clips of all lengths up to 1.3 s, of two rates."""
    folder = tmp_path_factory.mktemp("sounds")
    lengths = [0.05 + 0.13 * (number * 7 % 10) for number in range(23)]
    return [
        write(folder / f"{number:02}.wav", seconds, number, rate=(RATE, 22_050)[number % 2])
        for number, seconds in enumerate(lengths)
    ]


def naive(model, extractor, waveform, **kwargs):
    """Scores by label of one clip by itself, (labels,)."""
    inputs = extractor(waveform, sampling_rate=RATE, return_tensors="pt", **kwargs)
    with torch.no_grad():
        scores = model.eval()(**inputs).logits[0].softmax(-1)
    return {model.config.id2label[index]: score for index, score in enumerate(scores.tolist())}


def assert_same(result, expected):
    assert result.error is None
    found = dict(result.labels)
    assert found.keys() == expected.keys()
    assert list(found.values()) == sorted(found.values(), reverse=True)
    for label in expected:
        assert found[label] == pytest.approx(expected[label], abs=1e-4)


SETTINGS = [
    {"batch_size": 1, "num_workers": 1},
    {"batch_size": 4, "num_workers": 2},
    {"batch_size": 4, "num_workers": 2, "lookahead": 4},
    {"batch_size": 7, "num_workers": 5, "lookahead": 9},
    {"batch_size": 64, "num_workers": 3},
]


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("merge_ratio", [0.0, 0.2])
def test_the_answers_are_those_of_one_clip_after_the_other(sounds, merge_ratio, settings):
    model = tiny_model(merge_ratio=merge_ratio)
    results = list(classify_files(model, FAST, sounds, top_k=None, **settings))
    assert [result.path for result in results] == [str(path) for path in sounds]
    for result, path in zip(results, sounds, strict=True):
        waveform = load_audio(path)
        assert_same(result, naive(model, FAST, waveform, padding="longest"))
        assert (result.start, result.end) == (0.0, min(len(waveform), 15_600) / RATE)
        assert result.is_truncated == (len(waveform) > 15_600)


@pytest.mark.parametrize(
    ("model", "extractor", "padding"),
    [(tiny_ast, STOCK, None), (tiny_ast, FAST, None), (tiny_model, STOCK, None), (tiny_model, FAST, "max_length")],
)
def test_padded_as_ast_does_where_nothing_else_is_known_or_wanted(sounds, model, extractor, padding):
    results = classify_files(model(), extractor, sounds, top_k=None, batch_size=5, padding=padding)
    for result, path in zip(results, sounds, strict=True):
        assert_same(result, naive(tiny_ast(), STOCK, load_audio(path)))


def test_the_order_of_the_files_does_not_change_an_answer(sounds):
    forth = {result.path: dict(result.labels) for result in classify_files(tiny_model(), FAST, sounds)}
    back = {result.path: dict(result.labels) for result in classify_files(tiny_model(), FAST, sounds[::-1])}
    for path, labels in forth.items():
        assert back[path] == pytest.approx(labels, abs=1e-4)


@pytest.mark.parametrize("hop", [0.2, 0.5, None])
def test_windows_of_a_recording(tmp_path, hop):
    path = write(tmp_path / "long.wav", 3.3, rate=22_050)
    model = tiny_model()
    results = list(classify_files(model, FAST, path, window=0.5, hop=hop, top_k=None, batch_size=3))
    whole = load_audio(path)
    starts = {0.2: 0.2 * np.arange(15), 0.5: 0.5 * np.arange(7), None: 0.5 * np.arange(7)}[hop]
    assert [result.start for result in results] == pytest.approx(starts)
    assert [result.end for result in results] == pytest.approx(np.minimum(starts + 0.5, 3.3), abs=1e-4)
    for result in results:
        assert not result.is_truncated
        waveform = whole[round(result.start * RATE) : round(result.end * RATE)]
        assert_same(result, naive(model, FAST, waveform, padding="longest"))


def test_a_rest_shorter_than_an_analysis_window_is_dropped(tmp_path):
    dropped, kept = write(tmp_path / "a.wav", 1.024), write(tmp_path / "b.wav", 1.025)
    results = list(classify_files(tiny_model(), FAST, [dropped, kept], window=0.5))
    assert [(result.path[-5], result.end) for result in results] == [
        *(("a", end) for end in (0.5, 1.0)),
        *(("b", end) for end in (0.5, 1.0, 1.025)),
    ]


def test_files_that_cannot_be_read_do_not_stop_the_others(sounds, tmp_path):
    (tmp_path / "text.wav").write_text("not a sound")
    (tmp_path / "nothing").mkdir()
    whole = sounds[3].read_bytes()
    (tmp_path / "cut.wav").write_bytes(whole[: len(whole) // 2])
    broken = [tmp_path / name for name in ("text.wav", "gone.wav", "cut.wav", "nothing")]
    paths = [*sounds[:3], broken[0], broken[1], sounds[3], broken[2], broken[3]]
    results = list(classify_files(tiny_model(), FAST, paths, batch_size=2))
    assert [result.path for result in results] == [str(path) for path in paths]
    for result in results:
        assert (result.error is None) == (len(result.labels) == 5) == (result.path in map(str, sounds))
    errors = [result.error for result in results if result.error]
    for error, words in zip(errors, ("libsndfile decodes", "existing", "cut short", "the folder"), strict=True):
        assert words in error


@pytest.mark.parametrize("window", [None, 0.5])
@pytest.mark.parametrize(("loudest", "rate"), [(1e13, RATE), (3e38, 24_000)])
def test_a_file_that_is_too_loud_does_not_stop_the_others(sounds, tmp_path, loudest, rate, window):
    signs = np.random.default_rng(0).choice([-1, 1], rate)
    soundfile.write(tmp_path / "loud.wav", signs * loudest, rate, subtype="FLOAT")
    paths = [*sounds[:2], tmp_path / "loud.wav", *sounds[2:4]]
    results = list(classify_files(tiny_model(), FAST, paths, window=window, batch_size=8))
    assert {result.path for result in results} == set(map(str, paths))
    [error] = [result.error for result in results if result.error]
    assert "`source` must hold samples from about -1 to 1, got" in error
    assert str(tmp_path / "loud.wav") in error


@pytest.mark.parametrize("window", [None, 0.1])
def test_a_large_batch_does_not_open_more_files_than_the_system_allows(tmp_path, window):
    resource = pytest.importorskip("resource", reason="the system has no such limit")
    paths = [write(tmp_path / f"{number:02}.wav", 0.9, number) for number in range(60)]
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    some_more = max(int(path.name) for path in Path("/dev/fd").iterdir()) + 30
    resource.setrlimit(resource.RLIMIT_NOFILE, (some_more, hard))
    try:
        results = list(classify_files(tiny_model(), FAST, paths, window=window, batch_size=64))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert len(results) == 60 * (1 if window is None else 9)
    assert {result.error for result in results} == {None}


def test_the_look_ahead_grows_with_the_batch_where_it_is_left_out(sounds):
    results = list(classify_files(tiny_model(), FAST, sounds[:3], batch_size=300))
    assert [result.error for result in results] == [None] * 3


def test_an_error_is_raised_in_its_place_where_that_is_wanted(sounds):
    results = classify_files(tiny_model(), FAST, [*sounds[:3], "gone.wav", sounds[3]], on_error="raise", batch_size=2)
    assert [next(results).path for _ in range(3)] == [str(path) for path in sounds[:3]]
    with pytest.raises(FileNotFoundError, match=r"gone\.wav"):
        next(results)


def test_a_recording_that_breaks_keeps_its_windows(tmp_path):
    samples = np.zeros(RATE * 25, dtype=np.float32)
    samples[-1] = np.nan
    soundfile.write(tmp_path / "nan.wav", samples, RATE, subtype="FLOAT")
    *windows, last = classify_files(tiny_model(), FAST, tmp_path / "nan.wav", window=0.9)
    assert [window.error for window in windows] == [None] * 22  # of the blocks of 10 s that are whole
    assert "NaN" in last.error
    assert (last.start, last.end, last.labels) == (20.0, 20.0, ())


def test_a_cut_clip_is_told_once(tmp_path, caplog):
    paths = [write(tmp_path / f"{name}.wav", seconds) for name, seconds in (("a", 0.5), ("b", 2), ("c", 2))]
    results = list(classify_files(tiny_model(), FAST, paths))
    assert [result.is_truncated for result in results] == [False, True, True]
    [message] = [record.getMessage() for record in caplog.records]
    assert message.startswith(f"{paths[1]} is longer than the 0.975 s that the model hears")


def test_paths_are_taken_as_needed_and_the_results_come_early(sounds):
    taken = []

    def paths():
        while True:
            taken.append(len(taken))
            yield sounds[0]

    results = classify_files(tiny_model(), FAST, paths(), batch_size=4, num_workers=2)
    for _ in range(8):
        next(results)
    results.close()
    assert len(taken) <= 8 + 4 * 4


def test_long_recordings_take_the_memory_of_short_ones(tmp_path):
    def peak(minutes):
        path = tmp_path / f"{minutes}.flac"
        soundfile.write(path, np.zeros(round(minutes * 60) * RATE, dtype=np.int16), RATE)
        tracemalloc.start()  # counts the arrays of NumPy too
        try:
            count = sum(1 for _ in classify_files(tiny_model(), STOCK, path, window=0.9, hop=0.9, batch_size=4))
            return count, tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(0.1)  # imports and caches
    (short_count, short), (long_count, long) = peak(0.5), peak(3)
    assert (short_count, long_count) == (34, 200)
    assert long < 1.2 * short


def test_labels_and_their_number(sounds):
    every, best = [next(classify_files(tiny_model(), FAST, sounds, top_k=top_k)).labels for top_k in (99, 2)]
    assert {label for label, _ in every} == {f"sound {index}" for index in range(5)}
    assert best == every[:2]


def test_the_model_is_in_eval_mode_and_the_reader_s_own_gradients_are_left_alone(sounds):
    model = tiny_model(hidden_dropout_prob=0.5).train()
    next(classify_files(model, FAST, sounds))
    assert not model.training
    assert torch.is_grad_enabled()
    assert not torch.is_inference_mode_enabled()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"top_k": 0}, "`top_k` must be at least 1, got 0"),
        ({"batch_size": 0}, "`batch_size` must be at least 1, got 0"),
        ({"num_workers": 0}, "`num_workers` must be at least 1, got 0"),
        ({"lookahead": 15}, "`lookahead` must be at least `batch_size` = 16, got 15. Leave it out for the default"),
        ({"lookahead": 256, "batch_size": 257}, "`lookahead` must be at least `batch_size` = 257, got 256"),
        ({"window": 2}, r"`window` must be from 0.025 to 0.975 seconds, .*, got 2. For longer"),
        ({"window": 0.01}, r"`window` must be from 0.025 to 0.975 seconds, .*, got 0.01. For longer"),
        ({"window": float("nan")}, r"`window` must be from 0.025 to 0.975 seconds, .*, got nan. For longer"),
        ({"hop": 1}, "`hop` must be None without a `window`, got 1. Give both"),
        ({"window": 0.5, "hop": 0}, "`hop` must be a positive number of seconds, got 0. Leave it out"),
        ({"window": 0.5, "hop": float("inf")}, "`hop` must be a positive number of seconds, got inf"),
        ({"on_error": "skip"}, '`on_error` must be "report" or "raise", got \'skip\''),
        ({"padding": "shortest"}, "`padding` must be .*'shortest'"),
    ],
)
def test_arguments_are_refused_at_once(arguments, message):
    with pytest.raises(ValueError, match=message):
        classify_files(tiny_model(), FAST, [], **arguments)


@requires_shared
def test_real_clips_of_two_data_sets():
    esc10 = sorted(ESC10.glob("*/*.ogg"))[::60]
    words = sorted((SHARED / "data" / "speech_commands12" / "audio").glob("*/*.flac"))[::150]
    paths = [path for pair in zip(esc10, words, strict=False) for path in pair]
    assert len(paths) >= 8
    extractor = FastASTFeatureExtractor(num_mel_bins=36, max_length=512)
    model = tiny_model(max_length=512, merge_ratio=0.1)
    results = list(classify_files(model, extractor, paths, top_k=None, batch_size=4))
    for result, path in zip(results, paths, strict=True):
        assert_same(result, naive(model, extractor, load_audio(path), padding="longest"))
