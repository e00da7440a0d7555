import copy

import pytest
import torch
from datasets import Dataset
from huggingface_hub import ModelCard
from safetensors.torch import load_file
from torch import nn
from transformers import (
    ASTConfig,
    ASTForAudioClassification,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)
from transformers.modeling_outputs import SequenceClassifierOutput

from fastast_hf.distillation.augmentation import SpectrogramAugmentation
from fastast_hf.distillation.configuration_efficientat import EfficientATConfig
from fastast_hf.distillation.efficientat import EfficientATForAudioClassification
from fastast_hf.distillation.losses import cmkd_loss
from fastast_hf.distillation.trainer import CMKDTrainer
from fastast_hf.distillation.training_arguments import CMKDTrainingArguments

SINGLE = "single_label_classification"
MULTI = "multi_label_classification"
NAMES = ["cat", "dog", "owl"]
NUM_CLIPS, NUM_FRAMES, NUM_MEL_BINS = 16, 64, 32
AUGMENTATION = {"frequency_mask_bins": 8, "time_mask_frames": 16}


def label_fields(names):
    return {"id2label": dict(enumerate(names)), "label2id": {name: index for index, name in enumerate(names)}}


def student(seed=0, names=NAMES, **fields):
    torch.manual_seed(seed)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    fields = {"max_length": NUM_FRAMES, "num_mel_bins": NUM_MEL_BINS, "problem_type": SINGLE} | sizes | fields
    model = ASTForAudioClassification(ASTConfig(**fields, **label_fields(names)))
    embeddings = model.audio_spectrogram_transformer.embeddings
    for parameter in (embeddings.cls_token, embeddings.distillation_token, embeddings.position_embeddings):
        nn.init.normal_(parameter)  # a new AST has zeros there, which LayerNorm turns into gradients of 1e4
    return model


def convolutional_teacher(names=NAMES):
    torch.manual_seed(1)
    model = EfficientATForAudioClassification(EfficientATConfig(width_multiplier=0.1, **label_fields(names)))
    nn.init.normal_(model.classifier[-1].bias)  # a teacher with an opinion
    return model


def clips(problem_type=SINGLE):
    generator = torch.Generator().manual_seed(0)
    input_values = torch.randn(NUM_CLIPS, NUM_FRAMES, NUM_MEL_BINS, generator=generator)
    labels = torch.arange(NUM_CLIPS) % 3
    if problem_type == MULTI:
        labels = (torch.rand(NUM_CLIPS, 3, generator=generator) < 0.4).float()
    columns = {"input_values": input_values.tolist(), "labels": labels.tolist()}
    return Dataset.from_dict(columns).with_format("torch")


def with_teacher_logits(dataset, teacher):
    teacher.eval()
    with torch.no_grad():
        logits = teacher(dataset[:]["input_values"]).logits
    columns = {name: dataset[:][name].tolist() for name in dataset.column_names}
    return Dataset.from_dict(columns | {"teacher_logits": logits.tolist()}).with_format("torch")


def arguments(folder, **changes):
    settings = {
        "max_steps": 3,
        "per_device_train_batch_size": 8,
        "per_device_eval_batch_size": 8,
        "learning_rate": 0.05,
        "optim": "sgd",
        "lr_scheduler_type": "constant",
        "max_grad_norm": 0.0,
        "logging_steps": 1,
        "save_strategy": "no",
        "disable_tqdm": True,
        "use_cpu": True,
        "dataloader_pin_memory": False,
    }
    return CMKDTrainingArguments(folder, **settings | changes)


def train(folder, model, dataset=None, *, teacher=None, augmentation=None, callbacks=None, resume=None, **changes):
    trainer = CMKDTrainer(
        model,
        arguments(folder, **changes),
        train_dataset=clips() if dataset is None else dataset,
        teacher=teacher,
        augmentation=augmentation,
        callbacks=callbacks,
    )
    trainer.train(resume_from_checkpoint=resume)
    return trainer


def assert_same_weights(first, second, **tolerance):
    second = second.state_dict()
    for name, weight in first.state_dict().items():
        torch.testing.assert_close(weight, second[name], **{"rtol": 0, "atol": 0} | tolerance, msg=name)


def largest_difference(first, second):
    pairs = zip(first.parameters(), second.parameters(), strict=True)
    return max((one - other).abs().max().item() for one, other in pairs)


class Recorder(nn.Module):
    """Pass a model's calls through and keep what it saw."""

    def __init__(self, model):
        super().__init__()
        self.inner = model
        self.config = model.config
        self.views = []
        self.modes = []

    def forward(self, input_values):
        self.views.append(input_values.clone())
        self.modes.append((self.training, self.inner.training, torch.is_grad_enabled()))
        return self.inner(input_values)


# --- The loss -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("problem_type", [SINGLE, MULTI])
def test_the_training_loss_is_the_cmkd_loss(tmp_path, problem_type):
    dataset, teacher, model = clips(problem_type), convolutional_teacher(), student(problem_type=problem_type)
    settings = {"distillation_weight": 0.7, "distillation_temperature": 2.0}
    trainer = CMKDTrainer(model, arguments(tmp_path, **settings), train_dataset=dataset, teacher=teacher)
    model.train()
    loss = trainer.compute_loss(model, dataset[:])
    expected = cmkd_loss(
        model(dataset[:]["input_values"]).logits,
        teacher(dataset[:]["input_values"]).logits,
        dataset[:]["labels"],
        distillation_weight=0.7,
        temperature=2.0,
        problem_type=problem_type,
    )
    assert torch.equal(loss, expected)


@pytest.mark.parametrize("problem_type", [SINGLE, MULTI])
def test_batch_of_8_is_4_accumulated_batches_of_2(tmp_path, problem_type):
    dataset, teacher, untrained = clips(problem_type), convolutional_teacher(), student(problem_type=problem_type)
    at_once, in_parts = copy.deepcopy(untrained), copy.deepcopy(untrained)
    trainers = [
        train(tmp_path, at_once, dataset, teacher=teacher),
        train(
            tmp_path,
            in_parts,
            dataset,
            teacher=teacher,
            per_device_train_batch_size=2,
            gradient_accumulation_steps=4,
        ),
    ]
    assert_same_weights(at_once, in_parts, atol=1e-6)
    assert largest_difference(at_once, untrained) > 1e-3
    for first, second in zip(*(trainer.state.log_history[:-1] for trainer in trainers), strict=True):
        for name in ("loss", "label_loss", "distillation_loss"):
            assert first[name] == pytest.approx(second[name], abs=1e-5)


def test_weight_0_is_the_stock_trainer_and_never_runs_the_teacher(tmp_path):
    teacher, ours, stock = Recorder(convolutional_teacher()), student(), student()
    trainer = train(tmp_path, ours, teacher=teacher, distillation_weight=0.0)
    Trainer(stock, arguments(tmp_path), train_dataset=clips()).train()
    assert_same_weights(ours, stock)
    assert teacher.views == []
    assert "label_loss" in trainer.state.log_history[0]
    assert "distillation_loss" not in trainer.state.log_history[0]


@pytest.mark.parametrize("problem_type", [SINGLE, MULTI])
def test_a_missing_problem_type_follows_from_the_labels(tmp_path, problem_type):
    model = student(problem_type=None)
    augmentation = SpectrogramAugmentation(**AUGMENTATION, mixup_probability=1.0)  # makes floats of indices
    train(tmp_path, model, clips(problem_type), teacher=convolutional_teacher(), augmentation=augmentation)
    assert model.config.problem_type == problem_type


def test_evaluation_loss_is_the_label_loss_without_teacher_or_augmentation(tmp_path):
    dataset, model, teacher = clips(), student(), Recorder(convolutional_teacher())
    trainer = CMKDTrainer(
        model,
        arguments(tmp_path),
        eval_dataset=with_teacher_logits(dataset, convolutional_teacher()),
        teacher=teacher,
        augmentation=SpectrogramAugmentation(**AUGMENTATION, mixup_probability=1.0),
    )
    loss = trainer.evaluate()["eval_loss"]
    batch = dataset[:]
    with torch.no_grad():
        logits = model(batch["input_values"]).logits
    assert loss == pytest.approx(torch.nn.functional.cross_entropy(logits, batch["labels"]).item(), abs=1e-5)
    assert teacher.views == []
    prediction = trainer.predict(trainer.eval_dataset.remove_columns("labels"))
    torch.testing.assert_close(torch.from_numpy(prediction.predictions), logits)


# --- The teacher ----------------------------------------------------------------------------------------------------


def test_teacher_is_frozen_in_eval_mode_and_sees_the_students_view(tmp_path):
    teacher = Recorder(convolutional_teacher())
    teacher.train()
    before = copy.deepcopy(teacher.state_dict())
    model, student_views = student(), []
    model.register_forward_pre_hook(
        lambda _, args, kwargs: student_views.append(kwargs["input_values"].clone()), with_kwargs=True
    )
    augmentation = SpectrogramAugmentation(**AUGMENTATION, mixup_probability=0.5)
    trainer = train(tmp_path, model, teacher=teacher, augmentation=augmentation, max_steps=4)

    assert len(teacher.views) == len(student_views) == 4
    for seen, shown in zip(teacher.views, student_views, strict=True):
        assert torch.equal(seen, shown)
    originals = clips()[:]["input_values"]
    assert not any(torch.equal(clip, original) for clip in student_views[0] for original in originals)
    assert set(teacher.modes) == {(False, False, False)}
    assert not any(parameter.requires_grad for parameter in teacher.parameters())
    assert all(torch.equal(value, before[name]) for name, value in teacher.state_dict().items())
    optimized = {id(weight) for group in trainer.optimizer.param_groups for weight in group["params"]}
    assert optimized.isdisjoint(id(weight) for weight in teacher.parameters())


def test_checkpoint_holds_the_student_only(tmp_path):
    model = student()
    train(tmp_path, model, teacher=convolutional_teacher(), save_strategy="steps", save_steps=3)
    assert load_file(tmp_path / "checkpoint-3" / "model.safetensors").keys() == _saved_keys(model, tmp_path / "alone")


def _saved_keys(model, folder):
    model.save_pretrained(folder)
    return load_file(folder / "model.safetensors").keys()


@pytest.mark.parametrize("problem_type", [SINGLE, MULTI])
def test_stored_logits_equal_a_live_teacher(tmp_path, problem_type):
    dataset, teacher = clips(problem_type), convolutional_teacher()
    live, stored = student(problem_type=problem_type), student(problem_type=problem_type)
    train(tmp_path, live, dataset, teacher=teacher)
    train(
        tmp_path,
        stored,
        with_teacher_logits(dataset, teacher),
        augmentation=SpectrogramAugmentation(
            time_roll=False, frequency_mask_bins=0, time_mask_frames=0, mixup_probability=0.0
        ),
    )
    assert_same_weights(live, stored, atol=1e-6)


def test_teacher_with_the_same_labels_in_another_order(tmp_path):
    same, permuted = student(), student()
    teacher = convolutional_teacher()
    shuffled = convolutional_teacher(["owl", "cat", "dog"])
    shuffled.load_state_dict(teacher.state_dict())
    with torch.no_grad():
        for parameter in shuffled.classifier[5].parameters():
            parameter.copy_(parameter[[2, 0, 1]].clone())
    train(tmp_path, same, teacher=teacher)
    train(tmp_path, permuted, teacher=shuffled)
    assert_same_weights(same, permuted, atol=1e-6)


def test_teacher_runs_under_the_students_autocast(tmp_path):
    class Spy(nn.Module):
        config = convolutional_teacher().config
        dtypes = set()

        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(NUM_MEL_BINS, 3)

        def forward(self, input_values):
            logits = self.linear(input_values.mean(1))
            self.dtypes.add(logits.dtype)
            return SequenceClassifierOutput(logits=logits)

    teacher = Spy()
    trainer = train(tmp_path, student(), teacher=teacher, bf16=True)
    assert teacher.dtypes == {torch.bfloat16}
    assert trainer.state.log_history[0]["distillation_loss"] > 0


# --- Logging and resuming -------------------------------------------------------------------------------------------


def test_both_parts_are_logged_as_means_of_the_window(tmp_path):
    every_step = train(tmp_path, student(), teacher=convolutional_teacher(), max_steps=4, distillation_weight=0.3)
    every_other = train(
        tmp_path, student(), teacher=convolutional_teacher(), max_steps=4, distillation_weight=0.3, logging_steps=2
    )
    single = [entry for entry in every_step.state.log_history if "loss" in entry]
    double = [entry for entry in every_other.state.log_history if "loss" in entry]
    assert [len(single), len(double)] == [4, 2]
    for entry in single:
        total = 0.7 * entry["label_loss"] + 0.3 * entry["distillation_loss"]
        assert entry["loss"] == pytest.approx(total, abs=1e-5)
    for name in ("label_loss", "distillation_loss"):
        means = [(single[step][name] + single[step + 1][name]) / 2 for step in (0, 2)]
        assert [entry[name] for entry in double] == pytest.approx(means, abs=1e-5)


def test_a_loss_that_is_logged_before_the_first_step(tmp_path):
    trainer = CMKDTrainer(student(), arguments(tmp_path), teacher=convolutional_teacher())
    trainer.log({"loss": 1.0})
    (entry,) = trainer.state.log_history
    assert entry["loss"] == 1.0
    assert "label_loss" not in entry


class StopAt(TrainerCallback):
    def __init__(self, step):
        self.step = step

    def on_step_end(self, args, state, control, **kwargs):
        control.should_training_stop = state.global_step == self.step


def test_best_model_is_loaded_at_the_end(tmp_path):
    model = student()
    trainer = CMKDTrainer(
        model,
        arguments(
            tmp_path,
            max_steps=2,
            learning_rate=5.0,  # too much: the first checkpoint is the better one
            save_strategy="steps",
            save_steps=1,
            eval_strategy="steps",
            eval_steps=1,
            load_best_model_at_end=True,
        ),
        train_dataset=clips(),
        eval_dataset=clips(),
        teacher=convolutional_teacher(),
    )
    trainer.train()
    losses = {entry["step"]: entry["eval_loss"] for entry in trainer.state.log_history if "eval_loss" in entry}
    assert trainer.state.best_model_checkpoint == str(tmp_path / "checkpoint-1")
    assert losses[1] < losses[2]
    assert trainer.evaluate()["eval_loss"] == pytest.approx(losses[1], abs=1e-6)


@pytest.mark.parametrize("stop", [2, 3, 4])  # inside the first epoch, at its end, inside the second
def test_interrupted_and_resumed_equals_undisturbed(tmp_path, stop):
    settings = {
        "teacher": convolutional_teacher(),
        "augmentation": SpectrogramAugmentation(**AUGMENTATION, mixup_probability=0.5),
        "max_steps": 6,
        "per_device_train_batch_size": 6,  # 3 batches an epoch, the last one smaller
        "optim": "adamw_torch",
        "learning_rate": 1e-3,
        "lr_scheduler_type": "linear",
        "save_strategy": "steps",
        "save_steps": 1,
    }
    dropout = {"hidden_dropout_prob": 0.1}
    undisturbed, interrupted, resumed = student(**dropout), student(**dropout), student(seed=7, **dropout)
    expected = train(tmp_path / "undisturbed", undisturbed, **settings)
    train(tmp_path / "resumed", interrupted, callbacks=[StopAt(stop)], **settings)
    assert largest_difference(undisturbed, interrupted) > 1e-4
    checkpoint = tmp_path / "resumed" / f"checkpoint-{stop}"
    actual = train(tmp_path / "resumed", resumed, resume=str(checkpoint), **settings)
    assert_same_weights(undisturbed, resumed)
    for first, second in zip(expected.state.log_history[:-1], actual.state.log_history[:-1], strict=True):
        assert first == second


@pytest.mark.parametrize("num_processes", [1, 2])
def test_each_process_sees_its_own_views(tmp_path, monkeypatch, num_processes):
    trainer = CMKDTrainer(
        student(),
        arguments(tmp_path),
        teacher=Recorder(convolutional_teacher()),
        augmentation=SpectrogramAugmentation(**AUGMENTATION),
    )
    trainer.model.train()
    monkeypatch.setattr(CMKDTrainingArguments, "world_size", num_processes)
    for process_index in [*range(num_processes), 0]:
        monkeypatch.setattr(CMKDTrainingArguments, "process_index", process_index)
        torch.manual_seed(0)  # the Trainer seeds every process alike
        trainer.compute_loss(trainer.model, clips()[:])
    first, *others, again = trainer.teacher.views
    assert torch.equal(again, first)
    assert not any(torch.equal(view, first) for view in others)


# --- The card -------------------------------------------------------------------------------------------------------


def test_a_card_is_drafted_where_there_is_none(tmp_path):
    trainer = CMKDTrainer(student(), arguments(tmp_path / "owls"), teacher=convolutional_teacher())
    trainer.create_model_card(model_name=None, tags=["birds"], finetuned_from="me/owls-base")
    card = ModelCard.load(tmp_path / "owls" / "README.md")
    assert card.data.tags == ["birds", "generated_from_trainer", "knowledge-distillation"]
    assert card.data.base_model == "me/owls-base"
    assert card.text.startswith("\n# owls\n")


def test_a_card_that_is_there_stays(tmp_path):
    (tmp_path / "README.md").write_text("# The owls\n")
    CMKDTrainer(student(), arguments(tmp_path), teacher=convolutional_teacher()).create_model_card()
    assert (tmp_path / "README.md").read_text() == "# The owls\n"


def test_the_first_process_alone_writes_a_card(tmp_path, monkeypatch):
    trainer = CMKDTrainer(student(), arguments(tmp_path), teacher=convolutional_teacher())
    monkeypatch.setattr(trainer, "is_world_process_zero", lambda: False)
    trainer.create_model_card()
    assert not (tmp_path / "README.md").exists()


# --- Arguments ------------------------------------------------------------------------------------------------------


def test_other_arguments_class(tmp_path):
    with pytest.raises(ValueError, match=r"`args` must be CMKDTrainingArguments, got TrainingArguments"):
        CMKDTrainer(student(), TrainingArguments(tmp_path, use_cpu=True))


def test_label_smoothing(tmp_path):
    with pytest.raises(ValueError, match=r"`label_smoothing_factor` must be 0, got 0\.1"):
        CMKDTrainer(student(), arguments(tmp_path, label_smoothing_factor=0.1))


def test_loss_function_of_the_user(tmp_path):
    with pytest.raises(ValueError, match=r"`compute_loss_func` must be None, got a function"):
        CMKDTrainer(student(), arguments(tmp_path), compute_loss_func=lambda *_: None)


def test_no_teacher(tmp_path):
    with pytest.raises(ValueError, match=r"`teacher` must be given for `distillation_weight` 0\.5, got None"):
        train(tmp_path, student())


def test_two_teachers(tmp_path):
    teacher = convolutional_teacher()
    with pytest.raises(ValueError, match=r"`teacher` must be None with a `teacher_logits` column, got EfficientAT"):
        train(tmp_path, student(), with_teacher_logits(clips(), teacher), teacher=teacher)


def test_stored_logits_with_an_augmentation(tmp_path):
    dataset = with_teacher_logits(clips(), convolutional_teacher())
    with pytest.raises(ValueError, match=r"`augmentation` must be None with a `teacher_logits` column, got Spectro"):
        train(tmp_path, student(), dataset, augmentation=SpectrogramAugmentation(**AUGMENTATION))


def test_teacher_is_the_student(tmp_path):
    model = student()
    with pytest.raises(ValueError, match=r"`teacher` must be another model than the student, got the student"):
        CMKDTrainer(model, arguments(tmp_path), teacher=model)


def test_teacher_with_other_labels(tmp_path):
    message = r"got one that lacks 'dog' and adds 'cow'\. Set `id2label`"
    with pytest.raises(ValueError, match=message):
        CMKDTrainer(student(), arguments(tmp_path), teacher=convolutional_teacher(["cat", "cow", "owl"]))
    with pytest.raises(ValueError, match=r"lacks 'cat', 'dog', 'owl' and adds 'LABEL_0', 'LABEL_1', 'LABEL_2'"):
        CMKDTrainer(student(), arguments(tmp_path), teacher=convolutional_teacher(["LABEL_0", "LABEL_1", "LABEL_2"]))


def test_teacher_without_label_names(tmp_path):
    with pytest.raises(ValueError, match=r"`teacher` must have its label names in `config\.id2label`, got a Linear"):
        CMKDTrainer(student(), arguments(tmp_path), teacher=nn.Linear(2, 2))


def test_batches_without_labels(tmp_path):
    with pytest.raises(ValueError, match=r"`labels` must be in every batch, got \['input_values'\]"):
        train(tmp_path, student(), clips().remove_columns("labels"), teacher=convolutional_teacher())
