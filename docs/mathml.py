"""Formulas as MathML, which browsers draw by themselves: no script, no request when pages are read.

Docutils translates; it comes with Sphinx.
"""

import re
from typing import Any

from docutils import nodes
from docutils.utils.math import MathError, latex2mathml
from sphinx.util import logging

_LOG = logging.getLogger(__name__)


# What docutils 0.22 knows by another name, or lays out otherwise than TeX does.
_SOURCE = (
    (r"\\dots(?![a-zA-Z])", r"\\ldots"),
    (r"\\[bB]igg?(?![a-zA-Z])", ""),
    (r"\\(?:bar|hat|tilde)\s*(?:\{[^{}]*\}|\\[a-zA-Z]+|[a-zA-Z])", r"{{}\g<0>}"),  # else its index stands below it
)
_RESULT = ((r"<mo>([{}⟨⟩‖])</mo>", r'<mo stretchy="false">\1</mo>'),)  # only \left makes a bracket grow


def mathml(tex: str, *, block: bool) -> str:
    """Translate a formula.

    Raises:
        MathError: for what docutils cannot translate.
    """
    for pattern, replacement in _SOURCE:
        tex = re.sub(pattern, replacement, tex)
    found = latex2mathml.tex2mathml(tex.strip(), as_block=block)
    for pattern, replacement in _RESULT:
        found = re.sub(pattern, replacement, found)
    return found


def _visit(translator: Any, node: nodes.Element, *, block: bool) -> None:
    try:
        formula = mathml(node.astext(), block=block)
    except MathError as error:
        _LOG.warning("formula %r: %s", node.astext(), error, location=node)
        formula = f"<code>{translator.encode(node.astext())}</code>"
    translator.body.append(f'<div class="math">{formula}</div>' if block else formula)
    raise nodes.SkipNode


def _inline(translator: Any, node: nodes.math) -> None:
    _visit(translator, node, block=False)


def _block(translator: Any, node: nodes.math_block) -> None:
    _visit(translator, node, block=True)


def setup(app: Any) -> dict[str, bool]:
    """Register the renderer that ``html_math_renderer = "mathml"`` names."""
    app.add_html_math_renderer("mathml", inline_renderers=(_inline, None), block_renderers=(_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
