from inspect import signature

from huggingface_hub import ModelCard
from transformers import Trainer

from fastast_hf.distillation.model_card import draft_model_card


def test_a_card_says_what_it_is_told(tmp_path):
    draft_model_card(
        language="en",
        license="apache-2.0",
        tags="birds",
        model_name="owls",
        finetuned_from="me/owls-base",
        dataset_tags="me/owl-calls",
        dataset="Owl calls",
    ).save(tmp_path / "README.md")
    card = ModelCard.load(tmp_path / "README.md")
    assert card.data.to_dict() == {
        "language": "en",
        "license": "apache-2.0",
        "library_name": "transformers",
        "pipeline_tag": "audio-classification",
        "tags": ["birds", "generated_from_trainer"],
        "base_model": "me/owls-base",
        "datasets": "me/owl-calls",
    }
    assert card.text.strip() == (
        "# owls\n\nAn audio classification model, fine-tuned from `me/owls-base` on Owl calls."
    )


def test_a_card_that_is_told_nothing():
    card = draft_model_card(default_name="owls", is_distilled=True)
    assert card.data.to_dict() == {
        "library_name": "transformers",
        "pipeline_tag": "audio-classification",
        "tags": ["generated_from_trainer", "knowledge-distillation"],
    }
    assert card.text.strip() == (
        "# owls\n\nAn audio classification model, taught by another model ([CMKD](https://arxiv.org/abs/2203.06760))."
    )


def test_the_arguments_are_those_of_the_stock_trainer():
    names = list(signature(Trainer.create_model_card).parameters)[1:]  # without `self`
    assert list(signature(draft_model_card).parameters)[: len(names)] == names


def test_tags_are_not_changed_in_place():
    tags = ["birds"]
    assert draft_model_card(tags=tags, tasks=["zero-shot-audio-classification"]).data.pipeline_tag == (
        "zero-shot-audio-classification"
    )
    assert tags == ["birds"]
