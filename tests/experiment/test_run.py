"""Teacher, student, evaluation, speed and card, in one go, interrupted, and under another name."""

import json

import pytest
import torch
from safetensors.torch import load_file
from transformers import ASTForAudioClassification, TrainerCallback

from fastast_hf import FastASTForAudioClassification
from fastast_hf.distillation import CMKDTrainer
from fastast_hf.hub.results import load_results


def test_a_run_leaves_a_folder_for_the_hub(miniature):
    outcome = miniature.run(comparison={"train_ast": True})
    folder = outcome.folder
    for_the_hub = {path.name for path in folder.iterdir() if not path.name.startswith(("_", "checkpoint-"))}
    assert for_the_hub >= {
        *("README.md", "results.json", "model.safetensors", "config.json", "preprocessor_config.json"),
        *("configuration_fastast.py", "modeling_fastast.py", "token_merging.py", "position_embeddings.py"),
        "feature_extraction_fastast.py",
    }
    results = load_results(folder / "results.json")
    assert set(results["models"]) == {"teacher", "ast", "fastast"}
    for record in results["models"].values():
        assert 0 <= record["metrics"]["accuracy"] <= 1
        assert record["train_seconds"] > 0
    assert results["data"] == {
        **{"name": outcome.results["data"]["name"], "num_train": 40, "num_eval": 10},
        **{"labels": results["data"]["labels"], "split_column": "split"},
    }
    rows = results["benchmark"]["rows"]
    assert rows["fastast"]["mac_ratio"] > 1.1
    assert results["models"]["fastast"]["merge_schedule"] == list(
        outcome.student.config.merge_schedule().tokens_merged
    )
    assert 0 <= results["models"]["fastast"]["agreement"]["top_answer"] <= 1

    input_values = torch.randn(2, 64, 48)
    reopened = FastASTForAudioClassification.from_pretrained(folder).eval()
    assert reopened.config.merge_ratio == 0.25
    with torch.inference_mode():
        assert torch.equal(reopened(input_values).logits, outcome.student(input_values).logits)
    assert isinstance(ASTForAudioClassification.from_pretrained(folder / "_ast"), ASTForAudioClassification)
    assert not [name for name in load_file(folder / "model.safetensors") if "teacher" in name]


class Interruption(TrainerCallback):
    """Stop the process's training as a signal would, after so many steps of the student's training."""

    def __init__(self, step):
        self.step = step

    def on_step_end(self, args, state, control, **kwargs):
        if state.global_step == self.step:
            raise KeyboardInterrupt


def test_an_interrupted_run_goes_on_to_the_same_weights(miniature, monkeypatch):
    undisturbed = miniature.run("undisturbed")

    original = CMKDTrainer.train
    interrupted = []

    def train(trainer, *args, **kwargs):
        if trainer.args.distillation_weight > 0 and not interrupted:
            interrupted.append(True)
            trainer.add_callback(Interruption(step=7))  # five steps an epoch: in the middle of the second
        return original(trainer, *args, **kwargs)

    monkeypatch.setattr(CMKDTrainer, "train", train)
    with pytest.raises(KeyboardInterrupt):
        miniature.run("interrupted")
    assert not (miniature.folder / "interrupted" / "results.json").exists()
    resumed = miniature.run("interrupted")
    for name, tensor in undisturbed.student.state_dict().items():
        assert torch.equal(resumed.student.state_dict()[name], tensor), name
    assert "train_seconds" not in resumed.results["models"]["fastast"], "the time of a part is not told as the whole's"
    assert "train_seconds" in resumed.results["models"]["teacher"]


def test_a_finished_run_is_read_back(miniature, monkeypatch):
    first = miniature.run()
    monkeypatch.setattr(CMKDTrainer, "train", lambda *args, **kwargs: pytest.fail("trained again"))
    second = miniature.run()
    assert second.results["models"] == first.results["models"]


def test_a_folder_belongs_to_one_run(miniature):
    miniature.run(distillation_weight=0.0)
    with pytest.raises(ValueError, match=r"`output_dir` must be new or hold the same run.*learning_rate"):
        miniature.run(distillation_weight=0.0, learning_rate=1e-4)


def test_labels_alone_need_no_teacher(miniature):
    miniature.teacher = {}
    outcome = miniature.run(distillation_weight=0.0)
    assert set(outcome.results["models"]) == {"fastast"}
    with pytest.raises(ValueError, match=r"`teacher_name_or_path` must be given at `distillation_weight` 0.5"):
        miniature.run("taught")


def test_a_teacher_that_knows_the_labels_is_not_trained(miniature):
    first = miniature.run()
    miniature.teacher = {"teacher_name_or_path": str(first.folder / "_teacher")}
    second = miniature.run("second")
    assert "train_seconds" not in second.results["models"]["teacher"]
    assert second.results["models"]["teacher"]["metrics"] == first.results["models"]["teacher"]["metrics"]


def test_results_are_json_that_others_can_read(miniature):
    outcome = miniature.run(distillation_weight=0.0)
    text = (outcome.folder / "results.json").read_text()
    results = json.loads(text, parse_constant=lambda constant: pytest.fail(f"{constant} is no JSON"))
    assert results["training"]["merge_ratio"] == "0.25"
    assert str(miniature.folder) not in results["command"]
