"""The sounds of a run: divided, turned into features, and named."""

import numpy as np
import pytest
from transformers import ASTFeatureExtractor

from fastast_hf import FastASTConfig, FastASTFeatureExtractor
from fastast_hf.experiment.arguments import DataArguments, ModelArguments
from fastast_hf.experiment.task import describe_data, open_feature_extractor, prepare_task


def test_parts_and_labels(miniature):
    task = prepare_task(
        DataArguments(**miniature.data, max_train_samples=7),
        ModelArguments(**miniature.model),
        miniature.training_arguments(),
    )
    assert (len(task.train), len(task.eval)) == (7, 10)
    assert task.train[0]["input_values"].shape == (64, 48)
    assert sorted(task.labels["label2id"]) == list(task.labels["label2id"])
    assert task.labels["id2label"][0] in task.labels["label2id"]
    assert task.labels["problem_type"] == "single_label_classification"
    told = describe_data(DataArguments(**miniature.data), task)
    assert told["name"] == miniature.data["data_dir"].rsplit("/", 1)[-1]
    assert (told["num_train"], told["num_eval"], told["split_column"]) == (7, 10, "split")


@pytest.mark.parametrize(("folder", "name"), [("esc10/audio", "esc10"), ("esc10", "esc10"), ("a/b/data", "b")])
def test_a_data_set_is_named_by_its_folder(miniature, tmp_path, folder, name):
    task = prepare_task(
        DataArguments(**miniature.data), ModelArguments(**miniature.model), miniature.training_arguments()
    )
    assert describe_data(DataArguments(data_dir=str(tmp_path / folder)), task)["name"] == name


def test_the_checkpoint_s_own_feature_extractor_is_used(tmp_path):
    ASTFeatureExtractor(mean=-6.0, std=3.0, max_length=100, num_mel_bins=48).save_pretrained(tmp_path)
    extractor = open_feature_extractor(ModelArguments(model_name_or_path=str(tmp_path), max_length=200))
    assert isinstance(extractor, FastASTFeatureExtractor)
    assert (extractor.mean, extractor.std, extractor.max_length, extractor.num_mel_bins) == (-6.0, 3.0, 200, 48)


@pytest.mark.filterwarnings("ignore:At least one mel filter has all zero values")
def test_an_image_s_preprocessor_is_not(tmp_path):
    (tmp_path / "preprocessor_config.json").write_text('{"image_processor_type": "ViTImageProcessor", "size": 224}')
    extractor = open_feature_extractor(ModelArguments(model_name_or_path=str(tmp_path)))
    assert np.isclose(extractor.mean, -4.2677393)


def test_a_configuration_settles_the_shape(tmp_path):
    FastASTConfig(max_length=96, num_mel_bins=48).save_pretrained(tmp_path)
    extractor = open_feature_extractor(ModelArguments(config_name=str(tmp_path)))
    assert (extractor.max_length, extractor.num_mel_bins) == (96, 48)
