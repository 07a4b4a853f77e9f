"""Holds pages against the Web Content Accessibility Guidelines, by axe-core in the browser."""

from importlib.resources import files

from playwright.sync_api import Page

RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]}

SEEN = """() => {
  const one = document.activeElement, look = getComputedStyle(one);
  return one === document.body ? null : {
    what: one.tagName + "#" + one.id + "." + one.className,
    seen: look.outlineStyle !== "none" && parseFloat(look.outlineWidth) >= 2
      || look.boxShadow !== "none",
  };
}"""
"""What has the focus, and whether an outline or a shadow of its own shows it."""

REACHABLE = "a[href], button:not(:disabled), select, input, textarea, summary, [tabindex='0']"


def find_violations(page: Page) -> list[str]:
    """Say what of a page is at odds with levels A and AA, or with good practice; and where."""
    page.evaluate((files("axe_playwright_python") / "axe.min.js").read_text("utf-8"))
    found = page.evaluate("rules => axe.run(rules).then(said => said.violations)", RULES)
    return [
        f"{one['id']}: {one['help']}: {[node['target'] for node in one['nodes']][:5]}"
        for one in found
    ]


def tab_through(page: Page, *, most: int = 500) -> list[dict[str, object]]:
    """Press Tab until the page is left; what had the focus, in order."""
    stops: list[dict[str, object]] = []
    for _ in range(most):
        page.keyboard.press("Tab")
        stop = page.evaluate(SEEN)
        if stop is None:
            return stops
        stops.append(stop)
    raise AssertionError(f"Tab never leaves the page: {stops[-5:]}")
