"""The card of a trained model, `README.md` in its Hub folder, rendered from the results of its run."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from fastast_hf.hub.markdown import code_block, escape_markdown, markdown_table, without_machine_paths
from fastast_hf.hub.repositories import is_license, is_repo_id
from fastast_hf.hub.results import check_results, kind_of
from fastast_hf.hub.tables import conditions_line, data_line, models_table, results_block

TEMPLATE = Path(__file__).with_name("model_card_template.md")
TASK = "audio-classification"
TAGS = ["fastast", "audio-spectrogram-transformer", "token-merging"]
DISTILLATION_TAG = "knowledge-distillation"
METRIC_NAMES = {"accuracy": "Accuracy", "map": "Mean average precision", "d_prime": "d-prime"}
MAX_LABELS_SHOWN = 50
_OVER_ALL = "Over all"  # its folds or seeds


def write_model_card(
    directory: Path | str,
    results: Mapping[str, Any],
    *,
    repo_id: str | None = None,
    license: str | None = None,
    comparison: Mapping[str, Any] | None = None,
    picture: str | None = None,
) -> Path:
    """Write the model card of a run into the folder of its model.

    Args:
        directory: The model's folder; it is made if it is not there, and an older card is replaced.
        results: The run's results, see `fastast_hf.hub.results`.
        repo_id: The model's name on the Hub, `user/name`. Without one the title is the folder's name and the
            user fills in the address.
        license: The model's licence as the Hub spells it, such as `apache-2.0`. Without one the card states none:
            start, teacher and data decide what is allowed.
        comparison: Results of kind "comparison", of models that were trained like this one, over folds or seeds.
        picture: Name of a file beside the card, which `fastast_hf.visualization.plot_comparison` drew of `comparison`.

    Returns:
        The path of the card.

    Raises:
        ValueError: If the results do not fit their schema or are of another kind, or if `repo_id` or `license` is no name on
            the Hub.
    """
    check_results(results)
    _check_kind("results", results, "run")
    if comparison is not None:
        check_results(comparison)
        _check_kind("comparison", comparison, "comparison")
    if repo_id is not None:
        _check_repo_id(repo_id)
    if license is not None:
        _check_license(license)
    directory = Path(directory)
    name = repo_id.split("/")[-1] if repo_id else directory.resolve().name
    card = ModelCard.from_template(
        model_card_data(results, model_name=name, license=license),
        template_path=str(TEMPLATE),
        **_template_fields(results, name=name, repo_id=repo_id, license=license),
        **_spread_fields(results, comparison, picture),
    )
    path = directory / "README.md"
    card.save(path)
    return path


def comparison_heading(directory: Path | str) -> str | None:
    """Find the section of a card that only a comparison can write again.

    Args:
        directory: The model's folder.

    Returns:
        Its heading; None without such a section, or without a card.
    """
    path = Path(directory) / "README.md"
    text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    found = re.search(rf"^## ({_OVER_ALL} \w+)$", text, flags=re.MULTILINE)
    return found and found[1]


def model_card_data(results: Mapping[str, Any], *, model_name: str, license: str | None = None) -> ModelCardData:
    """Collect the metadata by which the Hub finds and shows a model.

    Args:
        results: Checked results.
        model_name: The name that the evaluation results carry.
        license: The licence as the Hub spells it, or None.

    Returns:
        The metadata. What is no name on the Hub, such as a folder that training started from, is left out.
    """
    fastast, data = results["models"]["fastast"], results["data"]
    metrics = [name for name in METRIC_NAMES if name in (fastast.get("metrics") or {})]
    base_model, dataset = fastast.get("base_model"), data.get("id")
    return ModelCardData(
        license=license,
        library_name="transformers",
        pipeline_tag=TASK,
        tags=[*TAGS, DISTILLATION_TAG] if _is_distilled(results) else TAGS,
        base_model=base_model if is_repo_id(base_model) else None,
        datasets=[dataset] if is_repo_id(dataset) else None,
        metrics=metrics or None,
        model_name=model_name,
        eval_results=[_eval_result(results, metric) for metric in metrics] or None,
    )


def _eval_result(results: Mapping[str, Any], metric: str) -> EvalResult:
    """State one metric of FastAST as the Hub's model index does."""
    data = results["data"]
    name = without_machine_paths(data["name"])
    fold = data.get("eval_fold")
    return EvalResult(
        task_type=TASK,
        dataset_type=data["id"] if is_repo_id(data.get("id")) else re.sub(r"\W+", "-", name.lower()).strip("-"),
        dataset_name=name,
        dataset_split="test" if fold is None else f"fold {fold}",
        metric_type=metric,
        metric_name=METRIC_NAMES[metric],
        metric_value=round(results["models"]["fastast"]["metrics"][metric], 4),
    )


def _template_fields(
    results: Mapping[str, Any], *, name: str, repo_id: str | None, license: str | None
) -> dict[str, str]:
    """Render what the template shows. Every value from outside is escaped here, for Jinja escapes nothing."""
    labels = results["data"]["labels"]
    return {
        "title": escape_markdown(name),
        "repository": repo_id or "<user>/<model>",
        "training_kind": _training_kind(results),
        "num_labels": f"{len(labels):,}",
        "labels": _list_labels(labels),
        "table": models_table(results),
        "data_line": data_line(results),
        "conditions_line": conditions_line(results),
        "share_line": _share_line(results),
        "training_table": markdown_table(["Argument", "Value"], sorted(results["training"].items())),
        "merging_line": _merging_line(results),
        "command": code_block(results["command"], "bash"),
        "licenses": _license_lines(results, license),
    }


def _spread_fields(
    results: Mapping[str, Any], comparison: Mapping[str, Any] | None, picture: str | None
) -> dict[str, str]:
    """Render what is known of the spread: other models over folds or seeds, or that there is nothing."""
    resolution = f"One clip of the evaluation is {100 / max(results['data']['num_eval'], 1):.2f} points of accuracy."
    if comparison is None:
        return {
            "comparison": "",
            "resolution": f"{resolution} Differences of that size say nothing, and one run on one split shows no spread.",
        }
    part = comparison["comparison"]["part"]
    shown = f"![Accuracy against throughput, mean over the {part}s]({picture})\n\n" if picture else ""
    section = f"## {_OVER_ALL} {part}s\n\n{shown}{results_block(comparison)}\n\n"
    return {"comparison": section, "resolution": f"{resolution} The table over all {part}s shows the spread."}


def _is_distilled(results: Mapping[str, Any]) -> bool:
    """Tell whether a teacher had a say; a run at weight 0 is the control without one."""
    return "teacher" in results["models"] and results["training"].get("distillation_weight") != 0


def _training_kind(results: Mapping[str, Any]) -> str:
    """Say what the model learnt from."""
    return "cross-model knowledge distillation" if _is_distilled(results) else "labels alone"


def _list_labels(labels: list[str]) -> str:
    """List the labels; of very many the first ones, and say so."""
    shown = ", ".join(escape_markdown(label) for label in labels[:MAX_LABELS_SHOWN])
    rest = len(labels) - MAX_LABELS_SHOWN
    return f"{shown} and {rest:,} more, see `config.json`" if rest > 0 else shown


def _share_line(results: Mapping[str, Any]) -> str:
    """Say how much of the saved work became saved time, which is what merging is judged by."""
    row = results["benchmark"]["rows"].get("fastast", {})
    if not row.get("mac_ratio"):
        return "FastAST's speed was not measured against AST's in this run."
    return (
        f"FastAST does {1 / row['mac_ratio']:.0%} of AST's multiply-accumulates and runs {row['speed_up']:.2f}x as "
        f"fast: {row['speed_up'] / row['mac_ratio']:.0%} of the {row['mac_ratio']:.2f}x that the saved work allows."
    )


def _merging_line(results: Mapping[str, Any]) -> str:
    """Name the merge schedule that the configuration carries."""
    schedule = results["models"]["fastast"].get("merge_schedule")
    if not schedule:
        return "Merge schedule: `config.json` carries it, and `config.merge_schedule(num_frames)` spells it out."
    merged = ", ".join(escape_markdown(tokens) for tokens in schedule)
    return (
        f"Merge schedule, tokens merged away at each layer at {results['benchmark']['num_frames']:,} frames: {merged}."
    )


def _license_lines(results: Mapping[str, Any], license: str | None) -> str:
    """List the licences of everything that went into the model, the unknown ones as unknown."""
    models, data = results["models"], results["data"]
    parts = [
        ("This model", None, license),
        ("Start", models["fastast"].get("base_model"), models["fastast"].get("license")),
        ("Data", data["name"], data.get("license")),
    ]
    if "teacher" in models:
        parts.insert(2, ("Teacher", models["teacher"].get("base_model"), models["teacher"].get("license")))
    return "\n".join(
        f"- {part}{f' ({escape_markdown(source)})' if source else ''}: "
        f"{escape_markdown(terms) if terms else 'not recorded; look it up before you pass the model on'}"
        for part, source, terms in parts
    )


def _check_kind(name: str, results: Mapping[str, Any], kind: str) -> None:
    if kind_of(results) != kind:
        raise ValueError(
            f'`{name}` must be results of kind "{kind}", got "{kind_of(results)}". Give another file; fastast_hf.hub.results '
            "describes the kinds."
        )


def _check_repo_id(repo_id: str) -> None:
    if not is_repo_id(repo_id):
        raise ValueError(f"`repo_id` must be a name on the Hub, got {repo_id!r}. Write it as user/name.")


def _check_license(license: str) -> None:
    if not is_license(license):
        raise ValueError(
            f"`license` must be a licence as the Hub spells it, got {license!r}. Write it like apache-2.0."
        )
