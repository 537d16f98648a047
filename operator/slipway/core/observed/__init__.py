"""What the cluster looks like now, as far as decisions need it. Only here is known where Kubernetes keeps what."""
