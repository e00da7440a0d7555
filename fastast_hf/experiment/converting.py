"""A checkpoint as a FastAST in a folder that is ready for the Hub, without any training."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from huggingface_hub import HfApi

from fastast_hf.experiment.arguments import ModelArguments
from fastast_hf.experiment.files import check_output_path
from fastast_hf.experiment.start import AST_TYPES, check_no_adapter, whole_weights
from fastast_hf.experiment.task import open_feature_extractor
from fastast_hf.hub.checkpoints import checkpoint_config
from fastast_hf.hub.conversion import VISION_TYPES, ast_from_vision_transformer
from fastast_hf.hub.converted_card import write_converted_card
from fastast_hf.hub.repositories import is_repo_id, license_of, license_of_card
from fastast_hf.hub.safe_weights import check_safe_weights
from fastast_hf.hub.sizes import check_sizes, check_whole_classifier, sizes_in_words
from fastast_hf.model import FastASTConfig, FastASTFeatureExtractor, FastASTForAudioClassification
from fastast_hf.progress import late_bars
from fastast_hf.writing import naming


class Converted(NamedTuple):
    """What a conversion leaves.

    Attributes:
        folder: The model's.
        model: The model.
        has_new_head: Whether its classifier has yet to be trained.
        has_fitted_positions: Whether it is an AST whose position embeddings were fitted to another patch grid.
        url: Where it is on the Hub, or None.
    """

    folder: Path
    model: FastASTForAudioClassification
    has_new_head: bool
    has_fitted_positions: bool
    url: str | None


def convert_checkpoint(
    arguments: ModelArguments,
    output: Path,
    *,
    labels: Sequence[str] = (),
    repo_id: str | None = None,
    private: bool = False,
) -> Converted:
    """Convert an AST, a ViT or a DeiT, and write weights, code, features and card into a folder.

    Args:
        arguments: What to convert, and how much it merges.
        output: The folder; new, or empty.
        labels: What the new classifier of a ViT or DeiT is to tell apart. An AST has its own.
        repo_id: Name on the Hub to push the folder to, or None.
        private: Make the repository a private one, if it is made.

    Returns:
        What was made.

    Raises:
        OSError: If there is no such checkpoint, the Hub does not answer, or the folder cannot be written.
        ValueError: If the folder is not empty, a name is none, the checkpoint is of another kind, has an adapter or is an AST
            without a classifier, labels are given for an AST or missing for another one, or the schedule is impossible.
    """
    source, download = str(arguments.model_name_or_path), arguments.download_options()
    check_new_folder(output)
    check_destination(repo_id, private=private)
    config = checkpoint_config(source, **download)
    check_no_adapter(source, "model", download)
    is_ast = config.get("model_type") in AST_TYPES
    if not is_ast:
        _check_vision(source, config, download)
    _check_labels(source, labels, is_ast=is_ast)
    license = license_of_card(source) if Path(source).is_dir() else license_of(source)
    if repo_id is not None:
        HfApi().whoami()  # a wrong token is known before the weights are read
    fields = arguments.embedding_fields() | arguments.merging_fields()
    model = _open_ast(source, config, fields, download) if is_ast else _open_vision(source, labels, fields | download)
    url = None if repo_id is None else str(HfApi().create_repo(repo_id, private=private, exist_ok=True))
    feature_extractor = open_feature_extractor(arguments, model.config)
    save_folder(output, model, feature_extractor)
    source_grid = FastASTConfig.from_pretrained(source, **download).patch_grid if is_ast else None
    with naming(output):
        write_converted_card(output, source, model.config, source_grid=source_grid, repo_id=repo_id, license=license)
    if repo_id is not None:
        _push(output, repo_id)
    has_fitted_positions = source_grid is not None and source_grid != model.config.patch_grid
    return Converted(output, model, not is_ast, has_fitted_positions, url)


def check_destination(repo_id: str | None, *, private: bool) -> None:
    """Refuse a place on the Hub that cannot be, before anything is loaded.

    Args:
        repo_id: Name of the repository, or None.
        private: Whether it is to be a private one.

    Raises:
        ValueError: If the name is none, or only its privacy is given.
    """
    if repo_id is not None and not is_repo_id(repo_id):
        raise ValueError(f"`push_to_hub` must be a name on the Hub, got {repo_id!r}. Write it as user/name.")
    if private and repo_id is None:
        raise ValueError("`private` must be given beside `push_to_hub`, got it alone. Name the repository.")


def check_new_folder(folder: Path) -> None:
    """Refuse a folder in which something would be lost or mixed up, or that takes no file. Nothing is made that stays.

    Args:
        folder: Where a model is to go.

    Raises:
        OSError: If nothing can be written there.
        ValueError: If it is a file, or a folder that is not empty.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(
            f"`output` must be a new or empty folder, got {folder}, where something is. Name another one."
        )
    check_output_path(folder / "config.json")


def save_folder(
    folder: Path, model: FastASTForAudioClassification, feature_extractor: FastASTFeatureExtractor
) -> None:
    """Write a model into a folder: weights, configuration, code and the settings of its features.

    Args:
        folder: The folder; it is made if it is not there.
        model: The model.
        feature_extractor: What makes its input.

    Raises:
        OSError: If something cannot be written; it names the folder.
    """
    with naming(folder), late_bars():
        model.save_pretrained(folder)
        feature_extractor.save_pretrained(folder)


def _check_vision(source: str, config: dict[str, Any], download: dict[str, Any]) -> None:
    """Refuse what is neither AST nor ViT nor DeiT by what it says of itself, which timm's oldest weights do not."""
    if not config:
        check_safe_weights(source, download)
        return
    kind = config.get("architecture") or config.get("model_type")  # timm writes both
    if config.get("model_type") not in VISION_TYPES or not ("vit" in str(kind) or "deit" in str(kind)):
        raise ValueError(
            f"`model` must be an AST, a FastAST, a ViT or a DeiT, got {source}, whose config.json names the type {kind}. Give "
            "another checkpoint."
        )


def _check_labels(source: str, labels: Sequence[str], *, is_ast: bool) -> None:
    """Refuse labels for a classifier that is there, and a new classifier without labels."""
    if is_ast and labels:
        raise ValueError(
            f"`label` must be left out for an AST, got {', '.join(labels)}. {source} has labels of its own."
        )
    if not is_ast and (len(labels) < 2 or len(set(labels)) < len(labels)):
        raise ValueError(
            f"`label` must be given at least twice for a ViT or DeiT, with different names, got {list(labels)}. Name what its new "
            "classifier is to tell apart."
        )


def _open_ast(
    source: str, config: dict[str, Any], fields: dict[str, Any], download: dict[str, Any]
) -> FastASTForAudioClassification:
    """Open a trained AST or FastAST with all of its weights."""
    with whole_weights("model", source), sizes_in_words(source):
        check_sizes(source, config, {}, **download)
        loaded: Any = FastASTForAudioClassification.from_pretrained(
            source, output_loading_info=True, **fields, **download
        )
    model, loading_info = loaded
    check_whole_classifier(source, loading_info)
    return model.eval()


def _open_vision(source: str, labels: Sequence[str], options: dict[str, Any]) -> FastASTForAudioClassification:
    """Open a ViT or DeiT, with a new classifier."""
    names = dict(enumerate(labels))
    ids = {label: index for index, label in names.items()}
    return ast_from_vision_transformer(source, id2label=names, label2id=ids, **options)


def _push(folder: Path, repo_id: str) -> None:
    """Send a folder to the Hub as one commit."""
    try:
        HfApi().upload_folder(repo_id=repo_id, folder_path=folder, commit_message="Upload a converted FastAST")
    except Exception as error:
        error.add_note(f"Nothing is lost: the folder {folder} is complete. `hf upload {repo_id} {folder}` sends it.")
        raise
