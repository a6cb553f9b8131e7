"""Is the page accessible? Asks axe-core, by the protocol of the browser's tools: the page's CSP stays in force."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Page

import config

SOURCE = config.ROOT / "tests" / "browser" / "vendor" / "axe-core-4.14.1" / "axe.min.js"
WCAG_22_AA = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def assert_accessible(page: Page) -> None:
    """Fail with every violation of WCAG 2.2 AA that axe finds, and the elements in which it finds it."""
    tools = page.context.new_cdp_session(page)
    tools.send("Runtime.evaluate", {"expression": SOURCE.read_text()})
    answer = tools.send(
        "Runtime.evaluate",
        {
            "expression": f"axe.run({{runOnly: {WCAG_22_AA!r}, resultTypes: ['violations']}})",
            "awaitPromise": True,
            "returnByValue": True,
        },
    )
    tools.detach()
    assert "exceptionDetails" not in answer, answer
    violations = [told(violation) for violation in answer["result"]["value"]["violations"]]
    assert not violations, f"{page.url}:\n" + "\n".join(violations)


def told(violation: dict[str, Any]) -> str:
    where = "\n".join(f"    {node['html'][:200]}\n    {node['failureSummary']}" for node in violation["nodes"])
    return f"{violation['id']}: {violation['help']}\n{where}"
