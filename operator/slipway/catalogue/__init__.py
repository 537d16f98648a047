"""The catalogue from outside the cluster: publish, withdraw, alias, list. A command line and a library of the same."""
