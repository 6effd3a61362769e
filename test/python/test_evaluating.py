import atexit
import contextlib
import hashlib
import http.server
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
import unittest
from functools import partial
from pathlib import Path

from sample import TEMPLATES

# As in a notebook: one package of what several folders of templates hold.
PLACE = Path(tempfile.mkdtemp(prefix='evaluating-'))
atexit.register(shutil.rmtree, str(PLACE), ignore_errors=True)
shutil.copytree(TEMPLATES / 'evaluating', PLACE / 'rodizio_evaluating')
for source in ('serving/adapter_source', 'serving/asked', 'serving/child', 'session/wire',
               'session/downloads'):
    shutil.copy(TEMPLATES / (source + '.py'), PLACE / 'rodizio_evaluating')
(PLACE / 'serve').mkdir()
for name in ('__init__.py', 'adapter.py'):
    shutil.copy(TEMPLATES / 'serve' / name, PLACE / 'serve')
sys.path.insert(0, str(PLACE))
from rodizio_evaluating.adapters import find_adapters  # noqa: E402
from rodizio_evaluating.comparison import compare  # noqa: E402
from rodizio_evaluating.held_out import find_data  # noqa: E402

NONE = ('', '', '')


def sha256_of(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_arguments):
        pass


class Evaluating(unittest.TestCase):
    def setUp(self):
        self.root = Path(tempfile.mkdtemp(prefix='evaluating-'))
        self.addCleanup(shutil.rmtree, str(self.root), ignore_errors=True)
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(str(self.root))
        self.data = self.root / 'held-out.jsonl'
        self.data.write_text('{}\n')

    def adapter(self, name, base='org/base', revision='c1'):
        """An adapter's folder, with the parameters that name it."""
        folder = self.root / name
        folder.mkdir()
        for file in ('adapter_config.json', 'adapter_model.safetensors', 'tokenizer_config.json'):
            (folder / file).write_text(name)
        files = [{'name': path.name, 'sha256': sha256_of(path)} for path in folder.iterdir()]
        (folder / 'manifest.json').write_text(json.dumps({
            'kind': 'artifact', 'engine': 'trl', 'run': 'run_' + name, 'step': 3, 'generation': 1,
            'plan': {'base': base, 'revision': revision, 'quantization': 'nf4', 'maxLength': 9},
            'files': files}))
        return str(folder), '', sha256_of(folder / 'manifest.json')

    def refused(self, sentence, call, *arguments):
        with self.assertRaisesRegex(SystemExit, sentence):
            call(*arguments)


class What(Evaluating):
    def test_two_adapters_of_one_base_are_found_by_the_hashes_of_their_manifests(self):
        new, old = self.adapter('new'), self.adapter('old')
        candidate, current = find_adapters(new, old, 'adapters')
        self.assertEqual((candidate.run, current.run), ('run_new', 'run_old'))
        self.assertEqual(find_adapters(new, NONE, 'adapters')[1], None)

    def test_another_adapter_is_refused_by_the_name_of_its_parameter(self):
        new, old = self.adapter('new'), self.adapter('old')
        self.refused('manifest.json of old has another hash', find_adapters, new,
                     (old[0], '', new[2]), 'adapters')
        self.refused('CANDIDATE_SHA256 is no SHA-256', find_adapters, (new[0], '', 'x'), NONE, '')
        self.refused('either CURRENT_DIR or CURRENT_FILES', find_adapters, new,
                     (old[0], '[]', old[2]), 'adapters')
        self.refused('CURRENT_SHA256 is set and nothing says where', find_adapters, new,
                     ('', '', old[2]), 'adapters')
        Path(new[0], 'adapter_model.safetensors').write_text('other')
        self.refused('adapter_model.safetensors of new is damaged', find_adapters, new, NONE, '')

    def test_adapters_of_two_bases_or_two_commits_of_one_cannot_be_compared(self):
        new = self.adapter('new')
        for name, changes in (('base', {'base': 'org/other'}), ('commit', {'revision': 'c2'})):
            with self.subTest(name):
                self.refused('only adapters of one base', find_adapters, new,
                             self.adapter(name, **changes), 'adapters')

    def test_the_conversations_are_the_ones_that_the_notebook_was_made_for(self):
        found = (self.data, sha256_of(self.data))
        self.assertEqual(find_data(str(self.data), '', '', 'data'), found)
        self.assertEqual(find_data(str(self.data), '', found[1].upper(), 'data'), found)
        self.refused('another hash than DATA_SHA256', find_data, str(self.data), '', 'a' * 64, '')
        self.refused('there is no file .*none.jsonl', find_data, 'none.jsonl', '', '', '')
        self.refused('either DATA or DATA_FILES', find_data, '', '', '', '')

    def test_conversations_are_fetched_by_their_address(self):
        handler = partial(Quiet, directory=str(self.root))
        with http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            entry = {'name': 'rows.jsonl', 'bytes': 3, 'sha256': sha256_of(self.data),
                     'url': 'http://127.0.0.1:%d/held-out.jsonl' % server.server_port}
            path, sha256 = find_data('', json.dumps([entry]), '', 'data')
            self.assertEqual((path.name, path.read_text(), sha256),
                             ('rows.jsonl', '{}\n', entry['sha256']))
            gone = dict(entry, name='gone.jsonl', sha256='b' * 64,
                        url=entry['url'].replace('held-out', 'none'))
            self.refused('gone.jsonl does not open it any more', find_data, '',
                         json.dumps([gone]), '', 'data')
            server.shutdown()
        self.refused('DATA_FILES lists 2 files', find_data, '',
                     json.dumps([entry, dict(entry, name='b')]), '', 'data')
        self.refused('DATA_FILES is no JSON', find_data, '', '{', '', 'data')


class How(Evaluating):
    """The comparison's life, with programs in place of the one that needs a model."""

    def setUp(self):
        super().setUp()
        self.candidate, self.current = find_adapters(self.adapter('new'), self.adapter('old'), '')
        self.printed = io.StringIO()

    def compare(self, program, seconds=30.0, **more):
        Path('program.py').write_text('import json, os, signal, sys, time\n'
                                      'job = json.load(open(sys.argv[1]))\n'
                                      + textwrap.dedent(program))
        with contextlib.redirect_stdout(self.printed):
            return compare(self.candidate, self.current, (self.data, 'd' * 64),
                           time.monotonic() + seconds, 64, program='program.py', **more)

    def test_the_program_gets_the_candidates_plan_and_what_it_writes_is_given(self):
        job = self.compare('json.dump(job, open(job["result"], "w"))\nprint("a table")')
        self.assertEqual(job['plan'], {'base': 'org/base', 'revision': 'c1', 'maxLength': 9,
                                       'quantization': 'nf4'})
        self.assertEqual((job['candidate'], job['current'], job['rows']),
                         (str(self.candidate.folder), str(self.current.folder), 64))
        self.assertEqual(job['about'], {
            'base': 'org/base', 'revision': 'c1', 'quantization': 'nf4', 'dataSha256': 'd' * 64,
            'candidateSha256': self.candidate.sha256, 'currentSha256': self.current.sha256})
        self.assertTrue(29 < job['secondsLeft'] <= 30)
        self.assertEqual(job['parent'], os.getpid())
        self.assertIn('a table', self.printed.getvalue())

    def test_another_place_of_the_base_takes_the_place_of_the_manifests(self):
        self.current = None
        job = self.compare('json.dump(job, open(job["result"], "w"))', base='/models/base')
        self.assertEqual((job['plan']['base'], job['about']['base']), ('/models/base', 'org/base'))
        self.assertEqual((job['current'], job['about']['currentSha256']), (None, None))

    def test_what_goes_wrong_is_one_sentence_and_leaves_no_comparison(self):
        Path('evaluation.json').write_text('of another day')
        for program, sentence in (
                ("print('RODIZIO_REFUSED ' + json.dumps({'message': 'no such base'}))\n"
                 'sys.exit(3)', '^no such base$'),
                ("open(job['result'], 'w').write('half')\nsys.exit(4)", 'raise SECONDS'),
                ("print('boom')\nsys.exit(1)", r'ended \(status 1\): boom'),
                ('os.kill(os.getpid(), 9)', r'ended \(signal 9\): it printed nothing')):
            with self.subTest(sentence):
                self.refused(sentence, self.compare, program)
                self.assertFalse(Path('evaluation.json').exists())

    def test_at_its_time_it_is_asked_to_end(self):
        began = time.monotonic()
        self.refused('its time was over before everything', self.compare,
                     "open('pid', 'w').write(str(os.getpid()))\ntime.sleep(60)", 1.5)
        self.assertLess(time.monotonic() - began, 10)
        self.assert_gone(int(Path('pid').read_text()))
        self.refused('raise SECONDS', self.compare, '', 0.5)

    def test_sigterm_to_the_notebook_ends_it_and_the_handler_before_is_back(self):
        heard = []
        self.addCleanup(signal.signal, signal.SIGTERM, signal.getsignal(signal.SIGTERM))
        signal.signal(signal.SIGTERM, lambda *_told: heard.append(1))
        before = signal.getsignal(signal.SIGTERM)
        self.refused('the notebook was asked to end', self.compare,
                     'os.kill(job["parent"], signal.SIGTERM)\ntime.sleep(60)')
        self.assertEqual((heard, signal.getsignal(signal.SIGTERM)), ([1], before))

    @unittest.skipUnless(sys.platform == 'linux', 'only Linux ties a child to its parent')
    def test_a_notebook_that_is_killed_leaves_no_program(self):
        Path('program.py').write_text('import os, time\n'
                                      "print('PID %d' % os.getpid(), flush=True)\ntime.sleep(60)")
        notebook = subprocess.Popen(
            [sys.executable, '-c', textwrap.dedent('''
                import sys, time
                sys.path.insert(0, %r)
                from rodizio_evaluating.adapters import find_adapters
                from rodizio_evaluating.comparison import compare
                candidate, _none = find_adapters((%r, '', %r), ('', '', ''), '')
                compare(candidate, None, ('x', ''), time.monotonic() + 60, 0, '', 'program.py')
            ''') % (str(PLACE), str(self.candidate.folder), self.candidate.sha256)],
            stdout=subprocess.PIPE, text=True)
        self.addCleanup(notebook.stdout.close)
        pid = int(notebook.stdout.readline().split()[1])
        notebook.kill()
        notebook.wait()
        self.assert_gone(pid)

    def assert_gone(self, pid):
        until = time.monotonic() + 5
        while time.monotonic() < until:
            try:
                if Path('/proc/%d/stat' % pid).read_text().rpartition(')')[2].split()[0] == 'Z':
                    return
            except OSError:
                return
            time.sleep(0.02)
        self.fail('%d is there' % pid)


if __name__ == '__main__':
    unittest.main()
