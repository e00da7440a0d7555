"""Teacher, student, evaluation, speed and card, in one go, interrupted, and under another name."""

import csv
import json
import shutil
from pathlib import Path

import pytest
import torch
from huggingface_hub.errors import HfHubHTTPError
from huggingface_hub.utils import httpx
from safetensors.torch import load_file
from transformers import ASTForAudioClassification, TrainerCallback

from fastast_hf import FastASTForAudioClassification
from fastast_hf.distillation import CMKDTrainer, EfficientATForAudioClassification
from fastast_hf.hub.results import load_results
from tests.loopback_routes import TOKEN


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
    with pytest.raises(ValueError, match="`teacher_name_or_path` must be given at a `distillation_weight` above 0"):
        miniature.run("taught")


def test_a_teacher_that_knows_the_labels_is_not_trained(miniature):
    first = miniature.run()
    miniature.teacher = {"teacher_name_or_path": str(first.folder / "_teacher")}
    second = miniature.run("second")
    assert "train_seconds" not in second.results["models"]["teacher"]
    assert second.results["models"]["teacher"]["metrics"] == first.results["models"]["teacher"]["metrics"]


def test_what_is_published_holds_no_path_and_no_secret(miniature, monkeypatch):
    secret = "hf_secret"
    monkeypatch.setattr("sys.argv", ["distill.py", "--token", secret, "--output_dir", str(miniature.folder / "run")])
    miniature.model["token"] = secret
    outcome = miniature.run(hub_token=secret)
    text = (outcome.folder / "results.json").read_text()
    results = json.loads(text, parse_constant=lambda constant: pytest.fail(f"{constant} is no JSON"))
    assert results["command"] == "distill.py --output_dir run"
    assert results["training"]["merge_ratio"] == "0.25"
    assert results["training"]["num_processes"] == 1
    assert results["models"]["fastast"]["base_model"] == "student"
    for page in (text, (outcome.folder / "README.md").read_text(), (outcome.folder / "_settings.json").read_text()):
        assert secret not in page
    for page in (text, (outcome.folder / "README.md").read_text()):
        assert str(miniature.folder.parent) not in page


def test_a_teacher_in_another_order_teaches_without_training(miniature):
    first = miniature.run()
    teacher = EfficientATForAudioClassification.from_pretrained(first.folder / "_teacher")
    names = list(teacher.config.id2label.values())[::-1]
    teacher.config.id2label = dict(enumerate(names))
    teacher.config.label2id = {name: index for index, name in enumerate(names)}
    teacher.save_pretrained(miniature.folder / "other_order")
    miniature.teacher = {"teacher_name_or_path": str(miniature.folder / "other_order")}
    second = miniature.run("second")
    assert "train_seconds" not in second.results["models"]["teacher"]
    kept = EfficientATForAudioClassification.from_pretrained(second.folder / "_teacher")
    assert list(kept.config.id2label.values()) == names
    assert torch.equal(kept.classifier[5].weight, teacher.classifier[5].weight)


def test_many_labels_a_clip(miniature, tmp_path):
    with (Path(miniature.data["data_dir"]) / "metadata.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    sounds = tmp_path / "many"
    shutil.copytree(miniature.data["data_dir"], sounds)
    with (sounds / "metadata.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, ["file_name", "label", "split"])
        writer.writeheader()
        for row in rows:
            kind = "tonal" if "noise" not in row["label"] else "noisy"
            writer.writerow({**row, "label": f"{row['label']};{kind}"})
    miniature.data = {"data_dir": str(sounds), "split_column": "split", "label_delimiter": ";", "max_eval_samples": 2}
    outcome = miniature.run()
    assert outcome.student.config.problem_type == "multi_label_classification"
    results = load_results(outcome.folder / "results.json")
    assert len(results["data"]["labels"]) == 12
    assert set(results["models"]["fastast"]["metrics"]) <= {"map", "d_prime"}, "and only what is finite"
    assert "mean_kl" not in results["models"]["fastast"]["agreement"]


def test_the_hub_gets_the_folder_in_one_commit(miniature, hub):
    outcome = miniature.run(push_to_hub=True, hub_token=TOKEN, hub_model_id="fast", hub_private_repo=True)
    repository = hub.repository("you/fast")
    assert repository.private
    _, commit = repository.history()
    assert commit.files.keys() >= {"README.md", "results.json", "model.safetensors", "config.json"}
    assert not [name for name in commit.files if name.startswith(("_", "checkpoint-", "runs/")) or ".bin" in name]
    for name, file in commit.files.items():
        if name != ".gitattributes":
            assert file.content == (outcome.folder / name).read_bytes()
    assert "you/fast" in commit.text("README.md")


def test_a_repository_that_cannot_be_made_stops_the_run_before_it_starts(miniature, hub):
    with pytest.raises(HfHubHTTPError, match=r"Invalid credentials in Authorization header") as caught:
        miniature.run(push_to_hub=True, hub_token="hf_wrong", hub_model_id="fast")
    assert caught.value.__notes__ == [
        "The repository fast could not be made, so this run did not start. Mend what the message says and run the same "
        "command again, or leave `--push_to_hub` out."
    ]
    assert [path.name for path in (miniature.folder / "run").iterdir()] == ["_settings.json"]


@pytest.mark.parametrize("fault", [{"status": 429}, {"drop": "request"}, {"drop": "answer"}])
def test_a_push_that_fails_loses_nothing(miniature, hub, fault):
    miniature.teacher = {}
    push = {"distillation_weight": 0.0, "push_to_hub": True, "hub_token": TOKEN, "hub_model_id": "fast"}
    hub.fail("POST", "/commit/", **fault)
    with pytest.raises(httpx.HTTPError) as caught:
        miniature.run(**push)
    folder = miniature.folder / "run"
    assert caught.value.__notes__ == [
        "The push to you/fast failed, and nothing is lost: the model, its code, card and results.json are complete in "
        f"{folder}. Run the same command again to push them; it trains nothing twice."
    ]
    assert FastASTForAudioClassification.from_pretrained(folder).config.merge_ratio == 0.25
    outcome = miniature.run(**push)
    head = hub.repository("you/fast").head()
    assert json.loads(head.text("results.json")) == load_results(folder / "results.json") == outcome.results
