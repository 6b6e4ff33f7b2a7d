"""The workflow on GitHub: in its form, never pushing what was not tried, and deploying only when asked."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.system import compose, kubernetes
from tests.system.image import BIN
from tests.system.running_stack import ROOT

FILE = ROOT / ".github" / "workflows" / "ci.yml"
JOBS: dict[str, Any] = yaml.safe_load(FILE.read_text())["jobs"]
STEPS = [(name, step) for name, job in JOBS.items() for step in job["steps"]]
SCRIPTS = [step["run"] for _, step in STEPS if "run" in step]
IMAGES = {one["image"] for one in compose.read(compose.secrets())["services"].values() if "build" in one}
ONLY_MAIN = "github.event_name == 'push' && github.ref == 'refs/heads/main'"


def script(name: str) -> str:
    """Return what a step of the image's job runs."""
    [found] = [step["run"] for step in JOBS["image"]["steps"] if step.get("name") == name]
    return str(found)


@pytest.mark.parametrize("schema", ["vendor.github-workflows", "custom.github-workflows-require-timeout"])
def test_its_form_is_that_of_a_workflow_and_every_job_has_a_limit(schema: str) -> None:
    check = [BIN / "check-jsonschema", "--builtin-schema", schema, FILE]
    done = subprocess.run(check, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_every_action_has_a_version() -> None:
    used = [step["uses"] for _, step in STEPS if "uses" in step]
    assert used
    assert [action for action in used if not re.fullmatch(r"(actions|docker)/[\w-]+@v\d+", action)] == []


@pytest.mark.parametrize("text", SCRIPTS)
def test_every_script_can_be_read_by_bash(text: str) -> None:
    subprocess.run(["bash", "-n", "-c", text], check=True)


def test_no_script_is_put_together_from_what_others_write() -> None:
    assert [text for text in SCRIPTS if "${{" in text] == []


def test_what_is_pushed_is_what_was_tried_and_only_from_main() -> None:
    steps = JOBS["image"]["steps"]
    [built] = [step for step in steps if step.get("uses", "").startswith("docker/build-push-action@")]
    assert (built["with"]["push"], built["with"]["load"]) == (False, True)
    assert {built["with"]["tags"]} == IMAGES
    [push] = [step for step in steps if "docker push" in step.get("run", "")]
    assert push["if"] == ONLY_MAIN
    assert f"docker tag {built['with']['tags']} " in push["run"]
    names = [step.get("name") for step in steps]
    assert names.index("Start everything") < names.index("Take a rider through") < names.index("Push")
    assert [name for name, step in STEPS if "docker push" in step.get("run", "")] == ["image"]


def test_everything_is_started_with_every_secret(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "deploy", tmp_path / "deploy")
    making, starting = script("Start everything").splitlines()
    subprocess.run(["bash", "-euc", making], cwd=tmp_path, check=True)
    lines = [line for line in (tmp_path / ".env").read_text().splitlines() if line and not line.startswith("#")]
    compose.read(dict(line.split("=", 1) for line in lines))
    assert starting.startswith("docker compose up --no-build --wait ")
    assert (ROOT / script("Take a rider through").split()[-1]).is_file()


def test_a_deployment_needs_all_else_and_somebody_who_agrees() -> None:
    job = JOBS["deploy"]
    assert set(job["needs"]) == set(JOBS) - {"deploy"}
    assert job["if"] == f"{ONLY_MAIN} && vars.DEPLOYS == 'true'"
    assert job["environment"] == "production"
    assert job["concurrency"]["cancel-in-progress"] is False
    assert "permissions" not in job


def test_a_deployment_waits_for_every_workload() -> None:
    [text] = [step["run"] for step in JOBS["deploy"]["steps"] if "run" in step]
    [listed] = re.findall(r"for workload in (.*); do", text)
    told = subprocess.run(["bash", "-c", f"echo {listed}"], capture_output=True, text=True, check=True).stdout.split()
    objects = kubernetes.objects(*kubernetes.WORKLOADS)
    assert sorted(told) == sorted(f"{one['kind'].lower()}/{one['metadata']['name']}" for one in objects)
    assert "kubectl apply --kustomize deploy/kubernetes" in text
    assert f"--namespace {kubernetes.KUSTOMIZATION['namespace']} " in text
    [image] = kubernetes.KUSTOMIZATION["images"]
    assert f'"{image["name"]}=$IMAGE"' in text
