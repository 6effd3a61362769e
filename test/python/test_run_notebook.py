import json
import signal
import tempfile
import unittest
from pathlib import Path

from sample import start_notebook, wait_for


class Runner(unittest.TestCase):
    def setUp(self):
        self.holder = tempfile.TemporaryDirectory()
        self.addCleanup(self.holder.cleanup)
        self.root = Path(self.holder.name)
        self.exit_file = self.root / 'exit.json'

    def notebook(self, *sources, text=None):
        path = self.root / 'a.ipynb'
        cells = [{'cell_type': 'code', 'source': source} for source in sources]
        cells.insert(0, {'cell_type': 'markdown', 'source': '# not code'})
        path.write_text(text if text is not None else json.dumps(
            {'nbformat': 4, 'cells': cells}), encoding='utf-8')
        return path

    def run_it(self, path):
        work = self.root / 'work'
        work.mkdir(exist_ok=True)
        process = start_notebook(path, work, '--exit-file', str(self.exit_file))
        output = process.communicate(timeout=10)[0]
        ended = json.loads(self.exit_file.read_text())
        self.assertEqual(ended['code'], process.returncode)
        self.assertRegex(ended['endedAt'], r'^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$')
        return process.returncode, output, ended['error']

    def test_cells_run_in_order_in_one_main(self):
        path = self.notebook(['import os\n', 'a = __name__'],
                             'print(a, os.path.basename(os.getcwd()))')
        self.assertEqual(self.run_it(path), (0, '__main__ work\n', None))

    def test_how_a_cell_ends_is_how_the_notebook_ends(self):
        for source, code, error in (
                ('raise SystemExit("no GPU was granted")', 1, 'no GPU was granted'),
                ('raise SystemExit(0)', 0, None), ('raise SystemExit', 0, None),
                ('raise SystemExit(3)', 3, 'exit status 3'),
                ('x = {}\nx["gone"]', 1, "KeyError: 'gone'"),
                ('raise KeyboardInterrupt', 1, 'KeyboardInterrupt')):
            status, output, said = self.run_it(self.notebook(source, 'print("went on")'))
            self.assertEqual((status, said), (code, error), source)
            self.assertNotIn('went on', output)

    def test_a_traceback_names_the_cell_and_shows_its_line(self):
        _status, output, _error = self.run_it(self.notebook('def f():\n    return 1 / 0', 'f()'))
        self.assertIn('File "<cell 2>", line 2', output)
        self.assertIn('return 1 / 0', output)
        self.assertNotIn('run_notebook.py', output)

    def test_what_only_an_interactive_shell_knows_is_refused_before_the_cell_runs(self):
        for line in ('%matplotlib inline', '!pip install x', 'files = !ls', '%%time', 'len?',
                     'get_ipython().magic("x")', 'await f()', 'async with f() as g: pass'):
            status, output, error = self.run_it(
                self.notebook('print("first cell")', 'print("before")\n' + line))
            self.assertEqual(status, 1, line)
            self.assertTrue(error.startswith('cell 3 '), error)
            self.assertEqual(output, 'first cell\n' + error + '\n')

    def test_percent_and_await_in_plain_python_are_no_magic(self):
        path = self.notebook('x = ("%d"\n     % 7)\nasync def f():\n    await f()\nprint(x)')
        self.assertEqual(self.run_it(path)[:2], (0, '7\n'))

    def test_a_writefile_cell_writes_and_appends(self):
        path = self.notebook('%%writefile a.py\nprint(1)', '%%writefile -a a.py\nprint(2)',
                             'print(open("a.py").read())')
        self.assertIn('print(1)\nprint(2)\n', self.run_it(path)[1])

    def test_what_is_no_notebook_is_one_sentence(self):
        for text in ('{"cells": [', '[]', '{"nbformat": 3, "worksheets": []}',
                     '{"nbformat": 4, "cells": [7]}'):
            status, output, error = self.run_it(self.notebook(text=text))
            self.assertEqual((status, output), (1, error + '\n'))
        status, output, error = self.run_it(self.root / 'missing.ipynb')
        self.assertEqual((status, output), (1, error + '\n'))

    def test_a_script_runs_as_it_stands(self):
        path = self.root / 'kernel.py'
        path.write_text('import os\nprint(__name__, os.path.basename(__file__))\n')
        self.assertEqual(self.run_it(path)[:2], (0, '__main__ kernel.py\n'))

    def test_sigterm_ends_a_notebook_that_does_not_listen(self):
        process = start_notebook(self.notebook('import time\nprint("up")\ntime.sleep(60)'), None,
                                 '--exit-file', str(self.exit_file))
        self.assertEqual(process.stdout.readline(), 'up\n')
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=5)
        self.assertEqual(json.loads(self.exit_file.read_text())['code'], 143)

    def test_a_notebook_that_listens_gets_its_grace_and_no_more(self):
        source = ('import signal, time\nbefore = signal.getsignal(signal.SIGTERM)\n'
                  'def on(number, frame):\n    print("saving", flush=True)\n'
                  '    before(number, frame)\n'
                  'signal.signal(signal.SIGTERM, on)\nprint("up")\ntime.sleep(%s)')
        for seconds, code in (('0.8', 0), ('60', 143)):
            process = start_notebook(self.notebook(source % seconds), None, '--stop-grace', '1.5',
                                     '--exit-file', str(self.exit_file))
            self.assertEqual(process.stdout.readline(), 'up\n')
            process.send_signal(signal.SIGTERM)
            self.assertEqual(process.stdout.readline(), 'saving\n')
            wait_for(lambda: process.poll() is not None, 5)
            process.communicate()
            self.assertEqual((process.returncode,
                              json.loads(self.exit_file.read_text())['code']), (code, code))


if __name__ == '__main__':
    unittest.main()
