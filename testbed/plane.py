"""A Kubernetes control plane of plain processes on loopback: no container engine, up in seconds, each killable at will.

With `controllers=True` there are also a controller-manager, a scheduler, and kwok, whose nodes and pods "run" without
running anything. A resolve Job's pod ends there with the answer in `kwok/resolve-answers.yaml`.
"""

import json
import os
import secrets
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, Self

from testbed import debian
from testbed.audit import POLICY, AuditLog
from testbed.kubectl import Kubectl
from testbed.shell import CommandError, run, spawn
from testbed.tools import assets, find

HERE = Path(__file__).parent
TICK: Final = os.sysconf("SC_CLK_TCK")
PORTS: Final = range(20_000, 30_000)
"""Below those that Linux takes for connections on their way out (ip_local_port_range begins at 32768)."""
GARBAGE: Final = {"GOGC": "300"}
"""By default a quarter of an API server's work is to collect garbage; here it has memory to spare, and few cores."""
CURVE: Final = "prime256v1"
ADMINS: Final = "testbed:admins"
# Every client has a user of its own: the audit log tells them apart, and so does priority-and-fairness (which is why
# only `admin` is in system:masters, whom it lets pass). `tenant` may do nothing until a test gives it rights.
USERS: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "admin": ("testbed:admin", ("system:masters",)),
    "script": ("testbed:script", (ADMINS,)),
    "operator": ("system:serviceaccount:slipway-system:slipway", ("system:serviceaccounts", ADMINS)),
    "operator-2": ("system:serviceaccount:slipway-system:slipway-2", ("system:serviceaccounts", ADMINS)),
    "tenant": ("system:serviceaccount:slipway-system:tenant", ("system:serviceaccounts",)),
    "kube-controller-manager": ("system:kube-controller-manager", (ADMINS,)),
    "kube-scheduler": ("system:kube-scheduler", (ADMINS,)),
    "kwok": ("system:node:kwok", ("system:nodes", ADMINS)),
}


class Plane:
    """One control plane in a folder of its own under the system's temporary folder."""

    def __init__(self, *, qps: int = 300) -> None:
        self.dir = Path(tempfile.mkdtemp(prefix="slipway-plane-"))
        self.url = f"https://127.0.0.1:{free_port()}"
        self.audit = AuditLog(self.dir / "audit.log")
        self._etcd = f"http://127.0.0.1:{free_port()}"
        self._qps = qps
        self._argv: dict[str, list[str]] = {}
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- up and down

    def start(self, *, controllers: bool = False, stages: Iterable[Path] | None = None) -> Self:
        """Start the processes and wait until the API server answers. `stages` replaces kwok's stages for pods."""
        self._write_files()
        self._start_etcd()
        self._spawn("kube-apiserver", *self._apiserver_arguments())
        self.wait_ready()
        self.kubectl().apply(_admins_binding())
        if controllers:
            self._start_controllers(list(stages) if stages else default_stages())
        return self

    def close(self) -> None:
        """Stop every process, the last started first, and remove the folder."""
        for name in reversed(list(self._running)):
            self.stop(name)
        shutil.rmtree(self.dir, ignore_errors=True)

    def stop(self, name: str, *, kill: bool = False) -> None:
        """End one process by its name, gently or (`kill`) at once."""
        process = self._running.pop(name)
        process.send_signal(signal.SIGKILL if kill else signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def restart(self, name: str, *, kill: bool = False) -> None:
        """End one process if it runs and start it again as it was; waits for the API server to answer."""
        if name in self._running:
            self.stop(name, kill=kill)
        self._spawn(name, *self._argv[name][1:])
        if name in ("etcd", "kube-apiserver"):
            self.wait_ready()

    def wait_ready(self, timeout_seconds: float = 60) -> None:
        """Wait until the API server says that it is ready."""
        deadline = time.monotonic() + timeout_seconds
        while time.monotonic() < deadline:
            if self._says_ok():
                return
            if "kube-apiserver" in self._running and self._running["kube-apiserver"].poll() is not None:
                break
            time.sleep(0.1)
        raise CommandError(f"kube-apiserver does not answer:\n{self.log('kube-apiserver')[-2000:]}")

    # -- looking at it

    def kubeconfig(self, user: str = "admin") -> Path:
        """A kubeconfig file for one of `USERS`."""
        path = self.dir / f"{user}.kubeconfig"
        if path.exists():
            return path
        whole = self.dir / f"{user}-{secrets.token_hex(4)}.kubeconfig"  # others may read or write it at this moment
        cluster = {"server": self.url, "certificate-authority": str(self.dir / "certs" / "apiserver.crt")}
        whole.write_text(
            json.dumps(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "current-context": "plane",
                    "clusters": [{"name": "plane", "cluster": cluster}],
                    "users": [{"name": user, "user": {"token": f"token-{user}"}}],
                    "contexts": [{"name": "plane", "context": {"cluster": "plane", "user": user}}],
                }
            )
        )
        return whole.rename(path)

    def kubectl(self, user: str = "admin") -> Kubectl:
        """kubectl as one of `USERS`."""
        return Kubectl(self.kubeconfig(user))

    def user(self, name: str) -> str:
        """The name by which the audit log knows one of `USERS`."""
        return USERS[name][0]

    def log(self, name: str) -> str:
        """What a process has printed so far."""
        return (self.dir / f"{name}.log").read_text(errors="replace")

    def pid(self, name: str) -> int:
        """The process id of a running process."""
        return self._running[name].pid

    def cpu_seconds(self, name: str) -> float:
        """CPU time, user and system, that a process has used so far."""
        fields = Path(f"/proc/{self.pid(name)}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICK

    # -- what the cluster has

    def add_nodes(self, count: int, prefix: str = "node", **extra: Any) -> list[str]:
        """Register kwok nodes. `extra` may hold `labels`, `taints`, and `allocatable` (resource name to quantity)."""
        names = [f"{prefix}-{index}" for index in range(count)]
        self.kubectl().apply(*(_node(name, **extra) for name in names))
        return names

    def add_crds(self, *folders: Path) -> None:
        """Install the CRDs in some folders and wait until they are served."""
        files = [file for folder in folders for file in sorted(folder.glob("*.yaml"))]
        if not files:
            return
        kubectl = self.kubectl()
        made = kubectl("apply", "--server-side", "--output=name", *(f"--filename={file}" for file in files))
        kubectl.until_established(*made.split())

    # -- inside

    def _says_ok(self) -> bool:
        context = ssl.create_default_context()
        certificate = self.dir / "certs" / "apiserver.crt"
        if not certificate.exists():
            return False
        context.load_verify_locations(certificate)
        request = urllib.request.Request(f"{self.url}/readyz", headers={"Authorization": "Bearer token-admin"})
        try:
            with urllib.request.urlopen(request, timeout=2, context=context) as answer:
                return bool(answer.read() == b"ok")
        except OSError:
            return False

    def _write_files(self) -> None:
        debian.have(openssl="openssl")
        certs = self.dir / "certs"
        certs.mkdir()
        # Keys on curves: the API server else makes RSA's, for a second of a core, and signs each handshake with one.
        run("openssl", "ecparam", "-name", CURVE, "-genkey", "-noout", "-out", self.dir / "service-accounts.key")
        run(
            *("openssl", "req", "-x509", "-nodes", "-days", "30", "-subj", "/CN=testbed"),
            *("-newkey", "ec", "-pkeyopt", f"ec_paramgen_curve:{CURVE}"),
            *("-addext", "subjectAltName=IP:127.0.0.1", "-addext", "keyUsage=critical,digitalSignature,keyCertSign"),
            *("-out", certs / "apiserver.crt", "-keyout", certs / "apiserver.key"),
        )
        rows = (f'token-{key},{user},{key},"{",".join(groups)}"\n' for key, (user, groups) in USERS.items())
        (self.dir / "tokens.csv").write_text("".join(rows))
        (self.dir / "audit.json").write_text(json.dumps(POLICY))

    def _start_etcd(self) -> None:
        peer = f"http://127.0.0.1:{free_port()}"
        self._spawn(
            "etcd",
            f"--data-dir={self.dir}/etcd",
            f"--listen-client-urls={self._etcd}",
            f"--advertise-client-urls={self._etcd}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
            "--unsafe-no-fsync",
            "--log-level=error",
        )

    def _apiserver_arguments(self) -> list[str]:
        key = self.dir / "service-accounts.key"
        return [
            f"--etcd-servers={self._etcd}",
            f"--cert-dir={self.dir}/certs",
            f"--secure-port={self.url.rsplit(':', 1)[1]}",
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            "--endpoint-reconciler-type=none",
            f"--service-account-key-file={key}",
            f"--service-account-signing-key-file={key}",
            "--service-account-issuer=https://testbed",
            "--authorization-mode=RBAC",
            f"--token-auth-file={self.dir}/tokens.csv",
            "--service-cluster-ip-range=10.96.0.0/16",
            "--disable-admission-plugins=ServiceAccount",
            f"--audit-policy-file={self.dir}/audit.json",
            f"--audit-log-path={self.audit.path}",
            "--audit-log-maxsize=100000",
        ]

    def _start_controllers(self, pod_stages: list[Path]) -> None:
        rate = [f"--kube-api-qps={self._qps}", f"--kube-api-burst={2 * self._qps}", "--leader-elect=false"]
        # No node leases (they would drown a steady state in writes), hence the long grace period.
        self._spawn(
            "kube-controller-manager",
            f"--kubeconfig={self.kubeconfig('kube-controller-manager')}",
            "--node-monitor-grace-period=24h",
            # Pods that only seem to run have addresses that nobody answers at, and that no endpoint may have.
            "--controllers=*,-endpoints-controller,-endpointslice-controller,-endpointslice-mirroring-controller",
            f"--service-account-private-key-file={self.dir}/service-accounts.key",
            "--secure-port=0",
            *rate,
        )
        self._spawn("kube-scheduler", f"--kubeconfig={self.kubeconfig('kube-scheduler')}", "--secure-port=0", *rate)
        node = assets("kwok") / "node"
        stages = [
            *pod_stages,
            node / "fast/node-initialize.yaml",
            node / "heartbeat-with-lease/node-heartbeat-with-lease.yaml",
        ]
        self._spawn(
            "kwok",
            "--manage-all-nodes=true",
            f"--kubeconfig={self.kubeconfig('kwok')}",
            "--cidr=127.128.0.0/12",
            "--node-ip=127.0.0.1",
            "--node-lease-duration-seconds=0",
            *(f"--config={stage}" for stage in stages),
        )

    def _spawn(self, name: str, *arguments: str) -> None:
        self._argv[name] = [name, *arguments]
        self._running[name] = spawn([find(name), *arguments], self.dir / f"{name}.log", env=GARBAGE)


def default_stages() -> list[Path]:
    """How pods fare: ours (`kwok/`, each says what it fakes), and kwok's own for their end."""
    return [*sorted((HERE / "kwok").glob("*.yaml")), assets("kwok") / "pod" / "fast" / "pod-delete.yaml"]


def free_port() -> int:
    """A TCP port on loopback that nobody listens on now, and that the kernel gives to no connection on its way out.

    A connection is left behind in TIME_WAIT, so that for a minute nobody else who asks here can bind it: others ask at
    the same time. A server that may reuse addresses, as nearly all may, can listen there.
    """
    while True:
        with socket.socket() as listener:
            try:
                listener.bind(("127.0.0.1", secrets.choice(PORTS)))
            except OSError:
                continue
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # what is left behind may be bound over
            listener.listen()
            with socket.create_connection(listener.getsockname()) as client:
                accepted, _ = listener.accept()
                accepted.close()
                client.recv(1)
            return int(listener.getsockname()[1])


def _admins_binding() -> dict[str, Any]:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": ADMINS},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": ADMINS}],
    }


def _node(
    name: str,
    labels: dict[str, str] | None = None,
    taints: list[dict[str, str]] | None = None,
    allocatable: dict[str, str] | None = None,
) -> dict[str, Any]:
    resources = {"cpu": "64", "memory": "256Gi", "pods": "1000", "ephemeral-storage": "1Ti", **(allocatable or {})}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, "type": "kwok", **(labels or {})}},
        "spec": {"taints": taints or []},
        "status": {"allocatable": resources, "capacity": resources},
    }
