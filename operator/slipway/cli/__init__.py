"""The command for people who serve models: pure views of what kubectl hands out, and a thin shell around kubectl."""
