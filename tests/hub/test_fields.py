"""Fields of a results file: what each rule lets through, and how it refuses the rest."""

import pytest

from fastast_hf.hub.fields import COUNT, FINITE, TEXT, check_each, check_field, check_numbers, check_rule, check_share


@pytest.mark.parametrize(
    ("rule", "good", "wrong"),
    [
        (FINITE, (0, -1.5, 10**300), (None, True, "1", float("nan"), float("inf"), 10**400)),
        (TEXT, ("", "a"), (None, 1, ["a"])),
        (COUNT, (1, 10**300), (0, -1, 1.0, True, "1", 10**400)),
    ],
)
def test_a_rule_tells_what_fits_and_names_what_does_not(rule, good, wrong):
    for value in good:
        check_rule("a.b", value, rule)
    for value in wrong:
        with pytest.raises(ValueError, match=rf"`a\.b` must be {rule[0]}, got .*\. See fastast_hf\.hub\.results for"):
            check_rule("a.b", value, rule)


def test_each_element_of_a_list_is_held_to_the_rule():
    check_each("a", [], TEXT)
    check_each("a", ["x", "y"], TEXT)
    with pytest.raises(ValueError, match=r"`a\[1\]` must be text, got 2\."):
        check_each("a", ["x", 2], TEXT)
    for value in ("xy", {"x": 1}, None, True):
        with pytest.raises(ValueError, match=r"`a` must be a list, got "):
            check_each("a", value, TEXT)


def test_a_field_may_be_missing_or_null_only_where_it_is_optional():
    for values in ({}, {"a": None}):
        check_field(values, "a", dict, optional=True)
        with pytest.raises(ValueError, match=r"`a` must be "):
            check_field(values, "a", dict)
    for value in ({"a": False}, {"a": []}):
        with pytest.raises(ValueError, match=r"`x\.a` must be of type dict, got "):
            check_field(value, "a", dict, path="x.a", optional=True)


@pytest.mark.parametrize("value", [None, "0.5", True, [0.5], float("nan"), 10**400, -0.1, 1.5])
def test_a_share_is_a_number_from_0_to_1(value):
    check_share("a", 0)
    check_share("a", 1.0)
    with pytest.raises(ValueError, match=r"`a` must lie in \[0, 1\], got .*\. Give a share, not per cent"):
        check_share("a", value)


def test_a_number_that_is_missing_is_named():
    with pytest.raises(ValueError, match=r"`a\.c` must be a finite number, got None\. See fastast_hf\.hub\.results"):
        check_numbers("a", {"b": 1}, ("b", "c"))
