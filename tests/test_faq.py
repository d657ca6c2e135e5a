"""Messages quoted by docs/faq.md are messages of the code."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MESSAGES = re.findall(r"^```text\n(.*?)\n```", (ROOT / "docs/faq.md").read_text(encoding="utf-8"), re.M | re.S)
# What differs from case to case, and the words that `problem` puts between its arguments.
BETWEEN = re.compile(r"'\.\.\.'|\.\.\.|: expected |, found |; ")


@pytest.fixture(scope="module")
def strings():
    """Every literal of the package, those of a formatted string piece by piece."""
    found = set()
    for path in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.add(node.value)
    return found


@pytest.mark.parametrize("message", MESSAGES)
def test_message_is_in_the_code(message, strings):
    pieces = [piece.strip(" ,.()[]'") for piece in BETWEEN.split(message)]
    pieces = [piece for piece in pieces if len(piece) > 3]
    assert pieces
    for piece in pieces:
        assert any(piece in string for string in strings), f"no message of the code says {piece!r}"


def test_there_is_a_message_of_every_kind():
    assert len(MESSAGES) > 30
