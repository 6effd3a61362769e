"""Runs a notebook, or a plain script, from top to bottom in one process and says how it ended.

    python3 run_notebook.py --notebook FILE.ipynb [--cwd DIR] [--exit-file FILE]
                            [--stop-grace SECONDS]

Code cells run in order in one `__main__`. A cell may open with `%%writefile [-a] NAME`; every other
magic and top-level await is refused before anything of that cell runs. The exit file holds
{"code", "error", "endedAt"} and appears whole, however the notebook ends short of a kill.
"""
import argparse
import ast
import datetime
import json
import linecache
import os
import re
import signal
import sys
import threading
import time
import traceback
import types

WRITEFILE = re.compile(r'^%%writefile\s+(-a\s+)?(\S+)\s*$')
MAGIC = re.compile(r'^\s*([%!?]|[A-Za-z_][\w.,\s]*=\s*[%!])|\?\s*$')
AWAIT = re.compile(r"'await' outside|'async (for|with)' outside|asynchronous comprehension outside")


class Refused(Exception):
    """A notebook this runner will not run; its text is one sentence for a person."""


def read_cells(path):
    """(number, source) of every code cell; a script is one cell numbered 0."""
    try:
        with open(path, encoding='utf-8') as file:
            text = file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise Refused('cannot read %s: %s' % (path, error))
    if path.endswith('.py'):
        return [(0, text)]
    try:
        notebook = json.loads(text)
    except ValueError as error:
        raise Refused('%s is not a notebook: its JSON breaks off: %s' % (path, error))
    cells = notebook.get('cells') if isinstance(notebook, dict) else None
    if not isinstance(cells, list) or notebook.get('nbformat') != 4:
        raise Refused('%s is not a notebook of nbformat 4: it has no list of cells' % path)
    found = []
    for number, cell in enumerate(cells, 1):
        if not isinstance(cell, dict):
            raise Refused('%s is not a notebook: cell %d is no object' % (path, number))
        if cell.get('cell_type') != 'code':
            continue
        source = cell.get('source', '')
        if isinstance(source, list) and all(isinstance(line, str) for line in source):
            source = ''.join(source)
        if not isinstance(source, str):
            raise Refused('%s is not a notebook: cell %d has no source text' % (path, number))
        found.append((number, source))
    return found


def write_file_cell(source):
    """Does what a `%%writefile` cell asks; False when the source is no such cell."""
    first, _, rest = source.lstrip('\n').partition('\n')
    match = WRITEFILE.match(first)
    if not match:
        return False
    append, name = match.groups()
    with open(name.strip('\'"'), 'a' if append else 'w', encoding='utf-8') as file:
        file.write(rest if rest.endswith('\n') or not rest else rest + '\n')
    print('%s %s' % ('Appending to' if append else 'Writing', name))
    return True


def compile_cell(number, source, name):
    """The cell's code object; Refused for what only an interactive shell understands."""
    try:
        tree = ast.parse(source, name)
        code = compile(source, name, 'exec', dont_inherit=True)
    except SyntaxError as error:
        lines = source.splitlines()
        at = error.lineno or 1
        line = lines[at - 1] if 0 < at <= len(lines) else ''
        if MAGIC.search(line):
            raise Refused('cell %d uses a magic in line %d (%s): only plain Python runs here'
                          % (number, at, line.strip()[:40]))
        if AWAIT.search(str(error)):
            raise Refused('cell %d awaits at top level in line %d: only plain Python runs here'
                          % (number, at))
        raise
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id == 'get_ipython':
            raise Refused('cell %d calls get_ipython in line %d: only plain Python runs here'
                          % (number, node.lineno))
    return code


def run_cells(cells, path):
    """Runs the cells in one `__main__`; whatever a cell raises comes out of here."""
    main = types.ModuleType('__main__')
    main.__dict__['__builtins__'] = __builtins__
    if path.endswith('.py'):
        main.__file__ = path
    sys.modules['__main__'] = main
    for number, source in cells:
        if number and write_file_cell(source):
            continue
        name = '<cell %d>' % number if number else path
        code = compile_cell(number, source, name)
        linecache.cache[name] = (len(source), None, source.splitlines(True), name)
        exec(code, main.__dict__)


def outcome_of(error):
    """(exit status, one line or None) for what ended the notebook; prints what a person reads."""
    if error is None:
        return 0, None
    if isinstance(error, Refused):
        print(error, file=sys.stderr)
        return 1, str(error)
    if isinstance(error, SystemExit):
        if error.code is None or isinstance(error.code, int):
            status = int(error.code or 0) & 0xFF
            return status, 'exit status %d' % status if status else None
        print(error.code, file=sys.stderr)
        return 1, str(error.code)
    frames = error.__traceback__
    while frames is not None and frames.tb_frame.f_code.co_filename == __file__:
        frames = frames.tb_next
    traceback.print_exception(type(error), error, frames)
    text = str(error)
    return 1, '%s: %s' % (type(error).__name__, text) if text else type(error).__name__


def write_exit(path, code, error):
    """Puts the exit file there in one rename; does nothing without a path."""
    if not path:
        return
    ended = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec='milliseconds')
    part = '%s.%d.part' % (path, os.getpid())
    with open(part, 'w', encoding='utf-8') as file:
        json.dump({'code': code, 'error': error, 'endedAt': ended.replace('+00:00', 'Z')}, file)
        file.write('\n')
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)


def stop_on_sigterm(grace_seconds, exit_file):
    """On SIGTERM: ends the notebook at once, or, when it has a handler of its own that calls this
    one, gives it `grace_seconds` to end by itself."""
    asked_at = []

    def watch():  # a thread from the start: a signal handler should not have to start one
        while not asked_at or time.monotonic() < asked_at[0] + grace_seconds:
            time.sleep(0.1)
        write_exit(exit_file, 143, 'killed: still running %g s after SIGTERM' % grace_seconds)
        os._exit(143)

    def on_term(_signal, _frame):
        asked_at.append(time.monotonic())
        if signal.getsignal(signal.SIGTERM) is on_term:
            raise SystemExit(143)

    signal.signal(signal.SIGTERM, on_term)
    threading.Thread(target=watch, daemon=True).start()


def main():
    parser = argparse.ArgumentParser(description='Runs a notebook from top to bottom.')
    parser.add_argument('--notebook', required=True)
    parser.add_argument('--cwd')
    parser.add_argument('--exit-file')
    parser.add_argument('--stop-grace', type=float, default=30.0, metavar='SECONDS')
    options = parser.parse_args()
    path = os.path.abspath(options.notebook)
    exit_file = os.path.abspath(options.exit_file) if options.exit_file else None
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding='utf-8', errors='replace', write_through=True)
    sys.argv = [path]
    sys.path[0] = os.path.dirname(path) if path.endswith('.py') else ''
    failure = None
    try:
        stop_on_sigterm(options.stop_grace, exit_file)
        cells = read_cells(path)
        if options.cwd:
            os.chdir(options.cwd)
        run_cells(cells, path)
    except BaseException as error:  # whatever the notebook raised ends here
        failure = error
    code, text = outcome_of(failure)
    write_exit(exit_file, code, text)
    sys.exit(code)


if __name__ == '__main__':
    main()
