"""deploy/kubernetes: valid, confined, each reference leads somewhere, and what it starts takes a rider through."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from chassis.settings import name_of
from tests import servers
from tests.system import kubernetes
from tests.system.engine import PROCESSES, Engine, make_databases
from tests.system.image import Image, of
from tests.system.journey import checked, coach, hold, key, leg_of, payment, publish, quote
from tests.system.kubernetes import FOLDER, KUSTOMIZATION, WORKLOADS, container_of, objects, pods, ports, question
from tests.system.running_stack import ROOT, Stack, admin, guest

VERSIONS = ("1.31", kubernetes_validate.latest_version())
BLOCK = re.compile(r"```bash\n(.*?)```", re.DOTALL)
# Answers as kubectl does and notes what it was told.
KUBECTL = '#!/bin/sh\nprintf "%s\\n" "$*" >> "$KUBECTL_LOG"\n'


@cache
def told() -> str:
    """Return what docs/operations.md has an operator type."""
    return BLOCK.findall((ROOT / "docs" / "operations.md").read_text().partition("## On Kubernetes")[2])[0]


def matches(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    """Tell whether a selector chooses a pod."""
    listed = selector.get("matchExpressions", ())
    assert all(one["operator"] == "In" for one in listed)
    exact = selector.get("matchLabels", {}).items() <= labels.items()
    return exact and all(labels[one["key"]] in one["values"] for one in listed)


def chosen(selector: dict[str, Any]) -> list[str]:
    return [name for name, pod in pods().items() if matches(selector, pod["metadata"]["labels"])]


@pytest.mark.parametrize("version", VERSIONS)
def test_every_object_is_what_kubernetes_takes_and_nothing_more(version: str) -> None:
    for found in objects():
        kubernetes_validate.validate(found, version, strict=True)


def test_a_field_that_kubernetes_does_not_know_is_seen() -> None:
    [wrong] = objects("PodDisruptionBudget")
    wrong["spec"]["minimumAvailable"] = 1
    with pytest.raises(kubernetes_validate.ValidationError, match="minimumAvailable"):
        kubernetes_validate.validate(wrong, VERSIONS[-1], strict=True)


def test_the_kustomization_lists_every_file_once() -> None:
    files = {path.name for path in FOLDER.glob("*.yaml")} - {"kustomization.yaml"}
    assert sorted(KUSTOMIZATION["resources"]) == sorted(files)
    names = [(one["kind"], one["metadata"]["name"]) for one in objects()]
    assert len(names) == len(set(names))
    [namespace] = objects("Namespace")
    assert namespace["metadata"]["name"] == KUSTOMIZATION["namespace"]


@pytest.mark.parametrize("name", pods())
def test_every_pod_is_confined(name: str) -> None:
    pod, container = pods()[name]["spec"], container_of(pods()[name])
    [user] = of("USER", 1)
    assert f"{pod['securityContext']['runAsUser']}:{pod['securityContext']['runAsGroup']}" == user.arguments
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert {*container["resources"]["requests"], *container["resources"]["limits"]} == {"cpu", "memory"}


def test_no_service_sets_a_setting_of_ours_by_its_name() -> None:
    """Kubernetes would tell every pod GATEWAY_PORT=tcp://..., because a service is named gateway."""
    assert [name for name, pod in pods().items() if pod["spec"]["enableServiceLinks"] is not False] == []


@pytest.mark.parametrize("name", pods())
def test_every_pod_runs_the_one_image_and_is_asked_three_questions(name: str) -> None:
    container = container_of(pods()[name])
    assert [container["image"]] == [image["name"] for image in KUSTOMIZATION["images"]]
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        asked = int(re.findall(r"\d+", question(pods()[name], probe))[0])
        assert asked in ports(pods()[name]).values()


@pytest.mark.parametrize("workload", objects(*WORKLOADS), ids=lambda one: one["metadata"]["name"])
def test_every_workload_has_its_pods_and_a_service_leads_to_them(workload: dict[str, Any]) -> None:
    name, spec = workload["metadata"]["name"], workload["spec"]
    assert chosen(spec["selector"]) == [name]
    [service] = [one for one in objects("Service") if one["metadata"]["name"] == name]
    assert chosen({"matchLabels": service["spec"]["selector"]}) == [name]
    assert spec.get("serviceName", name) == name
    for port in service["spec"]["ports"]:
        assert ports(pods()[name])[port["targetPort"]] == port["port"]


def test_every_address_of_the_settings_is_a_port_of_a_service() -> None:
    known = {f"{one['metadata']['name']}:{port['port']}" for one in objects("Service") for port in one["spec"]["ports"]}
    addresses = {found for value in kubernetes.settings().values() for found in re.findall(r"[a-z]+:\d+", value)}
    assert addresses == known - {"gateway:8000"}


@pytest.mark.parametrize("name", PROCESSES)
def test_every_process_is_told_all_that_it_must_know(name: str) -> None:
    secrets = {"databases": dict.fromkeys(PROCESSES, "postgresql://x@db.internal/x"), "admin": {"client-secret": "x"}}
    given = PROCESSES[name].from_environment(kubernetes.environment(pods()[name], secrets)).model_dump()
    assert {field: value for field, value in given.items() if "127.0.0.1" in str(value)} == {}


def test_every_setting_is_one_of_some_process() -> None:
    given = kubernetes.settings()
    read = {name_of(field, one.prefix, given) for one in PROCESSES.values() for field in one.model_fields}
    assert set(given) <= read


def test_one_workload_grows_and_nothing_else_decides_its_number() -> None:
    [scaler] = objects("HorizontalPodAutoscaler")
    [budget] = objects("PodDisruptionBudget")
    target = scaler["spec"]["scaleTargetRef"]
    [deployment] = [one for one in objects(target["kind"]) if one["metadata"]["name"] == target["name"]]
    assert "replicas" not in deployment["spec"]
    assert chosen(budget["spec"]["selector"]) == [target["name"]]
    assert budget["spec"]["minAvailable"] < scaler["spec"]["minReplicas"]


def test_nobody_is_called_but_by_those_who_need_it() -> None:
    [closed, *opened] = sorted(objects("NetworkPolicy"), key=lambda one: "ingress" in one["spec"])
    assert closed["spec"] == {"podSelector": {}, "policyTypes": ["Ingress"]}
    open_to_all = set()
    for policy in opened:
        for name in chosen(policy["spec"]["podSelector"]):
            for rule in policy["spec"]["ingress"]:
                assert {port["port"] for port in rule["ports"]} <= set(ports(pods()[name]))
                assert all(chosen(one["podSelector"]) for one in rule.get("from", ()) if "podSelector" in one)
                open_to_all |= {name} if "from" not in rule else set()
    assert open_to_all == {"gateway"}
    assert {name for policy in opened for name in chosen(policy["spec"]["podSelector"])} == set(pods())


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Do what the documentation says, without a cluster; return the folder with the keys and what kubectl was told."""
    folder = tmp_path_factory.mktemp("operator")
    (folder / "kubectl").write_text(KUBECTL)
    (folder / "kubectl").chmod(0o755)
    script = told().replace(".venv/bin/python", shlex.quote(sys.executable))
    environment = os.environ | {
        "PATH": f"{folder}:{os.environ['PATH']}",
        "PYTHONPATH": f"{ROOT}:{ROOT / 'proto/gen'}",
        "KUBECTL_LOG": str(folder / "log"),
    }
    subprocess.run(["bash", "-euo", "pipefail", "-c", script], cwd=folder, env=environment, check=True)
    return folder


def literals(made: Path) -> dict[str, dict[str, str]]:
    """Return the secrets and ConfigMaps that were created, with what they hold."""
    found: dict[str, dict[str, str]] = {}
    for line in (made / "log").read_text().splitlines():
        if creation := re.search(r"create (?:secret generic|configmap) (\S+) (.*)", line):
            found[creation[1]] = dict(re.findall(r"--from-literal=([\w-]+)=(\S+)", creation[2]))
            for folder in re.findall(r"--from-file=(\S+)", creation[2]):
                found[creation[1]] |= {path.name: path.read_text() for path in (made / folder).iterdir()}
    return found


def test_what_the_documentation_makes_is_what_the_pods_want(made: Path) -> None:
    there = literals(made)
    wanted: dict[str, set[str]] = {}
    for name, pod in pods().items():
        for one in container_of(pod).get("env", ()):
            source = one["valueFrom"]["secretKeyRef"]
            wanted.setdefault(source["name"], set()).add(source["key"])
        for volume in pod["spec"].get("volumes", ()):
            if secret := volume.get("secret"):
                assert [item["key"] for item in secret["items"]] == [f"{name}.json"]
                wanted.setdefault(secret["secretName"], set()).add(f"{name}.json")
            if public := volume.get("configMap"):
                wanted[public["name"]] = {f"{process}.json" for process in PROCESSES}
    assert {name: set(held) for name, held in there.items()} == wanted


def test_what_is_applied_is_this_folder() -> None:
    assert "kubectl apply --kustomize deploy/kubernetes" in told()
    assert yaml.safe_load((FOLDER / "kustomization.yaml").read_text())["namespace"] in told()


@pytest.fixture(scope="module")
def engine(image: Image, made: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """Every pod's process, with keys as Kubernetes mounts them and a database of the operator's own."""
    binaries = servers.postgres_binaries()
    if binaries is None:
        pytest.skip("NOT TESTED: PostgreSQL is not installed")
    folder = tmp_path_factory.mktemp("kubernetes")
    with servers.postgres(binaries) as url:
        script = ROOT / "deploy" / "postgres" / "databases.sql"
        port = make_databases(binaries, url, script, {"DATABASE_PASSWORD": "secret"})
        here = re.compile(r"headway:\w+@[\w.:]+/")
        secrets = literals(made)
        secrets["databases"] = {
            name: here.sub(f"headway:secret@127.0.0.1:{port}/", url) for name, url in secrets["databases"].items()
        }
        trusted = projected(folder / "trusted", secrets["trusted-keys"])
        containers = []
        for name in pods():
            own = {file: text for file, text in secrets["private-keys"].items() if file == f"{name}.json"}
            private = projected(folder / f"{name}-private", own)
            volumes = {"private-key": private, "trusted-keys": trusted, "files": folder / name, "data": folder / name}
            containers.append(kubernetes.as_container(name, secrets, volumes))
        running = Engine(image, folder / "roots", containers)
        try:
            for name in pods():  # in no order: nothing waits for anything in a cluster
                running.start(name)
            for name in pods():
                running.wait_until_healthy(name)
            yield running
        finally:
            running.stop_all()


def projected(folder: Path, files: dict[str, str]) -> Path:
    """Lay files out as Kubernetes does: links to links into a folder that is exchanged as a whole."""
    (folder / "..2026").mkdir(parents=True)
    (folder / "..data").symlink_to("..2026")
    for name, text in files.items():
        (folder / "..2026" / name).write_text(text)
        (folder / name).symlink_to(f"..data/{name}")
    for path in (folder / "..2026", folder):
        path.chmod(0o555)
    return folder


def test_a_rider_quotes_holds_and_pays(engine: Engine, made: Path) -> None:
    who = {"client_id": "headway-admin", "client_secret": literals(made)["admin"]["client-secret"]}
    url = f"http://127.0.0.1:{engine.ports['gateway', 8000]}"
    stack = Stack(engine.processes["gateway"], engine.root("gateway"), {"gateway_url": url, "admin": who})
    with admin(stack) as operator, guest(stack) as rider:
        booking = hold(rider, quote(rider, leg_of(publish(operator, coach()))))
        paid = checked(rider.post(f"/bookings/{booking['id']}/confirm", json=payment(), headers=key()), 200)
    assert (paid["state"], paid["payment"]["state"]) == ("confirmed", "captured")


@pytest.mark.parametrize("probe", ["startupProbe", "readinessProbe", "livenessProbe"])
def test_the_kubelet_hears_that_all_is_well(engine: Engine, probe: str) -> None:
    for name, pod in pods().items():
        ask = engine.translate(name, kubernetes.ASKS.format(question(pod, probe)))
        done = subprocess.run([sys.executable, "-c", ask], env=engine.environment(name), check=False)
        assert done.returncode == 0, name


def test_figures_are_where_prometheus_looks_for_them(engine: Engine) -> None:
    for name in ("booking", "tracking", "pricing"):
        page = engine.ports[name, ports(pods()[name])["metrics"]]
        ask = f"from cli.probes import get; raise SystemExit(b'headway_' not in get({page}, '/metrics')[1])"
        assert subprocess.run([sys.executable, "-c", ask], env=engine.environment(name), check=False).returncode == 0


def test_nothing_is_written_where_keys_are_or_outside_the_volumes(engine: Engine) -> None:
    assert list(engine.strays()) == []
    for name in PROCESSES:
        keys = engine.root(name) / "var/lib/headway/keys"
        assert {path.name for path in (keys / "private").iterdir()} == {"..2026", "..data", f"{name}.json"}
        assert len(list((keys / "trusted").iterdir())) == len(PROCESSES) + 2
