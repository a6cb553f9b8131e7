"""Where this machine's Chromium is. Standard library only: bin/ground.sh asks before there is an environment."""

from __future__ import annotations

import shutil
from pathlib import Path

PROGRAMS = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
APPLICATIONS = ("Chromium.app/Contents/MacOS/Chromium", "Google Chrome.app/Contents/MacOS/Google Chrome")
WHAT_TO_DO = "There is no Chromium here: install it (on Debian: chromium), then try again."


def find_chromium() -> Path | None:
    """Return the browser's program, None when there is none."""
    named = (shutil.which(name) for name in PROGRAMS)
    applications = (Path("/Applications") / path for path in APPLICATIONS)
    found = [Path(name) for name in named if name] + [path for path in applications if path.exists()]
    return found[0] if found else None


if __name__ == "__main__":
    raise SystemExit(0 if find_chromium() else 1)
