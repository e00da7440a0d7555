"""`fastast convert` as a user calls it."""

import json

from transformers import ViTConfig, ViTModel

from fastast_hf import FastASTForAudioClassification


def test_an_ast_becomes_a_folder_that_classifies(fastast, ast_folder, tmp_path):
    result = fastast("convert", ast_folder, tmp_path / "fast", "--merge-ratio", "0.3,0.1")
    assert result.exit_code == 0, result.output
    assert " tokens away, layer by layer" in result.stdout.replace("\n", " ")
    assert result.stderr == ""
    assert FastASTForAudioClassification.from_pretrained(tmp_path / "fast").config.merge_ratio == [0.3, 0.1]


def test_json_tells_what_was_made(fastast, ast_folder, tmp_path):
    result = fastast("convert", ast_folder, tmp_path / "fast", "--tokens-merged-per-layer", 3, "--json")
    told = json.loads(result.stdout)
    assert told == {
        "path": str(tmp_path / "fast"),
        "has_new_head": False,
        "has_fitted_positions": False,
        "merge_schedule": [3, 3],
        "url": None,
    }


def test_an_ast_that_is_to_hear_otherwise_is_told_to_be_compared(fastast, ast_folder, tmp_path):
    result = fastast("convert", ast_folder, tmp_path / "fast", "--time-stride", 16)
    assert result.exit_code == 0, result.output
    assert "The position embeddings were fitted to other patches, so the answers change." in result.stderr


def test_a_vit_is_told_to_be_trained(fastast, tmp_path):
    sizes = {"hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 3, "intermediate_size": 64}
    ViTModel(ViTConfig(**sizes, image_size=64)).save_pretrained(tmp_path / "vit")
    result = fastast(
        *("convert", tmp_path / "vit", tmp_path / "fast", "--max-length", 96, "--label", "dog", "--label", "rain")
    )
    assert result.exit_code == 0, result.output
    assert "The classifier is new and answers at random. Train it" in result.stderr.replace("\n", " ")
