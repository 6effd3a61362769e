"""The notebook's side of a comparison: what it compares, and the child that compares."""
