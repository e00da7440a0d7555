"""Augmentation of spectrograms: what teacher and student both see.

torchaudio's masks are not built upon: they work on one clip at a time, and both models must see one and the same view, which a
training that was interrupted takes up to the last bit.
"""

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Generator, Tensor
from torch.nn import functional as F


@dataclass
class SpectrogramAugmentation:
    """Change a batch of spectrograms at random: time roll, mixup, SpecAugment, in this order.

    `HfArgumentParser` reads the fields. The numbers are drawn on the CPU, so that a seed means the same on every
    device. What is switched off draws no numbers; with everything switched off a batch passes unchanged.

    Source: Park et al. 2019, "SpecAugment" (arXiv 1904.08779), without time warping, one mask an axis, the widths of
    AST's ESC-50 recipe (24 of 128 mels, 96 of 512 frames); Zhang et al. 2018, "mixup" (arXiv 1710.09412). Deviation:
    mixup blends normalised log-mel spectrograms where AST blends waveforms, because a spectrogram is all a trainer
    sees.

    Example:
        >>> everything_off = {"time_roll": False, "frequency_mask_bins": 0, "time_mask_frames": 0}
        >>> SpectrogramAugmentation(**everything_off, mixup_probability=0.0).is_identity
        True
    """

    time_roll: bool = field(
        default=True, metadata={"help": "Shift each clip in time by a random number of frames, end to start."}
    )
    frequency_mask_bins: int = field(
        default=24, metadata={"help": "Largest number of mel bins that are masked in each clip; 0 masks none."}
    )
    time_mask_frames: int = field(
        default=96, metadata={"help": "Largest number of frames that are masked in each clip; 0 masks none."}
    )
    mixup_probability: float = field(
        default=0.5, metadata={"help": "Share of the batches whose clips are mixed in pairs, 0 to 1; 0 mixes none."}
    )
    mixup_alpha: float = field(
        default=0.3,
        metadata={
            "help": "Both parameters of the Beta distribution of a clip's share in its mixture, above 0: small values "
            "leave one clip dominant, 1 draws every share alike."
        },
    )

    def __post_init__(self) -> None:
        """Refuse values outside their range."""
        for name in ("frequency_mask_bins", "time_mask_frames"):
            width = getattr(self, name)
            if width < 0:
                raise ValueError(f"`{name}` must be at least 0, got {width}. Use 0 for no mask.")
        if not 0 <= self.mixup_probability <= 1:
            raise ValueError(
                f"`mixup_probability` must be between 0 and 1, got {self.mixup_probability}. Use 0 for no mixup."
            )
        if not self.mixup_alpha > 0:
            raise ValueError(
                f"`mixup_alpha` must be above 0, got {self.mixup_alpha}. Use `mixup_probability=0` for no mixup."
            )

    @property
    def is_identity(self) -> bool:
        """Whether everything is switched off."""
        return not (self.time_roll or self.frequency_mask_bins or self.time_mask_frames or self.mixup_probability)

    def __call__(
        self,
        input_values: Tensor,
        labels: Tensor,
        *,
        num_labels: int | None = None,
        generator: Generator | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Augment one batch.

        Args:
            input_values: (batch, frames, mel bins) float, normalised so that 0 is the data set's mean. Not changed.
            labels: (batch,) int64 class indices, or (batch, classes) of any dtype.
            num_labels: Number of classes; needed where mixup meets class indices.
            generator: Source of the random numbers, on the CPU; torch's global generator if not given.

        Returns:
            The new input values, of the same shape and dtype, and the labels: the same ones, or after mixup
            probabilities (batch, classes) float32.

        Raises:
            ValueError: If a mask may be larger than the spectrogram, or mixup lacks `num_labels`.
        """
        batch_size, num_frames, num_mel_bins = input_values.shape
        _check_mask("frequency_mask_bins", self.frequency_mask_bins, num_mel_bins, "mel bins")
        _check_mask("time_mask_frames", self.time_mask_frames, num_frames, "frames")
        if self.time_roll:
            shifts = _random_integers(torch.full((batch_size,), num_frames), generator)
            input_values = roll_time(input_values, shifts)
        if self.mixup_probability:
            soft_labels = _as_soft_labels(labels, num_labels)  # (B, C)
            if torch.rand((), generator=generator) < self.mixup_probability:
                shares = _random_beta(self.mixup_alpha, batch_size, generator)
                partners = torch.randperm(batch_size, generator=generator)
                input_values = mix(input_values, partners, shares)
                labels = mix(soft_labels, partners, shares)
        if self.frequency_mask_bins:
            mask = _random_mask(batch_size, num_mel_bins, self.frequency_mask_bins, generator)  # (B, M)
            input_values = _fill_with_mean(input_values, mask[:, None, :])
        if self.time_mask_frames:
            mask = _random_mask(batch_size, num_frames, self.time_mask_frames, generator)  # (B, T)
            input_values = _fill_with_mean(input_values, mask[:, :, None])
        return input_values, labels


def process_generator(process_index: int, num_processes: int) -> Generator:
    """Give each process of a training its own random numbers for one batch.

    The seeds come from torch's global generator on the CPU. The Trainer seeds that generator alike in all processes
    and restores it from a checkpoint: a resumed run sees what an undisturbed one sees.

    Args:
        process_index: Number of this process, from 0.
        num_processes: Number of all processes.

    Returns:
        A new generator on the CPU.
    """
    seeds = torch.randint(2**63 - 1, (num_processes,))
    return Generator().manual_seed(int(seeds[process_index]))


def roll_time(input_values: Tensor, shifts: Tensor) -> Tensor:
    """Shift each clip in time; what leaves at the end comes back at the start.

    Args:
        input_values: (batch, frames, mel bins).
        shifts: (batch,) int64, in frames, on any device.

    Returns:
        A new tensor of the same shape.
    """
    batch_size, num_frames, _ = input_values.shape
    sources = (torch.arange(num_frames) - shifts.cpu()[:, None]) % num_frames  # (B, T)
    clips = torch.arange(batch_size)[:, None]  # (B, 1)
    return input_values[clips.to(input_values.device), sources.to(input_values.device)]


def mix(values: Tensor, partners: Tensor, shares: Tensor) -> Tensor:
    """Blend each entry of a batch with its partner: `share * own + (1 - share) * partner's`.

    Args:
        values: (batch, ...) float.
        partners: (batch,) int64, the entry that each one is blended with, on any device.
        shares: (batch,) float in [0, 1], what stays of the own entry, on any device.

    Returns:
        A new tensor of the same shape and dtype.
    """
    partners = partners.to(values.device)
    shares = shares.to(values.device, values.dtype).view(-1, *[1] * (values.dim() - 1))
    return torch.lerp(values[partners], values, shares)


def span_mask(starts: Tensor, widths: Tensor, size: int) -> Tensor:
    """Mark one span in each row.

    Args:
        starts: (batch,) int64, the first marked place.
        widths: (batch,) int64, the number of marked places.
        size: Places in a row.

    Returns:
        (batch, size) bool.

    Example:
        >>> span_mask(torch.tensor([1]), torch.tensor([2]), 4)
        tensor([[False,  True,  True, False]])
    """
    places = torch.arange(size)
    return (places >= starts[:, None]) & (places < (starts + widths)[:, None])


def _check_mask(name: str, largest: int, size: int, places: str) -> None:
    if largest > size:
        raise ValueError(
            f"`{name}` must be at most the {size} {places} of the spectrogram, got {largest}. Use a smaller mask."
        )


def _as_soft_labels(labels: Tensor, num_labels: int | None) -> Tensor:
    if labels.dim() > 1:
        return labels.float()
    if num_labels is None:
        raise ValueError(
            "`num_labels` must be given for mixup of class indices, got None. Pass the number of classes, or use "
            "`mixup_probability=0`."
        )
    return F.one_hot(labels, num_labels).float()


def _fill_with_mean(input_values: Tensor, mask: Tensor) -> Tensor:
    # AST's feature extractor subtracts the data set's mean, so 0 is the mean: SpecAugment's own choice (section 2).
    return input_values.masked_fill(mask.to(input_values.device), 0.0)


def _random_mask(batch_size: int, size: int, largest: int, generator: Generator | None) -> Tensor:
    """Draw one span a clip: its width from 0 to `largest`, then its start among those that fit."""
    widths = _random_integers(torch.full((batch_size,), largest + 1), generator)
    starts = _random_integers(size - widths + 1, generator)
    return span_mask(starts, widths, size)


def _random_integers(ends: Tensor, generator: Generator | None) -> Tensor:
    """Draw one integer for each entry of `ends`, uniform from 0 up to but not including it."""
    # In float64 a draw below 1 times a small integer stays below that integer.
    return (torch.rand(ends.shape, dtype=torch.float64, generator=generator) * ends).long()


def _random_beta(alpha: float, size: int, generator: Generator | None) -> Tensor:
    """Draw from Beta(alpha, alpha), (size,) float32; torch's own distribution takes no generator."""
    seed = int(torch.randint(2**63 - 1, (), generator=generator))
    return torch.from_numpy(np.random.default_rng(seed).beta(alpha, alpha, size)).float()
