import pytest
from torch import nn
from transformers import ASTConfig

from fastast_hf.distillation.teacher_labels import label_names, match_labels


def test_each_student_label_finds_its_column():
    student_labels, teacher_labels = ["cat", "dog", "owl", "cow"], ["owl", "cow", "cat", "dog"]
    order = match_labels(student_labels, teacher_labels)
    assert [teacher_labels[column] for column in order] == student_labels


def test_the_same_order_needs_no_columns():
    assert match_labels(["cat", "dog"], ["cat", "dog"]) is None


def test_label_names_stand_in_the_order_of_the_logits():
    model = nn.Identity()
    model.config = ASTConfig(id2label={1: "dog", 0: "cat"}, label2id={"dog": 1, "cat": 0})
    assert label_names(model, "model") == ["cat", "dog"]


def test_a_model_without_label_names():
    with pytest.raises(ValueError, match=r"`teacher` must have its label names in `config\.id2label`, got a Linear"):
        label_names(nn.Linear(2, 2), "teacher")


def test_other_labels():
    with pytest.raises(ValueError, match=r"lacks 'dog' and adds 'cow'\. Set `id2label` of both configs"):
        match_labels(["cat", "dog"], ["cow", "cat"])


def test_many_differing_labels_are_counted():
    with pytest.raises(ValueError, match=r"lacks nothing and adds '00', '01', '02', '03', '04' and 7 more"):
        match_labels(["x"], ["x", *(f"{index:02}" for index in range(12))])


def test_a_label_name_twice():
    assert match_labels(["a", "a", "b"], ["a", "a", "b"]) is None
    with pytest.raises(ValueError, match=r"`id2label` must name every label once .* got a name twice"):
        match_labels(["a", "a", "b"], ["a", "b", "a"])
