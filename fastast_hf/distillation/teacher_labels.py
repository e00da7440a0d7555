"""Labels of student and teacher: the same names, each in its own order.

What a live teacher and stored logits share: `trainer.py` and `stored_logits.py` both read a model's label names here, and
both list names in their messages by `list_some`.
"""

from collections.abc import Mapping, Sequence

from torch import nn

_NAMES_IN_MESSAGE = 5


def match_labels(student_labels: Sequence[str], teacher_labels: Sequence[str]) -> list[int] | None:
    """Find each of the student's labels among the teacher's.

    Args:
        student_labels: The student's label names, in the order of its logits.
        teacher_labels: The teacher's.

    Returns:
        For each student label the teacher's column, or None if both have the same order already.

    Raises:
        ValueError: If the names are not the same.

    Example:
        >>> match_labels(["cat", "dog", "owl"], ["owl", "cat", "dog"])
        [1, 2, 0]
    """
    if list(student_labels) == list(teacher_labels):
        return None
    if set(student_labels) != set(teacher_labels):
        missing = list_some(sorted(set(student_labels) - set(teacher_labels)))
        unknown = list_some(sorted(set(teacher_labels) - set(student_labels)))
        raise ValueError(
            f"`teacher` must have the student's labels, got one that lacks {missing} and adds {unknown}. "
            "Set `id2label` of both configs, or fine-tune the teacher on the student's labels."
        )
    if len(set(student_labels)) < max(len(student_labels), len(teacher_labels)):
        raise ValueError(
            "`id2label` must name every label once where the teacher's order differs from the student's, got a name "
            "twice. Rename it in both configs."
        )
    return [teacher_labels.index(label) for label in student_labels]


def label_names(model: nn.Module, role: str) -> list[str]:
    """Read a model's label names.

    Args:
        model: A model with `config.id2label`.
        role: What errors call it.

    Returns:
        The names in the order of its logits.

    Raises:
        ValueError: If the model has none.
    """
    id2label: Mapping[int, str] | None = getattr(getattr(model, "config", None), "id2label", None)
    if id2label is None:
        raise ValueError(
            f"`{role}` must have its label names in `config.id2label`, got a {type(model).__name__} without. Set them."
        )
    return [id2label[index] for index in range(len(id2label))]


def list_some(names: Sequence[str]) -> str:
    """List names in a message, only the first ones if they are many: AudioSet has 527 labels.

    Args:
        names: The names.

    Returns:
        The names in quotes, "nothing" if there are none.

    Example:
        >>> list_some(["cat", "dog"])
        "'cat', 'dog'"
    """
    shown = ", ".join(repr(name) for name in names[:_NAMES_IN_MESSAGE]) or "nothing"
    hidden = len(names) - _NAMES_IN_MESSAGE
    return f"{shown} and {hidden} more" if hidden > 0 else shown
