"""A real Envoy Gateway in a cluster, and the Gateway API's CRDs for API servers without one."""
