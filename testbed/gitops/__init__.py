"""A real Argo CD in a cluster, with a git server to push to: to judge how models behave under GitOps."""
