"""A git repository in the cluster, written as a person writes one: change files, commit, push."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from testbed.gitops.argocd import NAMESPACE
from testbed.kubectl import Kubectl
from testbed.shell import run
from testbed.tools import find

_SERVER: Final = "deployment/git"
WHO: Final = {
    "GIT_AUTHOR_NAME": "story",
    "GIT_AUTHOR_EMAIL": "story@localhost",
    "GIT_COMMITTER_NAME": "story",
    "GIT_COMMITTER_EMAIL": "story@localhost",
    "GIT_CONFIG_GLOBAL": "/dev/null",  # no signing, no hooks of whoever runs this
}


@dataclass(frozen=True)
class Repository:
    """One repository on the cluster's git server, and the clone of it that is worked in."""

    kubeconfig: Path
    name: str
    clone: Path

    @property
    def url(self) -> str:
        """Where Argo CD finds it."""
        return f"git://git.{NAMESPACE}.svc/{self.name}.git"

    def create(self) -> None:
        """Make it, empty, and a clone of it."""
        kubectl = Kubectl(self.kubeconfig, NAMESPACE)
        kubectl("exec", _SERVER, "--", "git", "init", "--quiet", "--bare", "--initial-branch=main", self._path)
        run("git", "init", "--quiet", "--initial-branch=main", self.clone)

    def commit(self, message: str, files: Mapping[str, str]) -> str:
        """Write files, commit and push; the commit's hash."""
        for name, text in files.items():
            (self.clone / name).write_text(text)
        self._git("add", "--all")
        self._git("commit", "--quiet", f"--message={message}")
        return self._push()

    def revert(self) -> str:
        """Take the last commit back by a commit of its own; its hash."""
        self._git("revert", "--no-edit", "HEAD")
        return self._push()

    @property
    def _path(self) -> str:
        return f"/srv/git/{self.name}.git"

    def _push(self) -> str:
        # git over `kubectl exec`: no port, no password, no process left behind. %S is what git calls its other half.
        program = [str(find("kubectl")), f"--kubeconfig={self.kubeconfig}", f"--namespace={NAMESPACE}"]
        words = [word.replace("%", "%%").replace(" ", "% ") for word in program]
        remote = " ".join([*words, "exec", "--stdin", _SERVER, "--", "%S", self._path])
        self._git("-c", "protocol.ext.allow=always", "push", "--quiet", f"ext::{remote}", "HEAD:refs/heads/main")
        return self._git("rev-parse", "HEAD").strip()

    def _git(self, *argv: str) -> str:
        return run("git", "-C", self.clone, *argv, env=WHO)
