import json

import pytest
import soundfile
import soxr
import torch
from torch.utils.data import Dataset
from transformers import ASTFeatureExtractor, Trainer, TrainingArguments

from fastast_hf.distillation.configuration_efficientat import EfficientATConfig
from fastast_hf.distillation.efficientat import EfficientATForAudioClassification
from tests.conftest import ESC10, SHARED, requires_shared

RELEASED = SHARED / "models" / "efficientat_mn04_as"


def tiny_model(**fields):
    torch.manual_seed(0)
    fields = {"width_multiplier": 0.1, "num_labels": 3, "problem_type": "single_label_classification"} | fields
    return EfficientATForAudioClassification(EfficientATConfig(**fields)).eval()


@requires_shared
def test_released_weights_load_without_a_config():
    model, loading = EfficientATForAudioClassification.from_pretrained(RELEASED, output_loading_info=True)
    assert not any(loading.values())
    assert sum(parameter.numel() for parameter in model.parameters()) == 983_599
    assert model.config.width_multiplier == 0.4
    assert model.config.problem_type == "multi_label_classification"
    labels = json.loads((RELEASED / "audioset_labels.json").read_text())
    assert [model.config.id2label[index] for index in range(527)] == labels
    assert all(model.config.label2id[label] == index for index, label in enumerate(labels))


@requires_shared
@pytest.mark.filterwarnings("ignore:At least one mel filter")  # AST's own filter bank, without torchaudio
@pytest.mark.parametrize(
    ("file_name", "label"),
    [
        ("dog_bark/1-100032-A.ogg", "Dog"),
        ("rooster/1-26806-A.ogg", "Crowing, cock-a-doodle-doo"),
        ("chainsaw/1-116765-A.ogg", "Chainsaw"),
        ("helicopter/1-172649-B.ogg", "Helicopter"),
    ],
)
def test_released_weights_know_real_sounds(file_name, label):
    waveform, sampling_rate = soundfile.read(ESC10 / file_name, dtype="float32")
    waveform = soxr.resample(waveform, sampling_rate, 16_000)
    features = ASTFeatureExtractor(max_length=512)(waveform, sampling_rate=16_000, return_tensors="pt")
    model = EfficientATForAudioClassification.from_pretrained(RELEASED)
    with torch.no_grad():
        best = model(**features).logits[0].topk(5).indices
    assert label in [model.config.id2label[int(index)] for index in best]


@requires_shared
def test_new_head_for_other_labels():
    names = ["cat", "dog", "owl"]
    model, loading = EfficientATForAudioClassification.from_pretrained(
        RELEASED,
        num_labels=3,
        id2label=dict(enumerate(names)),
        label2id={name: index for index, name in enumerate(names)},
        problem_type="single_label_classification",
        ignore_mismatched_sizes=True,
        output_loading_info=True,
    )
    assert {key for key, *_ in loading["mismatched_keys"]} == {"classifier.5.weight", "classifier.5.bias"}
    assert not loading["missing_keys"]
    assert model.config.id2label == dict(enumerate(names))
    assert model.config.problem_type == "single_label_classification"
    released = EfficientATForAudioClassification.from_pretrained(RELEASED)
    assert torch.equal(model.classifier[2].weight, released.classifier[2].weight)


@pytest.mark.parametrize("width_multiplier", [0.1, 0.4, 0.5, 1.0])
def test_round_trip(tmp_path, width_multiplier):
    model = tiny_model(width_multiplier=width_multiplier)
    model.save_pretrained(tmp_path)
    loaded, loading = EfficientATForAudioClassification.from_pretrained(tmp_path, output_loading_info=True)
    assert not any(loading.values())
    assert loaded.config.width_multiplier == width_multiplier
    assert loaded.config.problem_type == "single_label_classification"
    input_values = torch.randn(2, 40, 32)
    assert torch.equal(loaded(input_values).logits, model(input_values).logits)


def test_channels_at_width_1_are_mobilenet_v3s():
    model = tiny_model(width_multiplier=1.0)
    outputs = [layer.block[-1][0].out_channels for layer in model.features[1:-1]]
    assert outputs == [16, 24, 24, 40, 40, 40, 80, 80, 80, 80, 112, 112, 160, 160, 160]
    assert model.classifier[2].in_features == 960
    assert model.classifier[2].out_features == 1280


def test_any_length_and_no_dependence_between_clips():
    model = tiny_model()
    for num_frames in (1, 33, 100):
        input_values = torch.randn(3, num_frames, 32)
        logits = model(input_values).logits
        assert logits.shape == (3, 3)
        alone = torch.cat([model(clip[None]).logits for clip in input_values])
        torch.testing.assert_close(logits, alone)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_dtype_of_the_weights_decides(tmp_path, dtype):
    tiny_model().save_pretrained(tmp_path)
    model = EfficientATForAudioClassification.from_pretrained(tmp_path, dtype=dtype)
    assert model(torch.randn(1, 40, 32)).logits.dtype == dtype


def test_loss_is_the_one_of_the_problem_type():
    input_values, labels = torch.randn(2, 40, 32), torch.tensor([0, 2])
    output = tiny_model()(input_values, labels=labels)
    assert torch.equal(output.loss, torch.nn.functional.cross_entropy(output.logits, labels))
    many_labels = torch.tensor([[1.0, 0.0, 1.0], [0.0, 0.0, 0.0]])
    output = tiny_model(problem_type="multi_label_classification")(input_values, labels=many_labels)
    expected = torch.nn.functional.binary_cross_entropy_with_logits(output.logits, many_labels)
    assert torch.equal(output.loss, expected)
    assert isinstance(tiny_model()(input_values, return_dict=False), tuple)


class Tones(Dataset):
    """Spectrograms of noise with one loud band, whose place is the label."""

    def __len__(self):
        return 12

    def __getitem__(self, index):
        generator = torch.Generator().manual_seed(index)
        input_values = 0.1 * torch.randn(32, 32, generator=generator)
        input_values[:, 10 * (index % 3) : 10 * (index % 3) + 8] += 1
        return {"input_values": input_values, "labels": index % 3}


def test_stock_trainer_trains_it(tmp_path):
    model = tiny_model(classifier_dropout=0.0, batch_norm_momentum=0.1)
    arguments = TrainingArguments(
        tmp_path,
        max_steps=20,
        per_device_train_batch_size=12,
        learning_rate=3e-3,
        logging_steps=1,
        save_strategy="no",
        disable_tqdm=True,
        use_cpu=True,
    )
    trainer = Trainer(model, arguments, train_dataset=Tones())
    trainer.train()
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    assert losses[-1] < 0.5 * losses[0]


def test_a_frozen_base_model_trains_its_classifier_alone(tmp_path):
    model = tiny_model()
    model.freeze_base_model()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    model.train()
    assert model.classifier.training
    assert not any(module.training for module in model.features.modules()), "running statistics must not move"
    arguments = TrainingArguments(str(tmp_path), max_steps=3, learning_rate=0.1, use_cpu=True, save_strategy="no")
    Trainer(model, arguments, train_dataset=Tones()).train()
    changed = {name for name, tensor in model.state_dict().items() if not torch.equal(tensor, before[name])}
    assert changed == {name for name in before if name.startswith("classifier.")}
