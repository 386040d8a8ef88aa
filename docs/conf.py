"""The site: Sphinx, furo, Markdown. Built offline, and a warning is an error."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import django

DOCS = Path(__file__).resolve().parent
sys.path[:0] = [str(DOCS.parent), str(DOCS / "_ext")]
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "demo_shop.settings")
django.setup()

import nexi_payments  # noqa: E402  # after the path is known

project = "nexi_payments"
author = "the nexi_payments authors"
copyright = author  # noqa: A001  # Sphinx calls it so
version = release = nexi_payments.__version__
language = "en"

extensions = ["myst_parser", "sphinx.ext.autodoc", "mermaid"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build", "_ext"]
#: ```mermaid blocks are drawn by docs/_ext/mermaid.py
myst_fence_as_directive = ["mermaid"]
myst_heading_anchors = 3
myst_enable_extensions = ["tasklist"]
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
autodoc_member_order = "bysource"
add_module_names = False
python_use_unqualified_type_names = True

html_theme = "furo"
html_title = f"nexi_payments {release}"
html_show_sphinx = False
html_show_copyright = False
html_copy_source = False
html_static_path: list[str] = []
html_theme_options = {"navigation_with_keys": True}
