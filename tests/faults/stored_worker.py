"""Train from stored teacher logits as a user's program does: `python -m tests.faults.stored_worker FOLDER RUN`.

FOLDER is that of `tests.faults.runs`. RUN gets `teacher.parquet`, unless it is there, and the trained student.
"""

import sys
from pathlib import Path

from transformers import set_seed

from fastast_hf import FastASTConfig, FastASTFeatureExtractor, FastASTForAudioClassification
from fastast_hf.data import extract_features, label_mappings, label_names, load_audio_dataset
from fastast_hf.distillation import (
    CMKDTrainer,
    CMKDTrainingArguments,
    EfficientATForAudioClassification,
    add_teacher_logits,
    compute_teacher_logits,
    load_teacher_logits,
    save_teacher_logits,
)


def main(folder: Path, run: Path) -> None:
    run.mkdir(exist_ok=True)
    config = FastASTConfig.from_pretrained(folder / "student")
    extractor = FastASTFeatureExtractor(max_length=config.max_length, num_mel_bins=config.num_mel_bins)
    part = load_audio_dataset(folder / "sounds", split_column="split", cache_dir=folder / "cache")["train"]
    features = extract_features(part, extractor)
    table = run / "teacher.parquet"
    if not table.exists():
        teacher = EfficientATForAudioClassification.from_pretrained(folder / "reference" / "_teacher")
        save_teacher_logits(compute_teacher_logits(teacher, features), table)
    names = label_names(part)
    features = add_teacher_logits(features, load_teacher_logits(table), names)
    set_seed(0)
    id2label, label2id = label_mappings(names)
    config.update({"id2label": id2label, "label2id": label2id})
    student = FastASTForAudioClassification(config)
    arguments = CMKDTrainingArguments(
        str(run), max_steps=3, save_strategy="no", use_cpu=True, dataloader_pin_memory=False, disable_tqdm=True
    )
    CMKDTrainer(student, arguments, train_dataset=features).train()
    student.save_pretrained(run)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[1]) / sys.argv[2])
