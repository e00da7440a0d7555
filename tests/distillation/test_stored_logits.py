"""Teacher logits that are computed once, kept, and joined by the names of the clips."""

import numpy as np
import pytest
import torch
from datasets import ClassLabel, Dataset, Value
from torch import nn
from transformers import ASTFeatureExtractor
from transformers.modeling_outputs import SequenceClassifierOutput

from fastast_hf.data import extract_features, load_audio_dataset
from fastast_hf.distillation import (
    CMKDTrainer,
    add_teacher_logits,
    compute_teacher_logits,
    load_teacher_logits,
    save_teacher_logits,
)
from fastast_hf.distillation.stored_logits import check_teacher_logits
from tests.data.conftest import write_folder
from tests.distillation.trainings import NUM_FRAMES, NUM_MEL_BINS, arguments, convolutional_teacher, student

NAMES = ["cat", "dog", "owl"]
NUM_CLIPS = 9
ROW = [0.0, 1.0, 2.0]


def clips(names, **columns):
    return Dataset.from_dict({"file_name": names, **columns})


def table(names, logits, labels=NAMES):
    return clips(names, **dict(zip(labels, np.float32(logits).T.tolist(), strict=True)))


@pytest.fixture(scope="module")
def features(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    rows = [f"{NAMES[index % 3]}/{index}.wav,{NAMES[index % 3]},{index // 8}" for index in range(NUM_CLIPS)]
    write_folder(folder / "sounds", rows, header="file_name,label,fold\n")
    part = load_audio_dataset(folder / "sounds", eval_fold=1, cache_dir=folder / "cache")["train"]
    extractor = ASTFeatureExtractor(num_mel_bins=NUM_MEL_BINS, max_length=NUM_FRAMES)
    return extract_features(part, extractor)  # eight clips


def logits_of(teacher, features):
    with torch.no_grad():
        return teacher.eval()(features["input_values"][:]).logits


# From sounds to a training


@pytest.mark.parametrize("labels", [NAMES, ["owl", "cat", "dog"]])
def test_a_stored_teacher_trains_as_the_live_one(tmp_path, features, labels):
    teacher = convolutional_teacher(labels)
    stored = compute_teacher_logits(teacher, features, batch_size=8)
    assert stored.column_names == ["file_name", *labels]
    stored.shuffle(seed=0).to_parquet(tmp_path / "teacher.parquet")
    stored = Dataset.from_parquet(str(tmp_path / "teacher.parquet"), cache_dir=str(tmp_path / "cache"))
    joined = add_teacher_logits(features, stored, NAMES)

    histories, weights = [], []
    for dataset, live in ((features, teacher), (joined, None)):
        model = student()
        trainer = CMKDTrainer(model, arguments(tmp_path, max_steps=2), train_dataset=dataset, teacher=live)
        trainer.train()
        histories.append([entry for entry in trainer.state.log_history if "loss" in entry])
        weights.append(model.state_dict())
    assert len(histories[0]) == 2
    for entry, other in zip(*histories, strict=True):
        for name in ("loss", "label_loss", "distillation_loss"):
            assert entry[name] == pytest.approx(other[name], abs=1e-6)
    for name, weight in weights[0].items():
        torch.testing.assert_close(weight, weights[1][name], rtol=0, atol=1e-6)


def test_the_loss_of_a_stored_teacher_is_exactly_the_live_one_s(tmp_path, features):
    teacher, model = convolutional_teacher(), student()
    joined = add_teacher_logits(features, compute_teacher_logits(teacher, features, batch_size=8), NAMES)
    live = CMKDTrainer(model, arguments(tmp_path), train_dataset=features, teacher=teacher)
    stored = CMKDTrainer(model, arguments(tmp_path), train_dataset=joined)
    model.train()
    inputs = {name: features[:][name] for name in ("input_values", "labels")}
    loss = stored.compute_loss(model, {**inputs, "teacher_logits": joined[:]["teacher_logits"]})
    assert torch.equal(loss, live.compute_loss(model, inputs))


# Computing and joining


@pytest.mark.parametrize("batch_size", [1, 3, 100])
def test_logits_are_the_teacher_s_by_name(features, batch_size):
    teacher = convolutional_teacher().train()
    stored = compute_teacher_logits(teacher, features, batch_size=batch_size)
    expected = logits_of(teacher, features)
    assert stored["file_name"][:] == features["file_name"][:]
    for index, label in enumerate(NAMES):
        torch.testing.assert_close(torch.tensor(stored[label][:]), expected[:, index])


class PlainTeacher(nn.Module):
    """Takes its own dtype only, as most models do; EfficientAT casts its input itself."""

    def __init__(self, config):
        super().__init__()
        self.config = config
        self.project = nn.Linear(NUM_MEL_BINS, len(NAMES))

    def forward(self, input_values):
        return SequenceClassifierOutput(logits=self.project(input_values).mean(1))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_half_precision_teacher(features, dtype):
    teacher = PlainTeacher(convolutional_teacher().config).to(dtype).eval()
    stored = compute_teacher_logits(teacher, features, batch_size=8)
    with torch.no_grad():
        expected = teacher(features["input_values"][:].to(dtype)).logits
    for index, label in enumerate(NAMES):
        assert stored.features[label] == Value("float32")
        assert torch.equal(torch.tensor(stored[label][:]).to(dtype), expected[:, index])
    assert next(teacher.parameters()).dtype == dtype


def test_joining_equals_its_twin():
    logits = {"a": [1.0, 2.0, 3.0], "b": [4.0, 5.0, 6.0], "c": [7.0, 8.0, 9.0]}
    stored = table(list(logits), list(logits.values()))
    for names in (["a", "b", "c"], ["c", "a"], ["b", "b", "a"]):
        joined = add_teacher_logits(clips(names).with_format("torch"), stored, ["owl", "cat", "dog"])
        expected = [[logits[name][2], logits[name][0], logits[name][1]] for name in names]
        assert joined["teacher_logits"][:].tolist() == expected
        assert joined["file_name"][:] == names


def test_logits_of_another_tool_in_a_csv_file(tmp_path):
    (tmp_path / "teacher.csv").write_text("dog,file_name,cat\n1,7,-2.5\n0,12,1e-3\n")
    stored = Dataset.from_csv(str(tmp_path / "teacher.csv"), cache_dir=str(tmp_path / "cache"))
    joined = add_teacher_logits(clips(["12", "7"]), stored, ["cat", "dog"])
    np.testing.assert_allclose(joined["teacher_logits"][:], [[1e-3, 0], [-2.5, 1]])


def test_joined_before_the_features_they_come_along(features, tmp_path):
    write_folder(tmp_path / "sounds", ["a.wav,cat,1", "b.wav,dog,2", "c.wav,owl,2"], header="file_name,label,fold\n")
    part = load_audio_dataset(tmp_path / "sounds", eval_fold=1, cache_dir=tmp_path / "cache")["train"]
    joined = add_teacher_logits(part, table(["c.wav", "b.wav"], [[1, 2, 3], [4, 5, 6]]), NAMES)
    extracted = extract_features(joined, ASTFeatureExtractor(num_mel_bins=32, max_length=24))
    assert extracted["teacher_logits"][:].tolist() == [[4, 5, 6], [1, 2, 3]]


# What does not fit


def test_a_missing_clip_is_named():
    stored = table(["a.wav", "c.wav"], np.zeros((2, 3)))
    message = r"`logits` must hold every clip of `dataset`, got none for 'b.wav', 1 of 3\. Compute them with"
    with pytest.raises(ValueError, match=message):
        add_teacher_logits(clips(["a.wav", "b.wav", "c.wav", "b.wav"]), stored, NAMES)


def test_many_missing_clips_are_counted():
    names = [f"{index:02}.wav" for index in range(20)]
    message = r"got none for '01.wav', '02.wav', '03.wav', '04.wav', '05.wav' and 14 more, 19 of 20\."
    with pytest.raises(ValueError, match=message):
        add_teacher_logits(clips(names), table(names[:1], np.zeros((1, 3))), NAMES)


@pytest.mark.parametrize("bad", [np.nan, np.inf, None])
def test_logits_that_are_not_finite_are_named(bad):
    stored = clips(["a", "b", "c"], cat=[0.0, bad, bad], dog=[0.0] * 3, owl=[0.0] * 3)
    message = r"`logits` must be finite numbers, got missing, NaN or infinite ones for 'b'\. Compute them again"
    with pytest.raises(ValueError, match=message):
        add_teacher_logits(clips(["a", "b"]), stored, NAMES)
    assert len(add_teacher_logits(clips(["a"]), stored, NAMES)) == 1  # what is not asked for does not matter


def test_other_labels():
    message = (
        r"`logits` must have a column for each of the student's labels, got a table that lacks 'owl' and adds 'cow'"
    )
    with pytest.raises(ValueError, match=message):
        add_teacher_logits(clips(["a"]), table(["a"], [[1, 2, 3]], ["cat", "dog", "cow"]), NAMES)
    with pytest.raises(ValueError, match="lacks 'owl' and adds nothing"):
        add_teacher_logits(clips(["a"]), table(["a"], [[1, 2]], ["cat", "dog"]), NAMES)


def test_a_name_twice():
    same, other = [[1, 2, 3], [1, 2, 3]], [[1, 2, 3], [1, 2, 4]]
    assert len(add_teacher_logits(clips(["a"]), table(["a", "a"], same), NAMES)) == 1
    message = (
        r"`logits` must have one row for each clip, got rows 0 and 1 for 'a', which differ\. Give every clip a name"
    )
    with pytest.raises(ValueError, match=message):
        add_teacher_logits(clips(["a"]), table(["a", "a"], other), NAMES)


def test_clips_without_names(features):
    message = r"must name its clips in a column `file_name`, got the columns \['(input_values|cat)', .*\]\. Add it"
    with pytest.raises(ValueError, match="`dataset` " + message):
        compute_teacher_logits(convolutional_teacher(), features.remove_columns("file_name"))
    with pytest.raises(ValueError, match="`dataset` " + message):
        add_teacher_logits(features.remove_columns("file_name"), table(["a"], [[1, 2, 3]]), NAMES)
    with pytest.raises(ValueError, match="`logits` " + message):
        add_teacher_logits(features, table(["a"], [[1, 2, 3]]).remove_columns("file_name"), NAMES)


@pytest.mark.parametrize("bad", [0, 2])
def test_a_clip_whose_name_is_missing(features, bad):
    names = ["a", "b", "c"]
    names[bad] = None
    message = rf"`file_name` must be set for every clip, got none in row {bad} of "
    unnamed = features.select(range(3)).remove_columns("file_name").add_column("file_name", names)
    with pytest.raises(ValueError, match=message + r"`dataset`\. Fill it in"):
        compute_teacher_logits(convolutional_teacher(), unnamed)
    with pytest.raises(ValueError, match=message + r"`dataset`\. Fill it in"):
        add_teacher_logits(unnamed, table(["a"], [ROW]), NAMES)
    with pytest.raises(ValueError, match=message + r"`logits`\. Fill it in"):
        add_teacher_logits(clips(["a"]), table(names, [ROW] * 3), NAMES)


def test_a_data_set_without_clips(features):
    message = r"`dataset` must hold at least one clip, got none\. Choose another part"
    with pytest.raises(ValueError, match=message):
        compute_teacher_logits(convolutional_teacher(), features.select([]))
    with pytest.raises(ValueError, match=message):
        add_teacher_logits(features.select([]), table(["a"], [ROW]), NAMES)


def test_logits_are_added_once():
    stored = table(["a"], [ROW])
    joined = add_teacher_logits(clips(["a"]), stored, NAMES)
    message = (
        r"`dataset` must have no column `teacher_logits` yet, got the columns \['file_name', .*\]\. Remove it first"
    )
    with pytest.raises(ValueError, match=message):
        add_teacher_logits(joined, stored, NAMES)
    assert add_teacher_logits(joined.remove_columns("teacher_logits"), stored, NAMES)[:] == joined[:]


@pytest.mark.parametrize(
    ("column", "told"),
    [(["1.5", "2"], r"Value\('string'\)"), ([True, False], r"Value\('bool'\)"), ([[1.0], [2.0]], r"List\(.*\)")],
)
def test_logits_that_are_not_numbers(column, told):
    stored = clips(["a", "b"], cat=[0, 1], dog=column, owl=[0.0, 1.0])
    message = (
        rf"`logits` must have numbers in its columns, got {told} in the column 'dog'\. Cast it with `cast_column`"
    )
    with pytest.raises(ValueError, match=message):
        add_teacher_logits(clips(["a"]), stored, NAMES)


def test_class_ids_are_no_logits():
    stored = table(["a"], [ROW]).cast_column("cat", Value("int64")).cast_column("cat", ClassLabel(names=["x"]))
    with pytest.raises(ValueError, match=r"got ClassLabel\(.*\) in the column 'cat'\. Cast it"):
        add_teacher_logits(clips(["a"]), stored, NAMES)


# What a trainer checks before it trains


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        (None, "none"),
        ([0.0, 1.0], r"an array of shape \(2,\)"),
        ([], r"an array of shape \(0,\)"),
        ([0.0, np.nan, 1.0], "missing, NaN or infinite ones"),
        ([0.0, None, 1.0], "missing, NaN or infinite ones"),
        ([0.0, np.inf, 1.0], "missing, NaN or infinite ones"),
    ],
)
@pytest.mark.parametrize("row", [0, 1, 1500])
def test_a_bad_row_fails_by_its_name(bad, told, row):
    rows = [ROW] * row + [bad, ROW]
    message = rf"`teacher_logits` must be 3 finite numbers, one a label, got {told} for "
    named = clips([f"{index}.wav" for index in range(len(rows))], teacher_logits=rows)
    with pytest.raises(ValueError, match=message + rf"'{row}.wav' in row {row}\. Add them with `add_teacher_logits`"):
        check_teacher_logits(named, 3)
    with pytest.raises(ValueError, match=message + rf"the clip in row {row}\. Add"):
        check_teacher_logits(named.remove_columns("file_name").with_format("torch"), 3)
    check_teacher_logits(named.select([index for index in range(len(rows)) if index != row]), 3)


@pytest.mark.parametrize("row", [0, 5])
@pytest.mark.parametrize("bad", [None, [0.0, np.nan, 1.0], [0.0, 1.0]])
def test_a_bad_row_fails_before_any_step(tmp_path, features, row, bad):
    rows = [ROW] * len(features)
    rows[row] = bad
    model = student()
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    trainer = CMKDTrainer(
        model, arguments(tmp_path), train_dataset=features.add_column("teacher_logits", rows).with_format("torch")
    )
    with pytest.raises(
        ValueError, match=rf"`teacher_logits` must be 3 finite numbers.* for '.*/{row}.wav' in row {row}"
    ):
        trainer.train()
    assert trainer.state.global_step == 0
    assert all(torch.equal(weight, before[name]) for name, weight in model.state_dict().items())


def test_other_kinds_of_data_sets_are_not_read_through():
    check_teacher_logits([{"teacher_logits": None}], 3)


def fail(batch):
    raise AssertionError("a transform is not run for this")


def test_a_transform_that_adds_logits_is_not_read_through():
    check_teacher_logits(clips(["a"]).with_transform(fail), 3)


def test_stored_logits_under_a_transform_are_checked_as_they_are_stored():
    named = clips(["a", "b"], teacher_logits=[ROW, ROW[:2]]).with_transform(fail)
    with pytest.raises(ValueError, match=r"got an array of shape \(2,\) for 'b' in row 1"):
        check_teacher_logits(named, 3)


def test_logits_of_a_transform_train_as_stored_ones(tmp_path, features):
    teacher = convolutional_teacher()
    joined = add_teacher_logits(features, compute_teacher_logits(teacher, features), NAMES).remove_columns("file_name")

    def transform(batch):
        tensors = {name: torch.tensor(batch[name]) for name in ("input_values", "labels")}
        return tensors | {"teacher_logits": logits_of(teacher, tensors)}

    losses = []
    for dataset in (joined, features.with_transform(transform)):
        settings = arguments(tmp_path, max_steps=1, remove_unused_columns=False)
        trainer = CMKDTrainer(student(), settings, train_dataset=dataset)
        trainer.train()
        losses.append(trainer.state.log_history[0]["distillation_loss"])
    assert losses[0] == pytest.approx(losses[1], abs=1e-6)


def test_what_was_saved_comes_back(tmp_path):
    logits = table(["a.wav", "b.wav"], [ROW, ROW[::-1]])
    save_teacher_logits(logits, tmp_path / "teacher.parquet")
    assert [path.name for path in tmp_path.iterdir()] == ["teacher.parquet"]
    assert load_teacher_logits(tmp_path / "teacher.parquet").to_dict() == logits.to_dict()
    assert (
        Dataset.from_parquet(str(tmp_path / "teacher.parquet"), cache_dir=tmp_path / "cache").to_dict()
        == logits.to_dict()
    )


def test_a_save_that_fails_leaves_what_was_there(tmp_path):
    path = tmp_path / "teacher.parquet"
    save_teacher_logits(table(["a.wav"], [ROW]), path)
    with pytest.raises(NotADirectoryError):
        save_teacher_logits(table(["b.wav"], [ROW]), path / "below")
    with pytest.raises(FileNotFoundError):
        save_teacher_logits(table(["b.wav"], [ROW]), tmp_path / "nowhere" / "teacher.parquet")
    assert load_teacher_logits(path)["file_name"][:] == ["a.wav"]
    with pytest.raises(FileNotFoundError):
        load_teacher_logits(tmp_path / "nothing.parquet")


def test_a_table_that_is_not_whole_is_refused(tmp_path):
    path = tmp_path / "teacher.parquet"
    save_teacher_logits(table([f"{index}.wav" for index in range(50)], [ROW] * 50), path)
    whole = path.read_bytes()
    altered = bytearray(whole)
    altered[60] ^= 0xFF
    for broken in (b"", whole[:4], whole[: len(whole) // 2], whole[:-1], bytes(altered)):
        path.write_bytes(broken)
        message = r"`path` must be a whole Parquet file, got .*teacher\.parquet \(.*\)\. Compute the logits again, with `compute"
        with pytest.raises(ValueError, match=message):
            load_teacher_logits(path)
