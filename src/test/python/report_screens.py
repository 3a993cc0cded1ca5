"""Looks at a report.html in headless Chromium, as people see it: narrow and wide, light and dark.

Fails if a chart is not drawn, something is written to the console, anything is asked of the network, or the page is
wider than the window. Writes a picture of the whole page for each of the four.

    python3 -m venv .venv-report && .venv-report/bin/pip install playwright
    .venv-report/bin/python src/test/python/report_screens.py runs/demo/report.html [FOLDER FOR THE PICTURES]

Needs Chromium: Debian's package, or another by the variable CHROMIUM.
"""
import os
import pathlib
import shutil
import sys

from playwright.sync_api import sync_playwright

page_file = pathlib.Path(sys.argv[1]).resolve()
folder = pathlib.Path(sys.argv[2] if len(sys.argv) > 2 else page_file.parent / "screens")
folder.mkdir(parents=True, exist_ok=True)
chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
if not chromium:
    sys.exit("report_screens.py: there is no chromium; install it, or set CHROMIUM to its path")

# A chart is drawn if its SVG has marks of the series, not only a frame.
DRAWN = """() => [...document.querySelectorAll('.chart')].map(box => ({
    what: box.getAttribute('aria-label'), width: box.clientWidth,
    marks: box.querySelectorAll('svg path').length, texts: box.querySelectorAll('svg text').length}))"""
OVERFLOW = "() => document.documentElement.scrollWidth - window.innerWidth"
CLIPPED = """() => [...document.querySelectorAll('img')].filter(i => i.complete && i.naturalWidth === 0).length"""

wrong = []
with sync_playwright() as playwright:
    browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
    for width in (400, 1400):
        for scheme in ("light", "dark"):
            name = f"{width}-{scheme}"
            context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
            page = context.new_page()
            page.on("console", lambda message: wrong.append(f"{name}: console: {message.text}"))
            page.on("pageerror", lambda error: wrong.append(f"{name}: error: {error}"))
            page.on("request", lambda request: request.url.startswith(("file:", "data:"))
                    or wrong.append(f"{name}: asks for {request.url}"))
            page.goto(page_file.as_uri())
            page.wait_for_function("document.documentElement.dataset.drawn !== undefined", timeout=20_000)
            charts = page.evaluate(DRAWN)
            if not charts:
                wrong.append(f"{name}: there is no chart")
            for chart in charts:
                if chart["marks"] < 3 or chart["texts"] < 2 or not chart["what"]:
                    wrong.append(f"{name}: not drawn: {chart}")
            if page.evaluate(OVERFLOW) > 0:
                wrong.append(f"{name}: the page is {page.evaluate(OVERFLOW)} pixels wider than the window")
            page.evaluate("document.querySelectorAll('img').forEach(i => i.loading = 'eager')")
            page.wait_for_timeout(300)
            if page.evaluate(CLIPPED):
                wrong.append(f"{name}: {page.evaluate(CLIPPED)} pictures cannot be shown")
            page.screenshot(path=folder / f"{name}.png", full_page=True)
            print(f"{name}: {len(charts)} charts, {page.evaluate('document.images.length')} pictures")
            for box in page.query_selector_all("select"):  # what it shows is drawn when asked for
                box.select_option(index=page.evaluate("box => box.options.length - 1", box))
            for chart in page.evaluate(DRAWN):
                if chart["marks"] < 3:
                    wrong.append(f"{name}: not drawn after another choice: {chart}")
            context.close()
    browser.close()
print("pictures in", folder)
if wrong:
    sys.exit("\n".join(wrong))
