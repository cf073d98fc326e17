import pytest

from wildsage.toolkit.errors import UserError
from wildsage.toolkit.hyperparameters import (
    Boolean,
    Categorical,
    ChoiceList,
    Continuous,
    Integer,
    IntegerTuple,
    Text,
    validate,
)

DECLARED = (
    Integer(name="k", low=1, required=True),
    Integer(name="factor", low=1, automatic=True, default="auto"),
    Continuous(name="eta", aliases=("learning_rate",), low=0, high=1),
    Continuous(name="subsample", low=0, high=1, low_open=True),
    Categorical(name="method", choices=("random", "kmeans++"), default="random"),
    Boolean(name="dense"),
    ChoiceList(name="metrics", choices=("msd", "ssd", "error"), prefixes=("error@",)),
    IntegerTuple(name="signs", choices=(-1, 0, 1)),
    IntegerTuple(name="groups", nested=True),
    Continuous(name="weight", low=0, automatic=True, words=("balanced",)),
    Text(name="note"),
)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("k", "7", 7),
        ("k", " 7.0 ", 7),
        ("k", "1e3", 1000),
        ("factor", "auto", "auto"),
        ("factor", "3", 3),
        ("eta", "0", 0.0),
        ("learning_rate", "0.5", 0.5),
        ("subsample", "1", 1.0),
        ("method", "kmeans++", "kmeans++"),
        ("dense", "True", True),
        ("dense", "0", False),
        ("metrics", '["msd", "ssd"]', ["msd", "ssd"]),
        ("metrics", "ssd, msd,ssd", ["ssd", "msd"]),
        ("metrics", "error@0.7", ["error@0.7"]),
        ("signs", "(1, 0,-1)", (1, 0, -1)),
        ("signs", "(1,)", (1,)),
        ("groups", "[[0, 1], [2]]", [[0, 1], [2]]),
        ("weight", "Balanced", "balanced"),
        ("weight", "auto", "auto"),
        ("weight", "2", 2.0),
        ("note", "anything", "anything"),
    ],
)
def test_texts_become_values(name, text, value):
    found = validate(DECLARED, {"k": "1"} | {name: text})
    assert found["eta" if name == "learning_rate" else name] == value


@pytest.mark.parametrize(
    ("name", "text", "expectation"),
    [
        ("k", "0", "an integer greater than or equal to 1"),
        ("k", "1.5", "an integer"),
        ("k", "1_0", "an integer"),
        ("k", "inf", "an integer"),
        ("k", "1e999", "an integer"),
        ("factor", "often", "one of the following: 'auto'; or an integer greater than or equal to 1"),
        (
            "weight",
            "even",
            "one of the following: 'auto', 'balanced'; or a number greater than or equal to 0",
        ),
        ("eta", "1.01", "a number greater than or equal to 0 and less than or equal to 1"),
        ("eta", "nan", "a number"),
        ("subsample", "0", "a number greater than 0 and less"),
        ("dense", "maybe", "one of the following: 'true', 'false'"),
        ("metrics", "msd,rmse", "a list of the following: 'msd', 'ssd', 'error', 'error@<number>'"),
        ("metrics", "error@x", "a list of the following"),
        ("metrics", "[]", "a list of the following"),
        ("metrics", "[[1]]", "a list of the following"),
        ("signs", "(2,)", "a tuple of the integers '-1', '0', '1'"),
        ("signs", "[" * 100_000, "a tuple"),
        ("groups", "[1]", "lists of integers"),
    ],
)
def test_a_value_outside_its_declaration_is_refused_in_the_words_of_aws(name, text, expectation):
    with pytest.raises(UserError) as caught:
        validate(DECLARED, {"k": "1"} | {name: text})
    assert f"is not valid for the '{name}' hyperparameter which expects {expectation}" in str(caught.value)


def test_enumerations_have_their_own_words():
    with pytest.raises(UserError, match="The value 'best' is not valid for the 'method' hyperparameter which accepts one of the following: 'random', 'kmeans\\+\\+'"):  # fmt: skip
        validate(DECLARED, {"k": "1", "method": "best"})


def test_all_mistakes_are_told_at_once():
    with pytest.raises(UserError) as caught:
        validate(DECLARED, {"x": "1", "y": "2", "eta": "7"})
    text = str(caught.value)
    assert "Additional hyperparameters are not allowed ('x', 'y' were unexpected)" in text
    assert "No value(s) were specified for 'k' which are required hyperparameter(s)" in text
    assert "The value '7' is not valid for the 'eta'" in text


def test_an_alias_and_its_name_together_are_refused():
    with pytest.raises(UserError, match="'eta' is given more than once"):
        validate(DECLARED, {"k": "1", "eta": "0.1", "learning_rate": "0.2"})


def test_defaults_fill_in_and_what_has_none_is_absent():
    assert validate(DECLARED, {"k": "2"}) == {"k": 2, "factor": "auto", "method": "random"}
