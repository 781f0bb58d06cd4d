"""How `make docs` builds the site: from the whole project, so that all links between pages hold."""

from kit import __version__

project = "kit"
author = "the authors of kit"
release = __version__
root_doc = "docs/index"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
include_patterns = ["*.md", "benchmarks/*.md", "data/*.md", "docs/**", "submissions/*.md"]
exclude_patterns = [".*", "docs/_site"]
myst_enable_extensions = ["colon_fence"]
# As GitHub makes them, so that links to a heading hold there and here
myst_heading_anchors = 3
html_theme = "furo"
html_title = "kit"
html_show_copyright = False
html_copy_source = False
# Its signatures are read without the seconds that Keras takes to load
autodoc_mock_imports = ["keras", "tensorflow"]
autodoc_typehints_format = "short"
