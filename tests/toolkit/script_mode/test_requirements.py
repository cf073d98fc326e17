"""Which requirements files are plain: all that pip needs to know is in them."""

import pytest

from wildsage.toolkit.script_mode.requirements import NotPlainError, plain_requirements


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", ()),
        ("\n  # only a comment\n", ()),
        ("pandas", ("pandas",)),
        ("pandas==2.0 # why\r\nnumpy\r\n", ("pandas==2.0", "numpy")),
        ("a-b.c_d[one,two] >= 1.0,<2 ; python_version > '3.8'", ("a-b.c_d[one,two] >= 1.0,<2 ; python_version > '3.8'",)),
        ("a==1.*\nb~=2.1\nc===3+local\nd!=1!2.0", ("a==1.*", "b~=2.1", "c===3+local", "d!=1!2.0")),
        ("split \\\n  >=1", ("split >=1",)),
        ("old (>=1,<2)", ("old (>=1,<2)",)),
        ("a; sys_platform == 'linux' and (extra == 'x' or os_name != \"nt\")",
         ("a; sys_platform == 'linux' and (extra == 'x' or os_name != \"nt\")",)),
    ],
)  # fmt: skip
def test_plain_files(text, lines):
    assert plain_requirements(text) == lines


@pytest.mark.parametrize(
    "line",
    [
        "-r other.txt",
        "-c constraints.txt",
        "--index-url https://example.com/simple",
        "-i https://example.com/simple",
        "-e .",
        ".",
        "./wheels/one-1.0-py3-none-any.whl",
        "one-1.0-py3-none-any.whl",
        "one.tar.gz",
        "one @ https://example.com/one.whl",
        "one @ file:///opt/one",
        "git+https://example.com/one.git",
        "one==1.0 --hash=sha256:abc",
        "one==1.0 --no-binary one",
        "${NAME}==1.0",
        "one==$VERSION",
        "one two",
        "one=1.0",
        "éclair",
        "a; $(reboot)",
    ],
)
def test_what_depends_on_more_is_left_to_pip(line):
    with pytest.raises(NotPlainError, match="is more than a name and its versions"):
        plain_requirements(f"numpy\n{line}\n")


def test_an_address_is_not_repeated_with_its_password():
    with pytest.raises(NotPlainError) as raised:
        plain_requirements("--index-url https://ann:secret@example.com/simple")
    assert "secret" not in str(raised.value)
