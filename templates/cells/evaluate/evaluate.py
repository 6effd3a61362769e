# The comparison, in a process of its own; what it finds is printed and stands in evaluation.json.
from rodizio_evaluating.comparison import compare

compared = compare(candidate, current, data, began + SECONDS, ROWS, BASE_MODEL)  # noqa: F821
