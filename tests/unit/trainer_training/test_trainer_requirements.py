import pytest

from pushline.trainer.requirements_file import Pin, WrongRequirement, clash, parse_requirements
from pushline.trainer.uv_answers import failure_from

HASH = "--hash=sha256:" + "a" * 64
NO_SOLUTION = "error: No solution found when resolving dependencies\n  cause: Because "
OTHER = "--hash=sha256:" + "b" * 64
MARKER = "python_version < '3.12' and sys_platform == 'linux'"
CONFLICT = """error: No solution found when resolving dependencies
  cause: Because all versions of oldkeras depend on keras<3 and keras==3.15.1, we can conclude that oldkeras cannot be used.
         And because you require oldkeras==1.0, we can conclude that your requirements are unsatisfiable.

hint: something long
"""


@pytest.mark.parametrize(
    ("text", "pins"),
    [
        ("", ()),
        ("# a comment\n\n", ()),
        ("pandas==2.3.1", (Pin("pandas", "2.3.1", "", "", ()),)),
        ("  Py.Yaml_x == 6.0  # why\r\n", (Pin("py-yaml-x", "6.0", "", "", ()),)),
        ("a[ssl, socks]==1.0+cpu", (Pin("a", "1.0+cpu", "[socks,ssl]", "", ()),)),
        (f"a==1 ; {MARKER}", (Pin("a", "1", "", MARKER, ()),)),
        (f"a==1 \\\n    {HASH} \\\n    {OTHER}\nb==2\n", (Pin("a", "1", "", "", (HASH, OTHER)), Pin("b", "2", "", "", ()))),
        (f"a==1 ; python_version < '4' {HASH}", (Pin("a", "1", "", "python_version < '4'", (HASH,)),)),
    ],
)  # fmt: skip
def test_pins_are_read(text: str, pins: tuple[Pin, ...]) -> None:
    assert parse_requirements(text) == pins


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a==1\n-r other.txt", 'line 2: "-r other.txt" is an option'),
        ("-e .", "is an option; only pins"),
        ("--extra-index-url https://x.example", "is an option"),
        ("--no-binary :all:", "is an option"),
        ("a==1 --config-settings x=y", "is no pin of the form name==version"),
        ("a==1 --hash=md5:00", "is no pin"),
        ("a @ file:///etc/passwd", "names an address or a path"),
        ("git+https://x.example/a.git", "names an address or a path"),
        ("https://x.example/a.whl", "names an address or a path"),
        ("./a", "names an address or a path"),
        ("a", '"a" is no pin'),
        ("a===1", "is no pin"),
        ("a>=1,==2", "is no pin"),
        ("a==1.*", "is no pin"),
        ("a==1, <2", "is no pin"),
        ("a==$(id)", "is no pin"),
        ("a==1 ; `id`", "is no pin"),
        ("a==1\x00", "line 1: it is no pin"),
        ("a==1\n" * 501, "has more than 500 requirements"),
    ],
)
def test_anything_else_is_refused_and_named(text: str, words: str) -> None:
    with pytest.raises(WrongRequirement) as raised:
        parse_requirements(text)

    assert words in str(raised.value)


def test_a_pin_of_another_version_than_the_environments_clashes_and_both_are_named() -> None:
    (pin,) = parse_requirements("keras==3.10.0")

    assert clash((pin,), {"keras": "3.15.1"}).startswith("asks for keras==3.10.0, but the training environment has keras 3.15.1")
    assert clash((pin,), {"keras": "3.10.0"}) == ""
    assert clash(parse_requirements("keras==3.10.0 ; python_version < '3'"), {"keras": "3.15.1"}) == ""


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (CONFLICT, "requirements_conflict"),
        (NO_SOLUTION + "x==1 has no usable wheels and", "requirements_need_building"),
        (NO_SOLUTION + "there is no version of x==1 and", "requirements_unresolvable"),
        (NO_SOLUTION + "x was not found in the package registry", "requirements_unresolvable"),
        ("error: Failed to read x\n  cause: Hash mismatch for `x==1`\n", "requirements_unresolvable"),
        ("error: something nobody has seen", "requirements_unresolvable"),
        ("error: Failed to fetch: https://i.example/simple/x/\n cause: error sending request", ""),
        ("error: Failed to download `x==1`\n cause: HTTP status server error (503)", ""),
        ("error: No solution found when resolving dependencies\n hint: x was not found, network connectivity was disabled", ""),
        ("error: failed to write\n cause: No space left on device (os error 28)", ""),
    ],
)  # fmt: skip
def test_what_the_installer_says_becomes_an_outcome_or_is_waited_out(said: str, reason: str) -> None:
    failure = failure_from(said, "requirements.txt")

    assert (failure.reason if failure else "") == reason


def test_the_sentence_has_what_the_installer_found_in_one_line() -> None:
    failure = failure_from(CONFLICT, "requirements.txt")

    assert failure is not None
    assert "all versions of oldkeras depend on keras<3 and keras==3.15.1" in failure.sentence
    assert "hint" not in failure.sentence
    assert "\n" not in failure.sentence
