"""The notebook's side of a serving session: what comes before the server, and what keeps it."""
