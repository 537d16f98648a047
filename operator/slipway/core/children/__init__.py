"""One builder per kind of child: small functions that return a manifest and read like the YAML they make."""
