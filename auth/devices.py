"""What a browser calls itself, in words that its owner knows: `Chrome on Android`."""

from __future__ import annotations

# The first that occurs counts: most browsers also name those that came before them.
PROGRAMS = {
    "Edg": "Edge",
    "OPR/": "Opera",
    "Opera Mini": "Opera Mini",
    "SamsungBrowser": "Samsung Internet",
    "UCBrowser": "UC Browser",
    "Firefox/": "Firefox",
    "FxiOS": "Firefox",
    "CriOS": "Chrome",
    "Chrome/": "Chrome",
    "Safari/": "Safari",
}
SYSTEMS = {
    "Android": "Android",
    "iPhone": "an iPhone",
    "iPad": "an iPad",
    "Windows": "Windows",
    "CrOS": "ChromeOS",
    "Macintosh": "a Mac",
    "Linux": "Linux",
}
LONGEST = 60


def name_of(user_agent: str) -> str:
    """Return the name of a device by its User-Agent; of a program that is no browser, how it calls itself."""
    program = _first(PROGRAMS, user_agent)
    system = _first(SYSTEMS, user_agent)
    if program and system:
        return f"{program} on {system}"
    return program or system or user_agent[:LONGEST] or "Unknown device"


def _first(names: dict[str, str], user_agent: str) -> str | None:
    return next((name for mark, name in names.items() if mark in user_agent), None)
