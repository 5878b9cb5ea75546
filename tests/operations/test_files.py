"""The files that put workers on machines, checked by the tools of their ecosystems."""

import json
import re
import subprocess
from pathlib import Path

import kubernetes_validate
import pytest

from tests.operations.conftest import OPERATIONS, documents, lint, needs

WORKER = documents("kubernetes/worker.yml")


def test_hadolint_finds_nothing_in_the_image() -> None:
    """It runs as nobody, and installs by hash."""
    lint("hadolint", "Containerfile")


@pytest.mark.parametrize("version", ["1.30", kubernetes_validate.latest_version()])
def test_kubernetes_accepts_the_manifest(version: str) -> None:
    """Strictly, by the schemas of an old and of the newest version: a key that is not known is an error."""
    for document in WORKER:
        kubernetes_validate.validate(document, version, strict=True)


def test_a_pod_is_given_the_time_and_the_rights_that_it_needs_and_no_more() -> None:
    """The call in flight ends before the pod does; root, a writable system and the cluster's API are not there."""
    (deployment,) = [document for document in WORKER if document["kind"] == "Deployment"]
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["terminationGracePeriodSeconds"] > 30 + 10
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert "EXTRUCT_API_TOKEN" not in [variable["name"] for variable in container["env"]]
    probes = {name: container[name]["httpGet"]["path"] for name in container if name.endswith("Probe")}
    assert probes == {"startupProbe": "/readyz", "readinessProbe": "/readyz", "livenessProbe": "/livez"}


@needs("systemd-analyze")
def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    """As an instance, with a program where it expects one."""
    text = (OPERATIONS / "systemd" / "reconciler-worker@.service").read_text(encoding="utf-8")
    unit = tmp_path / "reconciler-worker@default.service"
    unit.write_text(text.replace("/opt/reconciler/bin/reconciler", "/bin/true"), encoding="utf-8")
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True, check=False
    )
    assert unit.name not in done.stderr, done.stderr


def test_the_pipelines_fit_the_schemas_of_their_forges() -> None:
    """And the linters of GitHub's find nothing."""
    lint("check-jsonschema", "--builtin-schema", "vendor.github-workflows", "ci/github.yml")
    lint("check-jsonschema", "--builtin-schema", "vendor.gitlab-ci", "ci/gitlab.yml")
    lint("actionlint", "ci/github.yml")
    lint("zizmor", "--offline", "--quiet", "--no-ignores", "ci/github.yml")


def test_actions_and_images_are_pinned() -> None:
    """As in this repository's own workflows."""
    own = {
        used
        for path in (OPERATIONS.parents[1] / ".github" / "workflows").glob("*.yml")
        for used in re.findall(r"uses: (actions/.*)", path.read_text(encoding="utf-8"))
    }
    text = (OPERATIONS / "ci" / "github.yml").read_text(encoding="utf-8")
    assert set(re.findall(r"uses: (.*)", text)) <= own
    for line in re.findall(r"container: (.*)", text):
        assert re.search(r"@sha256:[0-9a-f]{64}$", line)


def test_the_dashboard_is_written_as_grafana_exports_it() -> None:
    """Two spaces, so that a change made there is a small one here."""
    text = (OPERATIONS / "grafana" / "dashboard.json").read_text(encoding="utf-8")
    assert text == json.dumps(json.loads(text), indent=2) + "\n"
