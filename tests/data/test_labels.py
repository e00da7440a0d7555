import pytest
from datasets import Audio, ClassLabel, Dataset, List

from fastast_hf.data.labels import encode_labels, label_mappings, label_names, multi_hot, problem_type


def part(labels, feature=None):
    audio = [{"bytes": None, "path": f"{i}.wav"} for i in range(len(labels))]
    dataset = Dataset.from_dict({"audio": audio, "label": labels}).cast_column("audio", Audio(decode=False))
    return dataset.cast_column("label", feature) if feature else dataset


def test_names_of_all_parts_become_ids():
    encoded = encode_labels({"train": part(["b", "a"]), "eval": part(["c", "a"])})
    assert [label_names(dataset) for dataset in encoded.values()] == [["a", "b", "c"]] * 2
    assert encoded["train"]["label"][:] == [1, 0]
    assert encoded["eval"]["label"][:] == [2, 0]
    assert problem_type(encoded["train"]) == "single_label_classification"


def test_class_labels_keep_their_order():
    feature = ClassLabel(names=["z", "a"])
    encoded = encode_labels({"train": part([0, 1], feature), "eval": part([1], feature)})
    assert label_names(encoded["eval"]) == ["z", "a"]
    assert encoded["train"]["label"][:] == [0, 1]


def test_lists_of_class_labels():
    encoded = encode_labels({"train": part([[0], [0, 1]], List(ClassLabel(names=["z", "a"])))})
    assert label_names(encoded["train"]) == ["z", "a"]
    assert problem_type(encoded["train"]) == "multi_label_classification"


def test_delimited_strings_become_lists():
    encoded = encode_labels({"train": part(["rain; dog", "dog"]), "eval": part(["cat"])}, delimiter=";")
    assert label_names(encoded["train"]) == ["cat", "dog", "rain"]
    assert encoded["train"]["label"][:] == [[2, 1], [1]]
    assert encoded["eval"]["label"][:] == [[0]]


def test_other_classes_in_one_part():
    parts = {"train": part([0], ClassLabel(names=["a", "b"])), "eval": part([0], ClassLabel(names=["b", "a"]))}
    with pytest.raises(ValueError, match=r"`label` must have the same classes in both parts, got \['a', 'b'\] and"):
        encode_labels(parts)


def test_empty_names_are_dropped():
    encoded = encode_labels({"train": part(["dog;", "a;; b", " ; dog"])}, delimiter=";")
    assert label_names(encoded["train"]) == ["a", "b", "dog"]
    assert encoded["train"]["label"][:] == [[2], [0, 1], [2]]


def test_an_empty_list_is_a_clip_without_labels():
    encoded = encode_labels({"train": part([["dog"], []])})
    assert encoded["train"]["label"][:] == [[0], []]


@pytest.mark.parametrize(
    ("labels", "delimiter"),
    [
        (["a", None], None),
        (["a", ""], None),
        ([0, -1], None),
        (["a", None], ";"),
        (["a", ""], ";"),
        (["a", " ;; "], ";"),
        ([["a"], None], None),
    ],
)
def test_missing_label(labels, delimiter):
    feature = ClassLabel(names=["a"]) if labels[0] == 0 else None
    message = r"`label` must be set for every clip, got 1 of 2 without one, first in row 1 \('1.wav'\)\. Label them"
    with pytest.raises(ValueError, match=message):
        encode_labels({"train": part(labels, feature)}, delimiter)


def test_missing_label_of_an_embedded_sound():
    sounds = [{"bytes": b"RIFF", "path": None}] * 2
    dataset = Dataset.from_dict({"audio": sounds, "label": ["a", None]}).cast_column("audio", Audio(decode=False))
    with pytest.raises(ValueError, match=r"got 1 of 2 without one, first in row 1\. Label them or remove their rows"):
        encode_labels({"train": dataset})


def test_mappings():
    id2label, label2id = label_mappings(["x", "y"])
    assert id2label == {0: "x", 1: "y"}
    assert {label2id[name]: name for name in label2id} == id2label


def test_multi_hot_equals_its_twin():
    lists = [[0, 2], [], [1], [2, 2]]
    expected = [[float(i in ids) for i in range(4)] for ids in lists]
    assert multi_hot(lists, 4).tolist() == expected
