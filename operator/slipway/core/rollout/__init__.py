"""The rollout: what is found about a revision, and where that takes it."""
