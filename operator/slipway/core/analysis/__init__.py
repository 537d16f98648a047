"""Analysis: whether what was measured of a candidate lets its rollout go on. Pure."""
