"""deploy/kubernetes as a cluster reads it: its objects, and its pods as containers."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.system.engine import Container
from tests.system.running_stack import ROOT

FOLDER = ROOT / "deploy" / "kubernetes"
KUSTOMIZATION: dict[str, Any] = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())
WORKLOADS = ("Deployment", "StatefulSet")
ASKS = "from cli.probes import answers_ok, serves_grpc; raise SystemExit(not {})"


def objects(*kinds: str) -> list[dict[str, Any]]:
    """Read all that the kustomization lists, or only some kinds."""
    files = [(FOLDER / name).read_text() for name in KUSTOMIZATION["resources"]]
    found = [one for text in files for one in yaml.safe_load_all(text)]
    return [one for one in found if not kinds or one["kind"] in kinds]


def settings() -> dict[str, str]:
    """Return the ConfigMap that the kustomization makes."""
    [made] = KUSTOMIZATION["configMapGenerator"]
    lines = [line for name in made["envs"] for line in (FOLDER / name).read_text().splitlines()]
    return dict(line.split("=", 1) for line in lines if not line.startswith("#"))


def pods() -> dict[str, dict[str, Any]]:
    """Return the template of every workload's pod."""
    return {one["metadata"]["name"]: one["spec"]["template"] for one in objects(*WORKLOADS)}


def container_of(pod: Mapping[str, Any]) -> dict[str, Any]:
    [container] = pod["spec"]["containers"]
    return dict(container)


def ports(pod: Mapping[str, Any]) -> dict[str, int]:
    return {port["name"]: port["containerPort"] for port in container_of(pod)["ports"]}


def environment(pod: Mapping[str, Any], secrets: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Return what a pod's process is told; raise KeyError for a secret that is not there."""
    container = container_of(pod)
    shared = settings() if container.get("envFrom") == [{"configMapRef": {"name": "settings"}}] else {}
    wanted = {one["name"]: one["valueFrom"]["secretKeyRef"] for one in container.get("env", ())}
    return shared | {name: secrets[source["name"]][source["key"]] for name, source in wanted.items()}


def question(pod: Mapping[str, Any], probe: str) -> str:
    """Say in Python what the kubelet asks."""
    about = container_of(pod)[probe]
    if "grpc" in about:
        return f"serves_grpc({about['grpc']['port']})"
    return f"answers_ok({ports(pod)[about['httpGet']['port']]}, {about['httpGet']['path']!r})"


def as_container(name: str, secrets: Mapping[str, Mapping[str, str]], volumes: Mapping[str, Path]) -> Container:
    """Return what runs in a pod, with folders for what it mounts."""
    pod = pods()[name]
    container = container_of(pod)
    return Container(
        name=name,
        command=tuple(container["command"]),
        environment=environment(pod, secrets),
        ports=tuple(ports(pod).values()),
        health=("python", "-c", ASKS.format(question(pod, "readinessProbe"))),
        mounts={one["mountPath"]: volumes[one["name"]] for one in container["volumeMounts"]},
        stop_seconds=pod["spec"]["terminationGracePeriodSeconds"],
    )
