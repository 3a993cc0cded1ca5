"""Checks the pages that `mvn site` has rendered: each page of src/site/markdown is there, and every file that a page refers to exists.

LinksTest checks the links of the sources, with their anchors; this checks what becomes of them.
"""

import html.parser
import pathlib
import sys
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parents[3]
SITE = ROOT / "target/site/html"


class References(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attributes):
        self.found += [value for name, value in attributes if name in ("href", "src", "srcset") and value]


def broken(page):
    """Returns the references of a page to files that do not exist."""
    references = References()
    references.feed(page.read_text())
    for reference in references.found:
        url = urllib.parse.urlsplit(reference)
        if not url.scheme and not url.netloc and url.path:
            path = urllib.parse.unquote(url.path)
            if path.startswith("../") and path.endswith(".html"):  # the script of site.xml changes both in a browser
                path = path[:-4] + "md"
            path = path.removeprefix("../resources/")
            if not (page.parent / path).exists():
                yield reference


pages = sorted(source.stem for source in (ROOT / "src/site/markdown").glob("*.md"))
errors = [f"{SITE}/{page}.html: missing" for page in pages if not (SITE / f"{page}.html").exists()]
for page in sorted(SITE.glob("*.html")):
    errors += [f"{page.name}: refers to {reference}, which does not exist" for reference in broken(page)]
if errors:
    sys.exit("\n".join(errors))
print(f"site: {len(pages)} pages, every file that they refer to exists")
