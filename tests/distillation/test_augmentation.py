import pytest
import torch
from transformers import HfArgumentParser

from fastast_hf.distillation.augmentation import SpectrogramAugmentation, mix, process_generator, roll_time, span_mask

OFF = {"time_roll": False, "frequency_mask_bins": 0, "time_mask_frames": 0, "mixup_probability": 0.0}


def random_batch(batch_size=6, num_frames=40, num_mel_bins=12):
    generator = torch.Generator().manual_seed(0)
    input_values = torch.randn(batch_size, num_frames, num_mel_bins, generator=generator)
    return input_values, torch.arange(batch_size) % 3


@pytest.mark.parametrize("num_frames", [1, 2, 5])
def test_roll_time_equals_rolling_each_clip(num_frames):
    input_values = torch.randn(num_frames, num_frames, 3)
    shifts = torch.arange(num_frames)
    expected = torch.stack([clip.roll(int(shift), dims=0) for clip, shift in zip(input_values, shifts, strict=True)])
    assert torch.equal(roll_time(input_values, shifts), expected)


def test_mix_equals_mixing_each_clip():
    values = torch.randn(4, 3, 2)
    partners, shares = torch.tensor([2, 0, 3, 1]), torch.tensor([0.0, 0.25, 0.9, 1.0])
    expected = [shares[i] * values[i] + (1 - shares[i]) * values[partners[i]] for i in range(4)]
    torch.testing.assert_close(mix(values, partners, shares), torch.stack(expected))


@pytest.mark.parametrize("size", [1, 2, 5])
def test_span_mask_equals_marking_each_place(size):
    spans = [(start, width) for start in range(size + 1) for width in range(size - start + 1)]
    expected = [[start <= place < start + width for place in range(size)] for start, width in spans]
    starts, widths = torch.tensor(spans).T
    assert span_mask(starts, widths, size).tolist() == expected


def test_switched_off_is_the_identity_and_draws_nothing():
    input_values, labels = random_batch()
    state = torch.get_rng_state()
    new_values, new_labels = SpectrogramAugmentation(**OFF)(input_values, labels)
    assert new_values is input_values
    assert new_labels is labels
    assert torch.equal(torch.get_rng_state(), state)
    assert SpectrogramAugmentation(**OFF).is_identity


@pytest.mark.parametrize(
    "change", [{"time_roll": True}, {"frequency_mask_bins": 1}, {"time_mask_frames": 1}, {"mixup_probability": 0.1}]
)
def test_one_switch_is_enough_to_change_something(change):
    assert not SpectrogramAugmentation(**OFF | change).is_identity


def test_input_is_not_changed_in_place():
    input_values, labels = random_batch()
    before = input_values.clone()
    augmentation = SpectrogramAugmentation(frequency_mask_bins=12, time_mask_frames=40, mixup_probability=1.0)
    new_values, _ = augmentation(input_values, labels, num_labels=3)
    assert torch.equal(input_values, before)
    assert new_values.shape == input_values.shape
    assert new_values.dtype == input_values.dtype


def test_time_roll_keeps_each_clip_and_shifts_each_its_own_way():
    input_values, labels = random_batch()
    generator = torch.Generator().manual_seed(1)
    new_values, new_labels = SpectrogramAugmentation(**OFF | {"time_roll": True})(
        input_values, labels, generator=generator
    )
    shifts = [
        next(shift for shift in range(40) if torch.equal(clip.roll(shift, dims=0), new_clip))
        for clip, new_clip in zip(input_values, new_values, strict=True)
    ]
    assert len(set(shifts)) > 3
    assert new_labels is labels


def test_time_roll_draws_every_shift():
    frames = torch.arange(4.0).view(1, 4, 1).expand(400, 4, 1)
    rolled, _ = SpectrogramAugmentation(**OFF | {"time_roll": True})(
        frames, torch.zeros(400, dtype=torch.long), generator=torch.Generator().manual_seed(0)
    )
    counts = rolled[:, 0, 0].long().bincount(minlength=4)
    assert counts.min() > 70  # 100 expected of each


@pytest.mark.parametrize(("field", "axis"), [("time_mask_frames", 1), ("frequency_mask_bins", 2)])
@pytest.mark.parametrize("largest", [1, 3, 12])
def test_masks_are_one_span_of_zeros_a_clip(field, axis, largest):
    input_values = torch.ones(1000, 40, 12)
    new_values, _ = SpectrogramAugmentation(**OFF | {field: largest})(
        input_values, torch.zeros(1000, dtype=torch.long), generator=torch.Generator().manual_seed(0)
    )
    other_axis = 3 - axis
    assert torch.equal(new_values.amin(other_axis), new_values.amax(other_axis))  # the whole row or column
    masked = new_values.amax(other_axis) == 0  # (B, T) or (B, M)
    widths = masked.sum(1)
    spans = (masked[:, 1:] & ~masked[:, :-1]).sum(1) + masked[:, 0]
    assert widths.unique().tolist() == list(range(largest + 1))
    assert spans.max() == 1
    assert masked.any(0).all()  # every place can be masked


def test_mixup_blends_clips_and_labels_alike():
    input_values, labels = random_batch()
    one_hot = torch.nn.functional.one_hot(labels, 3).float()
    input_values = torch.cat(
        [input_values, one_hot[:, None, :].repeat(1, 40, 1)], dim=2
    )  # each clip carries its label
    new_values, new_labels = SpectrogramAugmentation(**OFF | {"mixup_probability": 1.0})(
        input_values, labels, num_labels=3, generator=torch.Generator().manual_seed(2)
    )
    torch.testing.assert_close(new_values[:, 0, -3:], new_labels)
    torch.testing.assert_close(new_labels.sum(1), torch.ones(6))
    assert ((new_labels > 0.01) & (new_labels < 0.99)).any()
    assert new_labels.dtype == torch.float32


def test_mixup_of_many_labels_needs_no_number_of_labels():
    input_values, _ = random_batch()
    labels = torch.eye(6)[:, :4].long()
    _, new_labels = SpectrogramAugmentation(**OFF | {"mixup_probability": 1.0})(input_values, labels)
    assert new_labels.shape == (6, 4)
    assert new_labels.dtype == torch.float32


def test_mixup_happens_on_its_share_of_the_batches():
    input_values, labels = random_batch()
    generator = torch.Generator().manual_seed(0)
    augmentation = SpectrogramAugmentation(**OFF | {"mixup_probability": 0.25})
    mixed = sum(
        augmentation(input_values, labels, num_labels=3, generator=generator)[1].dim() == 2 for _ in range(400)
    )
    assert 70 < mixed < 130


@pytest.mark.parametrize(("alpha", "variance"), [(0.3, 0.15625), (1.0, 1 / 12), (10.0, 1 / 84)])
def test_mixup_shares_follow_the_beta_distribution(alpha, variance):
    clips = 4000
    marks = torch.eye(2).repeat(clips // 2, 1)  # (B, 2)
    _, labels = SpectrogramAugmentation(**OFF | {"mixup_probability": 1.0, "mixup_alpha": alpha})(
        torch.zeros(clips, 1, 1), marks, generator=torch.Generator().manual_seed(0)
    )
    shares = labels[:, 0][(labels[:, 0] > 0) & (labels[:, 0] < 1)]  # a clip and another mark
    assert shares.mean() == pytest.approx(0.5, abs=0.03)
    assert shares.var() == pytest.approx(variance, rel=0.1)  # of Beta(a, a): 1 / (4 (2 a + 1))


def test_global_generator_decides_and_bfloat16_works():
    input_values, labels = random_batch()
    augmentation = SpectrogramAugmentation(frequency_mask_bins=4, time_mask_frames=8, mixup_probability=0.5)
    for dtype in (torch.float32, torch.bfloat16):
        views = []
        for _ in range(2):
            torch.manual_seed(5)
            views.append([augmentation(input_values.to(dtype), labels, num_labels=3) for _ in range(3)])
        for (first, first_labels), (second, second_labels) in zip(*views, strict=True):
            assert first.dtype == dtype
            assert torch.equal(first, second)
            assert torch.equal(first_labels, second_labels)


def draws(process_index, num_processes, num_batches=3):
    torch.manual_seed(0)  # every process starts alike
    return [
        torch.rand(4, generator=process_generator(process_index, num_processes)).tolist() for _ in range(num_batches)
    ]


def test_processes_draw_their_own_numbers_and_stay_in_step():
    streams = [draws(process_index, 3) for process_index in range(3)]
    numbers = [number for stream in streams for batch in stream for number in batch]
    assert len(set(numbers)) == len(numbers)
    states = [torch.get_rng_state() for process_index in range(3) if draws(process_index, 3)]
    assert all(torch.equal(state, states[0]) for state in states)


def test_one_process_is_reproducible_and_goes_on_where_it_stopped():
    expected = draws(0, 1)
    assert draws(0, 1) == expected
    assert draws(0, 1, num_batches=1) == expected[:1]
    state = torch.get_rng_state()  # what a checkpoint keeps
    torch.manual_seed(5)
    torch.set_rng_state(state)
    assert [torch.rand(4, generator=process_generator(0, 1)).tolist() for _ in range(2)] == expected[1:]


def test_hf_argument_parser_reads_it():
    parser = HfArgumentParser(SpectrogramAugmentation)
    (augmentation,) = parser.parse_args_into_dataclasses(["--no_time_roll", "--mixup_probability", "0.25"])
    assert augmentation == SpectrogramAugmentation(time_roll=False, mixup_probability=0.25)
    assert "--frequency_mask_bins" in parser.format_help()


@pytest.mark.parametrize("field", ["frequency_mask_bins", "time_mask_frames"])
def test_negative_mask(field):
    with pytest.raises(ValueError, match=rf"`{field}` must be at least 0, got -1\. Use 0 for no mask"):
        SpectrogramAugmentation(**{field: -1})


@pytest.mark.parametrize("probability", [-0.1, 1.1])
def test_mixup_probability_outside_its_range(probability):
    with pytest.raises(ValueError, match=r"`mixup_probability` must be between 0 and 1, got"):
        SpectrogramAugmentation(mixup_probability=probability)


@pytest.mark.parametrize("alpha", [0.0, -1.0, float("nan")])
def test_mixup_alpha_outside_its_range(alpha):
    with pytest.raises(ValueError, match=r"`mixup_alpha` must be above 0, got .* Use `mixup_probability=0`"):
        SpectrogramAugmentation(mixup_alpha=alpha)


@pytest.mark.parametrize(
    ("field", "message"),
    [("frequency_mask_bins", "the 12 mel bins"), ("time_mask_frames", "the 40 frames")],
)
def test_mask_larger_than_the_spectrogram(field, message):
    with pytest.raises(ValueError, match=rf"`{field}` must be at most {message} of the spectrogram, got 41"):
        SpectrogramAugmentation(**OFF | {field: 41})(*random_batch())


def test_mixup_of_class_indices_without_their_number():
    with pytest.raises(ValueError, match=r"`num_labels` must be given for mixup of class indices, got None"):
        SpectrogramAugmentation(**OFF | {"mixup_probability": 1e-9})(*random_batch())
