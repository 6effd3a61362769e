"""Plays `colab` for tests of what is made of its words: does what the file `scenario.json` of its
home says.

For each command: lines to print, seconds to wait, a status. What it was given, and what others
could see of it, goes to `seen.jsonl` beside that file.
"""
import json
import os
import sys
import time

home = os.environ['HOME']
with open('/proc/self/cmdline' if os.path.exists('/proc/self/cmdline') else os.devnull) as file:
    listed = file.read()
with open(os.path.join(home, 'seen.jsonl'), 'a') as file:
    file.write(json.dumps({'args': sys.argv[1:], 'listed': listed, 'env': dict(os.environ)}) + '\n')
with open(os.path.join(home, 'scenario.json')) as file:
    scenario = json.load(file)
command = next(arg for arg in sys.argv[1:] if arg in scenario)
for line in scenario[command].get('lines', []):
    print(line, file=sys.stderr, flush=True)
time.sleep(scenario[command].get('seconds', 0))
sys.exit(scenario[command].get('status', 0))
