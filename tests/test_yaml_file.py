import pytest

from pipeline.yaml_file import YamlError, parse_yaml


def test_values_come_with_the_line_of_every_key():
    document = parse_yaml("a: 1\nb:\n  - x\n  - c: true\n")
    assert document.value == {"a": 1, "b": ["x", {"c": True}]}
    assert document.lines == {("a",): 1, ("b",): 2, ("b", 0): 3, ("b", 1): 4, ("b", 1, "c"): 4}


def test_keys_stay_as_written_because_a_class_may_be_called_0_or_yes():
    assert parse_yaml("{0: 1.5, yes: 2, 1e3: 3}").value == {"0": 1.5, "yes": 2, "1e3": 3}


def test_an_empty_text_is_none():
    assert parse_yaml("# nothing but a comment\n").value is None


def test_anchors_repeat_a_value():
    assert parse_yaml("a: &shared {x: 1}\nb: *shared\n").value == {"a": {"x": 1}, "b": {"x": 1}}


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, "the key 'a' is given twice, first on line 1. Keep one"),
        ("a:\n  - b\n c: 1\n", 3, "not valid YAML"),
        ("a: b: c\n", 1, "a text with a colon needs quotes"),
        ("a:\n\tb: 1\n", 2, "indent with spaces, not with tabs"),
        ("a: [1, 2\n", 2, "not valid YAML"),
        ("a: 1\nb: .inf\n", 2, ".inf is not a finite number"),
        ("a: !!python/object:os.system {}\n", 1, "has no meaning in a config"),
        ("a: !secret x\n", 1, "not valid YAML"),
        ("a: 1\n---\nb: 2\n", 2, "a single document"),
        ("a: &loop [*loop]\n", 1, "contains itself"),
        ("? [a, b]\n: 1\n", 1, "a key must be a plain word"),
        ("a: 1\nb: \x00\n", 2, "'\\x00' is not allowed"),
    ],
)
def test_what_a_config_cannot_mean_is_refused_with_its_line(text, line, message):
    with pytest.raises(YamlError) as refused:
        parse_yaml(text)
    assert message in str(refused.value)
    assert refused.value.line == line
