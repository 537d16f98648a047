module slipway.dev/testbed

go 1.26

require sigs.k8s.io/kube-network-policies v0.8.0
