"""What a speed measurement is told: merge schedules, batch sizes, dtypes, runtimes and lengths, and the rows they make."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import torch
from transformers import PreTrainedModel

from fastast_hf.evaluation import Runtime, check_compiler

UNMERGED: Mapping[str, Any] = {"merge_ratio": 0.0}
_RATIO_IF_NOTHING_MERGES = 0.25


@dataclass(frozen=True)
class Variant:
    """One row of the measurement, whatever the batch size.

    Attributes:
        merging: `merge_ratio` or `tokens_merged_per_layer` of a FastASTConfig; at ratio 0 nothing merges.
        dtype: Of weights and input.
        runtime: How it runs.
        num_frames: Frames of a clip.
    """

    merging: Mapping[str, Any]
    dtype: torch.dtype
    runtime: Runtime
    num_frames: int


@dataclass(frozen=True, kw_only=True)
class SpeedSettings:
    """What is measured. Every list gives rows: each schedule, and none, in each dtype, runtime and length.

    Attributes:
        schedules: What merges, as in `Variant`.
        batch_sizes: Clips of a forward pass; the rows of one size take turns.
        dtypes: Of weights and input.
        runtimes: How the models run. ONNX Runtime makes rows in float32 and at `max_length` alone, as the files are.
        num_frames: Frames of a clip.
        repeats: Timed turns.
        min_seconds: Go on until the turns of a batch size have taken this long.
        num_workers: Threads that decode, from file to label.
    """

    schedules: Sequence[Mapping[str, Any]]
    batch_sizes: Sequence[int]
    dtypes: Sequence[torch.dtype]
    runtimes: Sequence[Runtime]
    num_frames: Sequence[int]
    repeats: int = 20
    min_seconds: float = 0.0
    num_workers: int = 2


def speed_settings(
    model: PreTrainedModel,
    *,
    merge_ratios: Sequence[float] = (),
    tokens_merged_per_layer: Sequence[int] = (),
    batch_sizes: Sequence[int] = (),
    dtypes: Sequence[torch.dtype] = (),
    runtimes: Sequence[Runtime] = (),
    num_frames: Sequence[int] = (),
    **others: Any,
) -> SpeedSettings:
    """Fill in what is not given by what suits a model and its device.

    Args:
        model: A FastAST classifier on its device.
        merge_ratios: Schedules by ratio.
        tokens_merged_per_layer: Schedules by count. Default: the model's own schedule, or 0.25 if it merges nothing.
        batch_sizes: Default: 1 and 8.
        dtypes: Default: float32, on CUDA also bfloat16.
        runtimes: Default: eager, on CUDA also compiled.
        num_frames: Default: the model's `max_length`.
        **others: See `SpeedSettings`.

    Returns:
        The settings.

    Raises:
        ValueError: If a length or batch size is impossible, or ONNX Runtime would make no row.
        ImportError: If ONNX Runtime or, on the CPU, compiled models are asked for, and what they need is not installed.
    """
    config: Any = model.config
    schedules: list[dict[str, Any]] = [{"tokens_merged_per_layer": count} for count in tokens_merged_per_layer]
    schedules += [{"merge_ratio": ratio} for ratio in merge_ratios]
    on_cuda = model.device.type == "cuda"
    settings = SpeedSettings(
        schedules=schedules or [own_schedule(config) or {"merge_ratio": _RATIO_IF_NOTHING_MERGES}],
        batch_sizes=batch_sizes or (1, 8),
        dtypes=dtypes or ((torch.float32, torch.bfloat16) if on_cuda else (torch.float32,)),
        runtimes=runtimes or (("eager", "compiled") if on_cuda else ("eager",)),
        num_frames=num_frames or (config.max_length,),
        **others,
    )
    _check_settings(settings, model)
    return settings


def list_variants(settings: SpeedSettings, config: Any) -> dict[str, Variant]:
    """Spell out the rows, each once.

    Args:
        settings: What is measured.
        config: The model's.

    Returns:
        Variants by the name of their row: the schedule, and what differs from an eager model in float32 at `max_length`.
    """
    variants = {}
    for num_frames in settings.num_frames:
        for dtype in settings.dtypes:
            for runtime in settings.runtimes:
                for merging in (UNMERGED, *settings.schedules):
                    variant = Variant(merging, dtype, runtime, num_frames)
                    if _is_possible(variant, config):
                        variants[variant_name(variant, config)] = variant
    return variants


def variant_name(variant: Variant, config: Any) -> str:
    """Name a row.

    Args:
        variant: The row.
        config: The model's.

    Returns:
        Such as "ratio 0.25, bfloat16, compiled, 498 frames".
    """
    return ", ".join([schedule_name(variant.merging), *_differences(variant, config)])


def schedule_name(merging: Mapping[str, Any]) -> str:
    """Name a merge schedule.

    Args:
        merging: As in `Variant`.

    Returns:
        "unmerged", "ratio 0.25", "r 40"; "own schedule" if layers differ.
    """
    count, ratio = merging.get("tokens_merged_per_layer"), merging.get("merge_ratio", 0.0)
    if isinstance(count, list) or isinstance(ratio, list):
        return "own schedule"
    if not count and not ratio:
        return "unmerged"
    return f"r {count}" if count else f"ratio {ratio:g}"


def own_schedule(config: Any) -> dict[str, Any] | None:
    """Give the schedule of a configuration.

    Args:
        config: A FastASTConfig.

    Returns:
        As in `Variant`, or None if it merges nothing.
    """
    if not any(config.merge_schedule().tokens_merged):
        return None
    if config.tokens_merged_per_layer is not None:
        return {"tokens_merged_per_layer": config.tokens_merged_per_layer}
    return {"merge_ratio": config.merge_ratio}


def _differences(variant: Variant, config: Any) -> Iterator[str]:
    """Name what differs from an eager model in float32 at `max_length`."""
    if variant.dtype != torch.float32:
        yield str(variant.dtype).removeprefix("torch.")
    if variant.runtime != "eager":
        yield variant.runtime
    if variant.num_frames != config.max_length:
        yield f"{variant.num_frames} frames"


def _is_possible(variant: Variant, config: Any) -> bool:
    """Tell whether there is such a row: an exported file has one length, and float32 whatever the model has."""
    return variant.runtime != "onnxruntime" or (
        variant.dtype == torch.float32 and variant.num_frames == config.max_length
    )


def _check_settings(settings: SpeedSettings, model: PreTrainedModel) -> None:
    config: Any = model.config
    for size in settings.batch_sizes:
        if size < 1:
            raise ValueError(f"`batch_size` must be at least 1, got {size}. Leave it out for 1 and 8.")
    for frames in settings.num_frames:
        if not config.patch_size <= frames <= config.max_length:
            raise ValueError(
                f"`num_frames` must be from {config.patch_size}, one patch, to the model's `max_length` = "
                f"{config.max_length}, got {frames}. Leave it out for `max_length`."
            )
    if "compiled" in settings.runtimes:
        check_compiler(model.device)
    if "onnxruntime" not in settings.runtimes:
        return
    if find_spec("onnxruntime") is None:
        raise ImportError(
            "`runtime` onnxruntime needs onnxruntime, which is not installed. Install what ONNX needs with "
            "`pip install 'fastast_hf[onnx]'`."
        )
    if model.device.type != "cpu":
        raise ValueError(
            f"`runtime` must be eager or compiled on {model.device.type}, got onnxruntime, which runs on the CPU here. Give "
            "`device` cpu."
        )
    if torch.float32 not in settings.dtypes or config.max_length not in settings.num_frames:
        raise ValueError(
            "`runtime` onnxruntime must come with float32 and the model's `max_length` = "
            f"{config.max_length}, got dtypes {', '.join(str(dtype).removeprefix('torch.') for dtype in settings.dtypes)} and "
            f"num_frames {', '.join(map(str, settings.num_frames))}. Add them: an exported file knows no others."
        )
