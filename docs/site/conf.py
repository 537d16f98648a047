"""The site of the docs, made by Sphinx out of the pages as they are in the repository: `make docs`."""

from pygments.lexers.special import TextLexer
from sphinx.application import Sphinx

project = "Slipway"
html_title = project
html_theme = "furo"
html_copy_source = False
extensions = ["myst_parser", "sphinx_copybutton"]
root_doc = "docs/site/index"
include_patterns = [
    "*.md",
    "docs/*.md",
    "docs/site/index.md",
    "examples/**.md",
    "bench/fetch/README.md",
    "tests/README.md",
    "tests/core/README.md",
    "tests/gitops/README.md",
    "tests/guard/README.md",
]
myst_heading_anchors = 4
# Links to folders, and to anchors that a page has as HTML. That each link leads somewhere is for tests/docs to say.
suppress_warnings = ["myst.xref_missing"]
copybutton_prompt_text = "$ "
copybutton_only_copy_prompt_lines = True


def setup(app: Sphinx) -> None:
    """Sphinx calls this."""
    app.add_lexer("mermaid", TextLexer)
