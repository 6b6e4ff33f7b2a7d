"""What the README tells a newcomer to type does what it says."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.system.running_stack import ROOT, Stack

BLOCK = re.compile(r"```bash\n(.*?)```", re.DOTALL)


def test_the_first_booking_of_the_readme_is_made_paid_and_shown(stack: Stack, tmp_path: Path) -> None:
    blocks = BLOCK.findall((ROOT / "README.md").read_text().partition("## A first booking")[2])
    script = "\n".join(["set -euo pipefail", *blocks[:5], 'echo; echo "$DEPARTURE"; echo "$PAID"'])
    script = script.replace("http://127.0.0.1:8000", stack.url).replace(".headway/", f"{stack.folder}/")
    script = script.replace(".venv/bin/", f"{Path(sys.executable).parent}/")
    done = subprocess.run(["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    departure, paid = map(json.loads, [line for line in done.stdout.splitlines() if line.startswith('{"')][-2:])
    assert departure["calls"][0]["stop_name"] == "San Jose Diridon Caltrain"
    assert len(departure["calls"]) == 6
    assert (paid["state"], paid["payment"]["state"]) == ("confirmed", "captured")
    assert "<svg" in (tmp_path / "ticket.svg").read_text()
    assert paid["total"] == {"amount_minor": 1050, "currency": "USD"}
    assert '{"accepted":1}' in done.stdout
    assert '"latitude":37.3292,' in done.stdout
    assert re.search(r'"id": "tkt_.*?"code": "', done.stdout, re.DOTALL), done.stdout


@pytest.mark.parametrize("command", ["demo", "test", "setup", "up", "check"])
def test_make_knows_what_the_readme_names(command: str) -> None:
    assert re.search(rf"^{command}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
