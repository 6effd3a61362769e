# The program that compares, with the very parts that a training judges its candidate by.
from pathlib import Path

# write: harness.py = engines/harness.py
# write: judge.py = engines/trl/judge.py
Path('rodizio_engine').mkdir(exist_ok=True)
# write: rodizio_engine = engines/trl/program
