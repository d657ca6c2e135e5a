"""Sphinx settings: MyST markdown, furo, API pages from docstrings, tutorials that run at build."""

import os
import re
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent / "src"), str(HERE)]  # a checkout is enough, installed or not; mathml.py
os.environ.setdefault("OMP_NUM_THREADS", "1")  # small networks and tables: threads cost more than they bring

import interplay  # noqa: E402  # found by the lines above

project = "interplay"
copyright = "the interplay developers"
author = "the interplay developers"
release = version = interplay.__version__

extensions = [
    "myst_parser",
    "mathml",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx_gallery.gen_gallery",
]
myst_enable_extensions = ["dollarmath", "amsmath", "colon_fence", "deflist"]
myst_heading_anchors = 3
templates_path = ["_templates"]
exclude_patterns = ["_build", "_templates", "tutorials/*"]  # tutorials are read by the gallery

html_theme = "furo"
html_math_renderer = "mathml"
html_static_path = ["_static"]
html_css_files = ["pages.css"]
html_title = f"interplay {release}"

sphinx_gallery_conf = {
    "examples_dirs": ["tutorials"],
    "gallery_dirs": ["gallery"],
    "filename_pattern": r"\.py",  # all run
    "within_subsection_order": "FileNameSortKey",
    "abort_on_example_error": True,
    "download_all_examples": False,
    "capture_repr": (),
    "show_signature": False,
    "show_memory": False,
    "write_computation_times": False,
}

autodoc_typehints = "signature"
autodoc_member_order = "bysource"
napoleon_numpy_docstring = False
napoleon_attr_annotations = False  # types of attributes stand in the signature
python_maximum_signature_line_length = 90
napoleon_use_ivar = True  # properties that a class describes under Attributes would be described twice

nitpicky = True
# Types of other libraries: their pages are elsewhere, and nothing is fetched while building.
nitpick_ignore_regex = [
    ("py:.*", r"(abc|collections|markupsafe|matplotlib|np|numpy|nn|pandas|pathlib|pd|pydantic|sklearn|torch)\..*"),
    ("py:.*", r"pytorch_lightning\..*"),
    ("py:class", "Axes|Figure"),  # of matplotlib, which is imported for type checkers only
    ("py:class", "Array|Task|NoneType"),  # short names for types inside the package
    ("py:class", r"(dict|list|tuple)\[.*"),  # pieces of a generic type
    ("py:class", r".* .*"),  # words before a colon under "Returns", which are taken for a type
]

ROOMS = re.findall(r"^   (interplay(?:\.\w+)+)$", (HERE / "api" / "index.md").read_text(encoding="utf-8"), re.MULTILINE)


def public_names() -> dict[str, str]:
    """Where a public object is defined -> where the pages document it."""
    places: dict[str, str] = {}
    for room in ROOMS:
        module = import_module(room)
        for name in getattr(module, "__all__", dir(module)):
            home = getattr(getattr(module, name), "__module__", None)
            # Without __all__ a module's page shows what it defines, not what it imports.
            if home and home.startswith("interplay.") and (hasattr(module, "__all__") or home == room):
                places.setdefault(f"{home}.{name}", f"{room}.{name}")
    top = {f"interplay.{name}": f"{home}.{name}" for name, home in interplay._HOMES.items()}
    return {name: place for name, place in {**top, **places}.items() if name != place}


def _exists(name: str) -> bool:
    """Whether a dotted name is something in the package."""
    module, _, last = name.rpartition(".")
    try:
        return hasattr(import_module(module), last)
    except (ImportError, ValueError):
        return False


def _lead_to_public_name(app: Any, env: Any, node: Any, contnode: Any) -> Any:
    """Signatures name the module that defines a type: lead to the public name, leave what is internal unlinked."""
    if node.get("refdomain") != "py":
        return None
    name = node["reftarget"]
    owner, _, member = name.rpartition(".")
    target = app.public_names.get(name) or f"{app.public_names.get(owner, owner)}.{member}"
    if target != name:
        return env.get_domain("py").resolve_xref(env, node["refdoc"], app.builder, "obj", target, node, contnode)
    return contnode if name.startswith("interplay.") and _exists(name) else None


def _skip(app: Any, what: str, name: str, value: Any, skip: bool, options: Any) -> bool | None:
    """Leave out what scikit-learn adds to every estimator (its own pages explain metadata routing)."""
    return True if re.fullmatch(r"set_\w+_request", name) else None


def _add_further_guides(app: Any, page: str, source: list[str]) -> None:
    """A page that the index does not name stands with the guides, so that none is lost."""
    if page == "index":
        known = set(re.findall(r"[\w/]+", source[0])) | {"index"}
        further = sorted(path.stem for path in HERE.glob("*.md") if path.stem not in known)
        source[0] = source[0].replace("further-guides", "\n".join(further))


def _signature(
    app: Any, what: str, name: str, value: Any, options: Any, signature: str | None, returns: str | None
) -> tuple[str, str | None] | None:
    """Arrays by their name; of a pydantic model nothing, since its fields stand below with what they accept."""
    if what == "class" and hasattr(value, "model_fields"):
        return "", None
    if signature is None:
        return None
    array = re.compile(r"ndarray\[tuple\[~?(?:typing\.)?Any, \.\.\.\], ~?numpy\.dtype\[[^\[\]]*\]\]")
    return array.sub("ndarray", signature), returns and array.sub("ndarray", returns)


def _public_bases(app: Any, name: str, value: Any, options: Any, bases: list[Any]) -> None:
    """Show no base class that has no page."""
    bases[:] = [base for base in bases if not getattr(base, "__name__", "").startswith("_")]


def setup(app: Any) -> None:
    """Hooks of this site."""
    app.public_names = public_names()
    app.connect("missing-reference", _lead_to_public_name)
    app.connect("autodoc-skip-member", _skip)
    app.connect("autodoc-process-signature", _signature)
    app.connect("autodoc-process-bases", _public_bases)
    app.connect("source-read", _add_further_guides)
