"""Sphinx settings: MyST markdown, furo."""

from interplay import __version__

project = "interplay"
copyright = "the interplay developers"
author = "the interplay developers"
release = __version__
version = release

extensions = ["myst_parser", "sphinx.ext.mathjax"]
myst_enable_extensions = ["dollarmath", "amsmath", "colon_fence", "deflist"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]
nitpicky = True

html_theme = "furo"
html_title = f"interplay {release}"
