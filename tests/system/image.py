"""The image that the Dockerfile makes, as far as it can be made without an engine: its packages, files and settings."""

import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.system.running_stack import ROOT

BIN = Path(sys.executable).parent


@dataclass(frozen=True)
class Instruction:
    """One line of the Dockerfile."""

    stage: int
    name: str
    arguments: str

    @property
    def words(self) -> list[str]:
        return shlex.split(self.arguments)


@dataclass(frozen=True)
class Image:
    """What a container of it begins with."""

    packages: Path
    environment: dict[str, str]
    files: dict[str, Path]


def instructions() -> list[Instruction]:
    """Read the Dockerfile."""
    lines = [line for line in (ROOT / "Dockerfile").read_text().splitlines() if not line.startswith("#")]
    found: list[Instruction] = []
    stage = -1
    for line in re.sub(r"\\\n", " ", "\n".join(lines)).splitlines():
        name, _, arguments = line.partition(" ")
        stage += name == "FROM"
        if name:
            found.append(Instruction(stage, name, arguments))
    return found


def of(name: str, stage: int) -> list[Instruction]:
    """Choose the instructions of a name in a stage."""
    return [one for one in instructions() if (one.name, one.stage) == (name, stage)]


def copies(stage: int) -> dict[str, str]:
    """Return what a stage takes from our tree, and where to."""
    found = {}
    for instruction in of("COPY", stage):
        *sources, target = instruction.words
        if not sources[0].startswith("--from="):
            found |= {source: target + Path(source).name if target.endswith("/") else target for source in sources}
    return found


def build_image(folder: Path) -> Image:
    """Build and install the package from nothing but what the Dockerfile copies."""
    tree, wheels, packages = folder / "tree", folder / "wheels", folder / "packages"
    for source, target in copies(0).items():
        (tree / target).parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if (ROOT / source).is_dir() else shutil.copy)(ROOT / source, tree / target)
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    run([*pip, "wheel", "--no-index", "--no-deps", "--no-build-isolation", "--wheel-dir", wheels, tree])
    run([*pip, "install", "--no-index", "--no-deps", "--target", packages, *wheels.iterdir()])
    settings = [word.partition("=")[::2] for instruction in of("ENV", 1) for word in instruction.words]
    return Image(packages, dict(settings), {target: ROOT / source for source, target in copies(1).items()})


def run(command: list[str | Path]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
