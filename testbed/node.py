"""The node image: stock where it can be pulled, else made of Debian packages and the programs that we build.

kind takes any image that has a kubelet, kubeadm, containerd and the control plane's images under `/kind/images`.
"""

import shutil
import tempfile
from pathlib import Path
from typing import Final

from testbed import debian, tools
from testbed.engine import client, docker
from testbed.fingerprint import fingerprint
from testbed.images import IMAGES, debian_packages, exists, import_debian
from testbed.say import working
from testbed.shell import CACHE, locked, run, works

STOCK: Final = "kindest/node:v1.34.3"
REGISTRY: Final = "registry.k8s.io"
KUBERNETES: Final = f"v{tools.KUBERNETES_VERSION}"
# What kubeadm of this version and our manifests ask for by name and tag, and the program that each one is.
CONTROL_PLANE: Final = {
    f"{REGISTRY}/kube-apiserver:{KUBERNETES}": "/usr/local/bin/kube-apiserver",
    f"{REGISTRY}/kube-controller-manager:{KUBERNETES}": "/usr/local/bin/kube-controller-manager",
    f"{REGISTRY}/kube-scheduler:{KUBERNETES}": "/usr/local/bin/kube-scheduler",
    f"{REGISTRY}/kube-proxy:{KUBERNETES}": "/usr/local/bin/kube-proxy",
    f"{REGISTRY}/etcd:3.6.5-0": "/usr/local/bin/etcd",
    f"{REGISTRY}/coredns/coredns:v1.12.1": "/coredns",
    f"{REGISTRY}/pause:3.10.1": "/pause",
}
SYSTEM_PATH: Final = "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
NEEDS_A_SYSTEM: Final = "kube-proxy"  # it calls iptables


def node_image() -> str:
    """The reference of an image for kind's nodes."""
    if exists(STOCK) or works(client(), "pull", "--quiet", STOCK):
        return STOCK
    reference = f"slipway.dev/node:{_fingerprint()}"
    with locked(Path(reference)):
        if not exists(reference):
            with working("building the node image"):
                _build(reference, _base())
    return reference


def _fingerprint() -> str:
    programs = (tools.find(name).parent.parent.name for name in ("kubelet", "etcd", "coredns"))
    return fingerprint(*CONTROL_PLANE, *programs, IMAGES / "node")


def _base() -> str:
    packages = debian_packages("node")
    reference = f"slipway.dev/node-base:{fingerprint(packages)}"
    if not exists(reference):
        import_debian(reference, "--variant=minbase", f"--include={packages}")
    return reference


def _build(reference: str, base: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        context = Path(folder)
        shutil.copytree(IMAGES / "node", context, dirs_exist_ok=True)
        (context / "bin").mkdir()
        for program in ("kubeadm", "kubelet", "kubectl"):
            shutil.copy(tools.find(program), context / "bin")
        (context / "rootfs" / "kind" / "images").mkdir(parents=True)
        (context / "rootfs" / "kind" / "version").write_text(KUBERNETES)
        for image, program in CONTROL_PLANE.items():
            _build_program(image, program, base)
        docker("save", f"--output={context}/rootfs/kind/images/control-plane.tar", *CONTROL_PLANE)
        docker("image", "rm", "--force", *CONTROL_PLANE)  # names that are not ours, kept only in the node
        docker("build", "--quiet", f"--build-arg=BASE={base}", f"--tag={reference}", context)


def _build_program(image: str, program: str, base: str) -> None:
    """An image that is one program."""
    with tempfile.TemporaryDirectory() as folder:
        context, name = Path(folder), Path(program).name
        shutil.copy(_pause() if name == "pause" else tools.find(name), context / name)
        parent = base if name == NEEDS_A_SYSTEM else "scratch"
        recipe = [f"FROM {parent}", f"COPY {name} {program}", f"ENV PATH={SYSTEM_PATH}", f'ENTRYPOINT ["{program}"]']
        (context / "Dockerfile").write_text("\n".join(recipe))
        docker("build", "--quiet", f"--tag={image}", context)


def _pause() -> Path:
    """The program that holds a pod's namespaces open."""
    target = CACHE / "tools" / f"pause-{fingerprint(IMAGES / 'node' / 'pause.c')}"
    if not target.exists():
        debian.have(gcc="gcc libc6-dev")
        run("gcc", "-static", "-Os", "-s", "-o", target, IMAGES / "node" / "pause.c")
    return target
