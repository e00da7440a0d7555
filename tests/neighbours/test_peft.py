"""LoRA by PEFT: trained by CMKDTrainer, merged back, shipped; and the adapter alone."""

import json

import numpy as np
import pytest
import torch

from fastast_hf import FastASTForAudioClassification
from fastast_hf.distillation import CMKDTrainer, EfficientATConfig, EfficientATForAudioClassification
from tests.neighbours.sounds import EXTRACTOR, LABELS, arguments, features, losses, new_student, write_sounds
from tests.without_package import assert_complete, run_without_the_package

peft = pytest.importorskip("peft", reason="peft is not installed")

# PEFT 0.21 asks transformers by a name that is on its way out.
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")

LORA = {"r": 4, "lora_alpha": 16, "target_modules": ["q_proj", "v_proj"], "modules_to_save": ["classifier"]}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Train adapters on generated sounds with a live teacher; give the trainer, the base's folder and some features."""
    folder = tmp_path_factory.mktemp("peft")
    parts = features(write_sounds(folder / "sounds"))
    new_student().save_pretrained(folder / "base")
    base = FastASTForAudioClassification.from_pretrained(folder / "base")
    torch.manual_seed(0)
    teacher = EfficientATForAudioClassification(EfficientATConfig(width_multiplier=0.1, **LABELS))
    trainer = CMKDTrainer(
        peft.get_peft_model(base, peft.LoraConfig(**LORA)),
        arguments(folder / "run", max_steps=20, learning_rate=1e-2, distillation_weight=0.2),
        train_dataset=parts["train"],
        teacher=teacher,
    )
    trainer.train()
    return trainer, folder, parts["eval"][:]["input_values"]


@torch.no_grad()
def logits(model, input_values):
    return model.eval()(input_values=input_values).logits


def test_adapters_and_head_learn_and_nothing_else(trained):
    trainer, folder, _ = trained
    assert np.mean(losses(trainer)[-5:]) < np.mean(losses(trainer)[:5])
    learning = {name for name, weight in trainer.model.named_parameters() if weight.requires_grad}
    assert all("lora_" in name or "classifier.modules_to_save" in name for name in learning)
    assert len([name for name in learning if "lora_" in name]) == 2 * 2 * 2, "A and B of query and value in two layers"
    before = FastASTForAudioClassification.from_pretrained(folder / "base").state_dict()
    frozen = {name: value for name, value in trainer.model.get_base_model().state_dict().items() if name in before}
    assert len(frozen) > 20
    assert all(torch.equal(value, before[name]) for name, value in frozen.items())


def test_an_adapter_alone_is_saved_and_put_on_again(trained):
    trainer, folder, input_values = trained
    trainer.save_model(str(folder / "adapter"))
    assert {"adapter_config.json", "adapter_model.safetensors"} <= {
        path.name for path in (folder / "adapter").iterdir()
    }
    base = FastASTForAudioClassification.from_pretrained(folder / "base")
    assert not torch.equal(logits(base, input_values), logits(trainer.model, input_values))
    again = peft.PeftModel.from_pretrained(base, folder / "adapter")
    assert torch.equal(logits(again, input_values), logits(trainer.model, input_values))


def test_an_interrupted_training_of_adapters_goes_on(trained, tmp_path):
    trainer, folder, _ = trained
    settings = {"max_steps": 4, "save_strategy": "steps", "save_steps": 2, "learning_rate": 1e-2}
    weights = []
    for steps in ((4,), (2, 4)):  # undisturbed, interrupted
        for number, stop in enumerate(steps):
            torch.manual_seed(0)
            base = FastASTForAudioClassification.from_pretrained(folder / "base")
            again = CMKDTrainer(
                peft.get_peft_model(base, peft.LoraConfig(**LORA)),
                arguments(tmp_path / str(len(steps)), **{**settings, "max_steps": stop}),
                train_dataset=trainer.train_dataset,
            )
            again.train(resume_from_checkpoint=bool(number))
        weights.append(peft.get_peft_model_state_dict(again.model))
    assert all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())


def test_merged_back_it_ships_as_any_fastast(trained, tmp_path):
    trainer, folder, input_values = trained
    expected = logits(trainer.model, input_values)
    trainer.save_model(str(tmp_path / "adapter"))
    base = FastASTForAudioClassification.from_pretrained(folder / "base")
    merged = peft.PeftModel.from_pretrained(base, tmp_path / "adapter").merge_and_unload()
    assert type(merged) is FastASTForAudioClassification
    merged.save_pretrained(tmp_path / "merged")
    EXTRACTOR.save_pretrained(tmp_path / "merged")
    assert_complete(tmp_path / "merged")
    assert json.loads((tmp_path / "merged" / "config.json").read_text())["merge_ratio"] == 0.25
    torch.testing.assert_close(logits(merged, input_values), expected, rtol=1e-4, atol=1e-5)

    work = tmp_path / "work"
    work.mkdir()
    np.save(work / "features.npy", input_values)
    code = """
sys.modules["peft"] = None
model = AutoModelForAudioClassification.from_pretrained(folder, trust_remote_code=True)
assert "fastast_hf" not in sys.modules
with torch.no_grad():
    np.save(out + "/logits.npy", model(torch.from_numpy(np.load(out + "/features.npy"))).logits)
"""
    run_without_the_package(code, tmp_path / "merged", work)
    found = torch.from_numpy(np.load(work / "logits.npy"))
    torch.testing.assert_close(found, logits(merged, input_values), rtol=1e-5, atol=1e-6)
