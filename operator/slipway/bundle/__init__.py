"""From a trained model to a bundle: a library, and the commands of `slipway` that call it.

Nothing of this is in the operator's or the fetcher's image. Frameworks are the user's own and imported where they are
used; what a bundle may be is decided by the fetcher's code, which `check` runs.
"""
