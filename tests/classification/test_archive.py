"""An archive's shards: those of `classify_files`, whoever writes them, and whatever was there before."""

import numpy as np
import pyarrow.parquet as pq
import pytest
import soundfile
from datasets import Audio, Dataset

from fastast_hf import FastASTFeatureExtractor
from fastast_hf.classification import archive, classify_files
from fastast_hf.classification.archive import archive_settings, classify_archive
from fastast_hf.classification.archive_sounds import DatasetSounds, ListedSounds
from tests.conftest import tiny_ast, tiny_model

EXTRACTOR = FastASTFeatureExtractor(num_mel_bins=36, max_length=96)


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    """Eleven files: of all lengths, one that cannot be read, and one that is there three times."""
    folder = tmp_path_factory.mktemp("sounds")
    found = [folder / f"{number:02}.wav" for number in range(9)]
    for number, path in enumerate(found):
        seconds = 0.1 + 0.3 * (number * 5 % 9)
        soundfile.write(path, np.random.default_rng(number).uniform(-0.5, 0.5, round(seconds * 16_000)), 16_000)
    found[4].write_text("no sound")
    return [*found, found[2], found[2]]


def rows(folder):
    return [row for path in sorted(folder.glob("shard-*")) for row in pq.read_table(path).to_pylist()]


def assert_same(found, results):
    results = list(results)
    assert len(found) == len(results)
    for row, result in zip(found, results, strict=True):
        assert [row[name] for name in ("path", "start", "end", "is_truncated", "error")] == [
            *(result.path, result.start, result.end, result.is_truncated, result.error)
        ]
        assert dict(zip(row["labels"], row["scores"], strict=True)) == pytest.approx(dict(result.labels), abs=1e-5)


@pytest.mark.parametrize("options", [{}, {"window": 0.5, "hop": 0.25, "top_k": 2, "batch_size": 3}])
@pytest.mark.parametrize("shard_size", [1, 4, 11, 100])
def test_shards_are_what_files_give(paths, tmp_path, shard_size, options):
    told = []
    progress = classify_archive(
        tiny_model(),
        EXTRACTOR,
        ListedSounds(paths),
        tmp_path,
        shard_size=shard_size,
        on_progress=told.append,
        **options,
    )
    assert_same(rows(tmp_path), classify_files(tiny_model(), EXTRACTOR, paths, **options))
    assert len(list(tmp_path.iterdir())) == -(-11 // shard_size)
    assert progress[:3] == told[-1][:3] == (11, 11, 0)
    done = [one.files_done for one in told]
    assert done == sorted(done)
    assert set(done) == set(range(1, 12)), "each file counts once, with all its windows"
    assert progress.files_per_second > 0


def test_processes_take_turns_and_the_first_waits_for_the_others(paths, tmp_path, monkeypatch):
    def share(index, number):
        return classify_archive(
            tiny_model(),
            EXTRACTOR,
            ListedSounds(paths),
            tmp_path,
            shard_size=2,
            process_index=index,
            num_processes=number,
        )

    assert share(1, 3).files_done == 4
    assert [path.name[6:11] for path in sorted(tmp_path.iterdir())] == ["00001", "00004"]
    slept = []
    monkeypatch.setattr(archive.time, "sleep", lambda seconds: slept.append(seconds) or share(2, 3))
    progress = share(0, 3)
    assert len(slept) == 1
    assert progress[:3] == (11, 11, 4)
    assert_same(rows(tmp_path), classify_files(tiny_model(), EXTRACTOR, paths))


def test_what_is_there_is_not_done_again(paths, tmp_path):
    arguments = (tiny_model(), EXTRACTOR, ListedSounds(paths), tmp_path)
    classify_archive(*arguments, shard_size=4)
    before = {path: path.stat().st_ino for path in tmp_path.iterdir()}
    (second,) = tmp_path.glob("shard-00001-*")
    second.write_bytes(second.read_bytes()[:100])  # as a crash of the machine leaves it
    assert classify_archive(*arguments, shard_size=4, batch_size=1, num_workers=1)[:3] == (11, 11, 7)
    assert {path for path in before if path.stat().st_ino != before[path]} == {second}
    assert_same(rows(tmp_path), classify_files(tiny_model(), EXTRACTOR, paths))


def test_another_model_other_sounds_or_other_options_are_refused(paths, tmp_path):
    classify_archive(tiny_model(), EXTRACTOR, ListedSounds(paths), tmp_path, shard_size=9)
    other_extractor = FastASTFeatureExtractor(num_mel_bins=36, max_length=96, mean=0.5)
    for setting, model, extractor, sounds, options in [
        ("weights", tiny_model(seed=1), EXTRACTOR, paths, {}),
        ("feature_extractor", tiny_model(), other_extractor, paths, {}),
        ("merge_ratio", tiny_model(merge_ratio=0.1), EXTRACTOR, paths, {}),
        ("tokens_merged_per_layer", tiny_model(tokens_merged_per_layer=2), EXTRACTOR, paths, {}),
        ("dtype, weights", tiny_model().bfloat16(), EXTRACTOR, paths, {}),
        ("merge_ratio, weights", tiny_ast(), EXTRACTOR, paths, {}),
        ("files", tiny_model(), EXTRACTOR, paths[::-1], {}),
        ("num_files, files", tiny_model(), EXTRACTOR, paths[:-1], {}),
        ("shard_size", tiny_model(), EXTRACTOR, paths, {"shard_size": 8}),
        ("top_k", tiny_model(), EXTRACTOR, paths, {"top_k": 1}),
        ("window, hop", tiny_model(), EXTRACTOR, paths, {"window": 0.5, "hop": 0.5}),
        ("padding", tiny_model(), EXTRACTOR, paths, {"padding": "max_length"}),
    ]:
        with pytest.raises(ValueError, match=rf"whose run differs in {setting} \("):
            classify_archive(model, extractor, ListedSounds(sounds), tmp_path, **{"shard_size": 9, **options})
    assert len(list(tmp_path.iterdir())) == 2


def test_settings_of_the_same_run_are_the_same(paths, tmp_path):
    tiny_model().save_pretrained(tmp_path)
    one, other = (type(tiny_model()).from_pretrained(tmp_path) for _ in range(2))
    settings = archive_settings(one, EXTRACTOR, ListedSounds(paths))
    assert settings == archive_settings(other, EXTRACTOR, ListedSounds(paths))
    assert settings["model"] == tmp_path.name


def test_a_data_set_has_its_own_names_for_sounds(paths, tmp_path):
    sounds = [{"bytes": path.read_bytes(), "path": f"in the set/{path.name}"} for path in paths]
    dataset = Dataset.from_dict({"audio": sounds}).cast_column("audio", Audio(decode=False))
    classify_archive(tiny_model(), EXTRACTOR, DatasetSounds(dataset), tmp_path, shard_size=4)
    found = rows(tmp_path)
    assert [row["path"] for row in found] == [sound["path"] for sound in sounds]
    assert "got 'in the set/04.wav'" in found[4]["error"]
    for row, result in zip(found, classify_files(tiny_model(), EXTRACTOR, paths), strict=True):
        assert row["scores"] == pytest.approx([score for _, score in result.labels], abs=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"shard_size": 0}, r"`shard_size` must be at least 1, got 0\. Leave it out"),
        (
            {"process_index": 2, "num_processes": 2},
            r"`process_index` must be from 0 to `num_processes` - 1 = 1, got 2\. Take",
        ),
        ({"batch_size": 0}, "`batch_size` must be at least 1, got 0"),
    ],
)
def test_arguments_are_refused(paths, tmp_path, arguments, message):
    with pytest.raises(ValueError, match=message):
        classify_archive(tiny_model(), EXTRACTOR, ListedSounds(paths), tmp_path, **arguments)
    assert list(tmp_path.iterdir()) == []


def test_what_others_add_was_not_there_before(paths, tmp_path):
    def others():
        """Let another process finish its shard while this one waits."""
        classify_archive(
            *(tiny_model(), EXTRACTOR, ListedSounds(paths), tmp_path),
            **{"shard_size": 6, "process_index": 1, "num_processes": 2},
        )

    progress = classify_archive(
        *(tiny_model(), EXTRACTOR, ListedSounds(paths), tmp_path),
        **{"shard_size": 6, "process_index": 0, "num_processes": 2, "wait_for_others": others},
    )
    assert progress[:3] == (11, 11, 0)
