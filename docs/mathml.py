"""Formulas as MathML, which browsers draw by themselves: no script, no request when pages are read.

Docutils translates; it comes with Sphinx.
"""

import re
from typing import Any

from docutils import nodes
from docutils.utils.math import MathError, latex2mathml
from sphinx.util import logging

_LOG = logging.getLogger(__name__)


def mathml(tex: str, *, block: bool) -> str:
    r"""Translate a formula; sizes of brackets (``\big``) are left to the browser.

    Raises:
        MathError: for what docutils cannot translate.
    """
    tex = re.sub(r"\\[bB]igg?[lrm]?(?![a-zA-Z])", "", tex)
    tex = re.sub(r"\\dots(?![a-zA-Z])", r"\\ldots", tex)
    return latex2mathml.tex2mathml(tex.strip(), as_block=block)


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
