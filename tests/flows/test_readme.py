"""The readme's walk with curl, word for word, against a shop that was opened as the readme says."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import config
from tests.conftest import empty
from tests.flows.test_serve import Shop, read_until_open

HEADING = "A WALK WITH CURL"


def read_walk(heading: str = HEADING) -> str:
    """Return what stands under the heading: every indented line until the next heading."""
    after = (config.ROOT / "readme.txt").read_text().split(heading, 1)[1]
    section = after.split("\n\n\n", 1)[0]
    return textwrap.dedent("\n".join(line for line in section.splitlines() if line.startswith("    ") or not line))


def test_the_walk_of_the_readme_works_as_printed(database_url: str, tmp_path: Path) -> None:
    empty(database_url)
    folder = tmp_path / "a shop"
    (folder / ".venv" / "bin").mkdir(parents=True)
    (folder / ".venv" / "bin" / "python").symlink_to(sys.executable)
    shop = Shop(database_url, folder / "instance")
    with shop.open() as process:
        read_until_open(process)
        walk = read_walk().replace("127.0.0.1:5000", f"127.0.0.1:{shop.port}")
        done = subprocess.run(
            ["/bin/sh", "-e", "-c", walk],
            cwd=folder,
            env={"PATH": os.environ["PATH"]},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert shutil.which("curl")
    assert done.returncode == 0, done.stderr
    assert '"payment_status":"paid"' in done.stdout
    assert '"status":"shipped","payment_status":"paid"' in done.stdout
    assert "order.paid-" in done.stdout
