"""The draft of a model card, for a trainer that pushes a model before anyone has described it."""

from huggingface_hub import ModelCard, ModelCardData

TASK = "audio-classification"
TAGS = ["generated_from_trainer"]
DISTILLATION_TAG = "knowledge-distillation"


def draft_model_card(
    language: str | None = None,
    license: str | None = None,
    tags: str | list[str] | None = None,
    model_name: str | None = None,
    finetuned_from: str | None = None,
    tasks: str | list[str] | None = None,
    dataset_tags: str | list[str] | None = None,
    dataset: str | list[str] | None = None,
    dataset_args: str | list[str] | None = None,
    *,
    default_name: str = "Model",
    is_distilled: bool = False,
) -> ModelCard:
    """Draft a card that states what is known and no number, from the arguments of `Trainer.create_model_card`.

    Args:
        language: Language of the sounds, as the Hub spells it.
        license: The model's licence, as the Hub spells it.
        tags: More tags.
        model_name: The title. Default: `default_name`.
        finetuned_from: Name on the Hub of the model that the training started from.
        tasks: The task, or several, of which the first one counts. Default: audio classification.
        dataset_tags: Names on the Hub of the data sets.
        dataset: The data sets' names for people.
        dataset_args: Not used: the stock card shows these configurations of the data sets beside its results.
        default_name: The title without a `model_name`.
        is_distilled: Whether a teacher had a say.

    Returns:
        The card.

    Example:
        >>> card = draft_model_card(model_name="owls", finetuned_from="me/owls-base", is_distilled=True)
        >>> card.data.pipeline_tag, card.data.base_model, card.data.tags
        ('audio-classification', 'me/owls-base', ['generated_from_trainer', 'knowledge-distillation'])
    """
    own_tags = [*TAGS, DISTILLATION_TAG] if is_distilled else TAGS
    data = ModelCardData(
        language=language,
        license=license,
        library_name="transformers",
        pipeline_tag=next(iter(_as_list(tasks)), TASK),
        tags=list(dict.fromkeys([*_as_list(tags), *own_tags])),
        base_model=finetuned_from,
        datasets=dataset_tags,
    )
    sentences = ["An audio classification model"]
    if finetuned_from:
        sentences.append(f", fine-tuned from `{finetuned_from}`")
    if names := _as_list(dataset) or _as_list(dataset_tags):
        sentences.append(f" on {', '.join(names)}")
    if is_distilled:
        sentences.append(", taught by another model ([CMKD](https://arxiv.org/abs/2203.06760))")
    return ModelCard(f"---\n{data.to_yaml()}\n---\n\n# {model_name or default_name}\n\n{''.join(sentences)}.\n")


def _as_list(value: str | list[str] | None) -> list[str]:
    if value is None:
        return []
    return [value] if isinstance(value, str) else value
