"""Stands in for the interpreter of an emulated machine: it runs the notebook that was pushed
there as the real one does, but for what the name of its run says goes wrong.

    spoiled_notebook.py CALLED_AS RUNNER --notebook FILE …
"""
import json
import os
import re
import sys

DATA, TRAIN = 'session.fetch_data()', "session.train('train.py')"
ENROL = "Path('rodizio_session')"
REFUSES = """
with open('train.py', 'w') as program:
    program.write('''
import sys
print("the last words of the program")
print({line!r})
sys.exit(3)
''')
"""
# By the run: the cell in which it goes wrong, and what happens there.
SPOILS = {
    'silent-failed': (DATA, "__import__('os')._exit(1)"),
    'silent-complete': (DATA, "session.close(); raise SystemExit(0)"),
    'frozen': (DATA, "session.heart.close(); __import__('time').sleep(600)"),
    'never-enrolled': (ENROL, "raise SystemExit('there is no such module on this machine')"),
    'never-said-a-word': (ENROL, "raise SystemExit(0)"),
    'raises': (DATA, "with session.phase('data'): raise ValueError('a thing nobody thought of')"),
}


def spoil_of(kind):
    if kind in SPOILS:
        return SPOILS[kind]
    refusal = {'class': kind.replace('-', '_'), 'message': 'it was %s' % kind, 'line': None,
               'rowsAtOnce': 4 if kind == 'out-of-memory' else None}
    return TRAIN, REFUSES.format(line='RODIZIO_REFUSED ' + json.dumps(refusal))


def spoil(path):
    with open(path, encoding='utf-8') as file:
        text = file.read()
    kind = re.search(r"SESSION_NAME = 'rodizio-([a-z-]+)-\w{6}-g\d+'", text).group(1)
    notebook = json.loads(text)
    mark, code = spoil_of(kind)
    [cell] = [cell for cell in notebook['cells'] if cell['cell_type'] == 'code'
              and mark in ''.join(cell['source']) and 'def ' not in ''.join(cell['source'])
              or mark == ENROL and 'unseal(SEALED' in ''.join(cell['source'])]
    cell['source'] = code + '\n' + ''.join(cell['source'])
    with open(path, 'w', encoding='utf-8') as file:
        json.dump(notebook, file)


def main():
    called_as, *arguments = sys.argv[1:]
    if arguments[0] == '-c':
        print(called_as)
        return
    spoil(arguments[arguments.index('--notebook') + 1])
    os.execv(sys.executable, [sys.executable, *arguments])


if __name__ == '__main__':
    main()
