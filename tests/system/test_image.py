"""The Dockerfile: small, without root, from the locks, and complete."""

import fnmatch
import re
from importlib.metadata import requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.architecture.tree import PYPROJECT
from tests.system.image import Image, copies, instructions, of
from tests.system.running_stack import ROOT

IGNORED = (ROOT / ".dockerignore").read_text().splitlines()


def closure(wishes: list[str]) -> set[str]:
    """Return the packages that some packages bring along."""
    found: set[str] = set()
    todo = [(Requirement(wish), {""}) for wish in wishes]
    while todo:
        wish, extras = todo.pop()
        if wish.marker and not any(wish.marker.evaluate({"extra": extra}) for extra in extras):
            continue
        name = canonicalize_name(wish.name)
        if name not in found or wish.extras:
            found.add(name)
            todo += [(Requirement(line), {"", *wish.extras}) for line in requires(name) or []]
    return found


def test_its_base_is_pinned_and_both_stages_have_the_same() -> None:
    bases = {instruction.words[0] for instruction in instructions() if instruction.name == "FROM"}
    assert len(bases) == 1
    assert re.fullmatch(r"python:3\.\d+-slim-\w+", bases.pop())


def test_what_it_copies_is_there_and_nothing_else_is_sent_to_the_engine() -> None:
    sources = {**copies(0), **copies(1)}
    assert [source for source in sources if not (ROOT / source).exists()] == []
    assert IGNORED[1] == "*"
    assert sorted(line[1:] for line in IGNORED if line.startswith("!")) == sorted(sources)


def test_no_secret_can_be_sent_to_the_engine() -> None:
    kept = [line[1:] for line in IGNORED if line.startswith("!")]
    assert [line for line in kept if fnmatch.fnmatch(".env", line) or line.startswith((".", "deploy/env"))] == []


def test_every_package_of_the_project_is_copied() -> None:
    assert set(PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]) <= set(copies(0))


def test_packages_come_from_the_lock_with_their_hashes_and_nothing_is_compiled() -> None:
    installs = [one.arguments for one in of("RUN", 0) if "pip install" in one.arguments]
    assert installs[0] == "pip install --require-hashes --only-binary=:all: -r requirements/run.lock"
    assert all("--no-deps --no-build-isolation ." in install for install in installs[1:])
    assert not any("apt-get" in one.arguments for one in instructions())


def test_what_only_building_needs_is_gone_from_the_last_stage() -> None:
    [removal] = [
        one.arguments.partition("pip uninstall --yes ")[2] for one in of("RUN", 0) if "uninstall" in one.arguments
    ]
    only_building = closure(PYPROJECT["build-system"]["requires"]) - closure(PYPROJECT["project"]["dependencies"])
    assert set(removal.split()) == only_building | {"pip"}
    assert [one.arguments for one in of("COPY", 1) if "--from" in one.arguments] == [
        "--from=build /opt/headway /opt/headway"
    ]


def test_it_runs_as_a_user_by_number_who_cannot_sign_in() -> None:
    [user] = of("USER", 1)
    [making] = [one.words for one in of("RUN", 1) if "useradd" in one.arguments]
    uid = making[making.index("--uid") + 1]
    assert user.arguments == f"{uid}:{uid}"
    assert int(uid) >= 10_000
    assert making[making.index("--shell") + 1].endswith("nologin")
    assert instructions().index(user) > instructions().index(of("RUN", 1)[-1])


def test_its_package_holds_every_file_that_the_tree_does(image: Image) -> None:
    folders = [folder for folder in copies(0) if (ROOT / folder).is_dir()]
    assert len(folders) >= 7
    for folder in folders:
        top = image.packages / folder.rpartition("/")[2]
        ours = {path.relative_to(ROOT / folder) for path in (ROOT / folder).rglob("*") if is_source(path)}
        assert ours == {path.relative_to(top) for path in top.rglob("*") if is_source(path)}, folder


def is_source(path: Path) -> bool:
    return path.is_file() and "__pycache__" not in path.parts
