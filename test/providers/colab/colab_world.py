"""Plays `colab` with machines: files in `machines` of its home, their names in the notes that the
real one keeps.

What the next `run` does stands in `next.json`: {"do": "start" | "cut" | "hang", "lines": [...]}
or, without `do`, lines and a refusal. A script runs until `end-NAME` of its home holds its exit
status; the machine is then given back, as by the real one. What was asked goes to `asked.jsonl`,
with what others could see of it.
"""
import json
import os
import sys
import time
import uuid

home = os.environ['HOME']
machines = os.path.join(home, 'machines')
notes = os.path.join(home, '.config', 'colab-cli', 'sessions.json')
os.makedirs(machines, exist_ok=True)
args = sys.argv[1:]


def say(*lines):
    for line in lines:
        print(line, file=sys.stderr, flush=True)


def load(path, default):
    try:
        with open(path) as file:
            return json.load(file)
    except FileNotFoundError:
        return default


def note(change):
    known = load(notes, {})
    change(known)
    with open(notes + '.part', 'w') as file:
        json.dump(known, file)
    os.replace(notes + '.part', notes)


def flag(name):
    return args[args.index(name) + 1] if name in args else None


def give_back(endpoint):
    path = os.path.join(machines, endpoint)
    if os.path.exists(path):
        os.remove(path)


with open('/proc/self/cmdline' if os.path.exists('/proc/self/cmdline') else os.devnull) as file:
    listed = file.read()
with open(os.path.join(home, 'asked.jsonl'), 'a') as file:
    file.write(json.dumps({'args': args, 'listed': listed}) + '\n')

broken = load(os.path.join(home, 'broken.json'), None)
if 'version' in args:
    print('Version: ' + load(os.path.join(home, 'version.json'), '0.7.5'))
elif broken:
    say(*broken)
    sys.exit(1)
elif 'usage' in args:
    print('Current balance: 3.00 compute units\nUsage rate: 0.00/hr\nActive assignments: 0')
elif 'sessions' in args:
    names = {one['endpoint']: name for name, one in load(notes, {}).items()}
    for endpoint in sorted(os.listdir(machines)):
        print('[%s] %s | Hardware: T4 | Shape: Standard' % (names.get(endpoint, '?'), endpoint))
elif 'stop' in args:
    known = load(flag('--config') or notes, {})
    name = flag('--session')
    endpoint = known[name]['endpoint'] if name in known else ''
    if endpoint in os.listdir(machines):
        give_back(endpoint)
        if not flag('--config'):
            note(lambda all: all.pop(name))
        print('[colab] Session terminated.')
    else:
        print("[colab] Session '%s' not found." % name)
elif 'run' in args:
    order = load(os.path.join(home, 'next.json'), {'do': 'start', 'lines': []})
    name, script = flag('--session'), args[-1]
    say("[colab] Creating session '%s'..." % name)
    endpoint = 'm-' + uuid.uuid4().hex[:8]
    do = order.get('do')
    if do == 'hang':
        time.sleep(120)
    if do in ('start', 'cut'):
        open(os.path.join(machines, endpoint), 'w').close()
    if do != 'start':
        say(*order.get('lines', []))
        sys.exit(1)
    note(lambda all: all.update({name: {'endpoint': endpoint}}))
    say('[colab] Session READY (%s). Executing %s...' % (name, script), *order.get('lines', []))
    ending = os.path.join(home, 'end-' + name)
    for _ in range(1200):
        if os.path.exists(ending):
            break
        time.sleep(0.1)
    say("[colab] Stopping session '%s'..." % name)
    give_back(endpoint)
    note(lambda all: all.pop(name, None))
    say('[colab] Session terminated.')
    sys.exit(load(ending, 0))
