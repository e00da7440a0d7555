"""The sounds of a run: divided, turned into features, and named."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from transformers import ASTFeatureExtractor

from fastast_hf import FastASTConfig, FastASTFeatureExtractor
from fastast_hf.experiment.arguments import DataArguments, ModelArguments
from fastast_hf.experiment.task import compute_features, describe_data, load_sounds, open_feature_extractor

CONFIG = FastASTConfig(max_length=64, num_mel_bins=48)


def task_of(miniature, **fields):
    data, arguments = DataArguments(**miniature.data, **fields), miniature.training_arguments()
    sounds = load_sounds(data, ModelArguments(**miniature.model), arguments)
    extractor = open_feature_extractor(ModelArguments(**miniature.model), CONFIG)
    return compute_features(sounds, extractor, data, arguments)


def test_parts_and_labels(miniature):
    task = task_of(miniature)
    assert (len(task.train), len(task.eval)) == (40, 10)
    assert task.train[0]["input_values"].shape == (64, 48)
    assert sorted(task.labels["label2id"]) == list(task.labels["label2id"])
    assert task.labels["id2label"][0] in task.labels["label2id"]
    assert task.labels["problem_type"] == "single_label_classification"
    told = describe_data(DataArguments(**miniature.data), task)
    assert told["name"] == miniature.data["data_dir"].rsplit("/", 1)[-1]
    assert (told["num_train"], told["num_eval"], told["split_column"]) == (40, 10, "split")
    assert "id" not in told


def test_a_few_samples_are_of_many_classes(miniature):
    task = task_of(miniature, max_train_samples=12, max_eval_samples=1000)
    assert (len(task.train), len(task.eval)) == (12, 10)
    assert len(set(task.train["labels"][:].tolist())) > 4, "files lie class by class"


@pytest.mark.parametrize(("folder", "name"), [("esc10/audio", "esc10"), ("esc10", "esc10"), ("a/b/data", "b")])
def test_a_data_set_is_named_by_its_folder(miniature, tmp_path, folder, name):
    assert describe_data(DataArguments(data_dir=str(tmp_path / folder)), task_of(miniature))["name"] == name


@pytest.mark.parametrize(("name", "told"), [("you/sounds", {"name": "you/sounds", "id": "you/sounds"}), (None, None)])
def test_a_data_set_on_the_hub_has_an_id_and_a_local_one_has_not(miniature, tmp_path, name, told):
    found = describe_data(DataArguments(dataset_name=name or str(tmp_path)), task_of(miniature))
    assert {field: found[field] for field in ("name", "id") if field in found} == (told or {"name": tmp_path.name})


def test_the_checkpoint_s_own_feature_extractor_is_used(tmp_path):
    ASTFeatureExtractor(mean=-6.0, std=3.0, max_length=100, num_mel_bins=48).save_pretrained(tmp_path)
    extractor = open_feature_extractor(ModelArguments(model_name_or_path=str(tmp_path)), CONFIG)
    assert isinstance(extractor, FastASTFeatureExtractor)
    assert (extractor.mean, extractor.std, extractor.max_length, extractor.num_mel_bins) == (-6.0, 3.0, 64, 48)


def test_an_image_s_preprocessor_is_not(tmp_path):
    (tmp_path / "preprocessor_config.json").write_text('{"image_processor_type": "ViTImageProcessor", "size": 224}')
    extractor = open_feature_extractor(ModelArguments(model_name_or_path=str(tmp_path)), CONFIG)
    assert np.isclose(extractor.mean, -4.2677393)
    assert (extractor.max_length, extractor.num_mel_bins) == (64, 48)


def test_other_mel_bins_are_refused(tmp_path):
    ASTFeatureExtractor(num_mel_bins=40).save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=r"`feature_extractor_name` must make the student's 48 mel bins, got .* 40"):
        open_feature_extractor(ModelArguments(config_name="any", feature_extractor_name=str(tmp_path)), CONFIG)


def test_clips_that_cannot_be_read_are_left_out_and_named(miniature, tmp_path, caplog):
    sounds = Path(shutil.copytree(miniature.data["data_dir"], tmp_path / "sounds"))
    miniature.data["data_dir"] = str(sounds)
    names = ["decaying_noise/00000.wav", "vibrato/00003.wav"]  # of the evaluation part, and of the other
    for name in names:
        (sounds / name).write_text("not a sound")
    with pytest.raises(ValueError, match=r"`source` must be a complete sound file .*got '.*00003\.wav"):
        task_of(miniature)
    task = task_of(miniature, skip_unreadable=True)
    assert (len(task.train), len(task.eval)) == (39, 9)
    assert sorted(task.unreadable) == names
    assert "Left out because they cannot be read: 2 of 50 clips\n  " in caplog.text
    assert all(f"\n  {name}: `source` must be" in caplog.text for name in names)
    told = describe_data(DataArguments(**miniature.data), task)
    assert told["unreadable"] == task.unreadable
    assert str(tmp_path) not in str(told)


def test_a_whole_set_tells_of_no_clip(miniature):
    task = task_of(miniature, skip_unreadable=True)
    assert (len(task.train), len(task.eval)) == (40, 10)
    assert "unreadable" not in describe_data(DataArguments(**miniature.data), task)
