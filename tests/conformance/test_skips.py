"""What the model tests skipped: on FastAST what they skip on stock AST, and while merging only what is named.

Pytest runs this file after test_modeling.py, and it judges that run: `pytest tests/conformance`, whole.
"""

from tests.conformance.test_modeling import MERGING_SKIPS

FASTAST = {"TestFastAST", "TestFastASTMergingInTheFirstLayer", "TestFastASTMerging"}


def test_all_tests_ran_on_all_models(outcomes):
    assert outcomes.keys() == {"TestAST", *FASTAST}
    for name in FASTAST:
        assert outcomes[name].ran == outcomes["TestAST"].ran


def test_without_merging_and_in_the_first_layer_the_skips_are_those_of_ast(outcomes):
    assert outcomes["TestFastAST"].skips == outcomes["TestAST"].skips
    assert outcomes["TestFastASTMergingInTheFirstLayer"].skips == outcomes["TestAST"].skips


def test_merging_adds_the_named_skips_alone(outcomes):
    named = {f"{test}: {reason}".replace("FastAST", "AST") for test, reason in MERGING_SKIPS.items()}
    assert len(named) == 8
    assert outcomes["TestFastASTMerging"].skips == outcomes["TestAST"].skips | named


def test_no_test_of_attention_masks_is_skipped(outcomes):
    assert not [skip for skip in outcomes["TestAST"].skips if "eager_matches_sdpa" in skip]
