"""The examples of docs/data.md run and print what the page shows."""

import doctest
import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "data.md"


def test_examples_run():
    text = re.sub(r"^```.*$", "", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    test = doctest.DocTestParser().get_doctest(text, {}, PAGE.name, str(PAGE), 0)
    assert len(test.examples) > 20
    flags = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    report = []
    result = doctest.DocTestRunner(optionflags=flags, verbose=False).run(test, out=report.append)
    assert result.failed == 0, "".join(report)
