import hashlib
import http.server
import json
import subprocess
import threading
import unittest
from functools import partial
from pathlib import Path

from runs import Runs
from sessions import JUPYTER, RUNNER, insert_after
from training import (MISSING, ROOT, STACKS, environment, lines_of, plan, python_of, run,
                      sample_data)

IN_4_BIT = {'quantization': 'nf4', 'optimizer': 'paged_adamw_8bit'}
NAMES = ('base', 'current', 'candidate')


def sha256_of(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_arguments):
        pass


@unittest.skipUnless(STACKS, MISSING)
class EvaluatingNotebooks(Runs):
    """The committed notebooks as they stand, their parameters set as a tool would set them."""

    def start(self, provider, stack, runner, candidate, **parameters):
        """Starts a notebook in a folder of its own; (process, that folder)."""
        notebook = json.loads((ROOT / 'notebooks' / ('evaluate-' + provider) / 'notebook.ipynb')
                              .read_text(encoding='utf-8'))
        data = self.folder('held-out.jsonl')
        data.write_bytes(sample_data()['validation.jsonl'])
        told = {'CANDIDATE_DIR': str(candidate), 'REQUIRE_GPU': False, 'SECONDS': 300,
                'CANDIDATE_SHA256': sha256_of(candidate / 'manifest.json'), 'DATA': str(data),
                'DATA_SHA256': sha256_of(data), 'CURRENT_DIR': '', 'CURRENT_SHA256': ''}
        lines = ['%s = %r' % item for item in {**told, **parameters}.items()]
        insert_after(notebook, 'parameters', '\n'.join(lines) + '\n')
        folder = self.folder('%s-%s' % (provider, stack))
        folder.mkdir()
        path = folder.with_suffix('.ipynb')
        path.write_text(json.dumps(notebook), encoding='utf-8')
        process = subprocess.Popen(
            [python_of(stack), str(runner), '--notebook', str(path), '--cwd', str(folder),
             '--exit-file', str(folder.with_suffix('.exit'))], env=environment(),
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.kill)
        return process, folder

    def compared(self, process, folder):
        """What a notebook has left in evaluation.json, its machine line checked beside it."""
        output = process.communicate(timeout=120)[0]
        self.assertEqual(process.returncode, 0, output)
        made = json.loads((folder / 'evaluation.json').read_text())
        told = dict(made)
        del told['answers']
        self.assertEqual(lines_of(output.splitlines(), 'EVALUATION'), [told])
        self.assertRegex(output, r'\ncandidate +%.4f ' % made['candidate']['loss'])
        return made, output

    def test_it_finds_the_figures_and_answers_of_the_training_to_the_last_bit(self):
        before = self.whole(STACKS[0]) / 'artifact'
        candidate = self.follower(STACKS[0])[0] / 'artifact'
        made, output = self.compared(*self.start(
            'colab', STACKS[0], JUPYTER, candidate, CURRENT_DIR=str(before),
            CURRENT_SHA256=sha256_of(before / 'manifest.json')))
        said = json.loads((candidate / 'evaluation.json').read_text())
        about = made.pop('about')
        self.assertEqual(made, said)
        self.assertEqual({len({made[name]['loss'] for name in NAMES}), len(made['answers'])},
                         {3, 8})
        self.assertEqual(about['candidateSha256'], sha256_of(candidate / 'manifest.json'))
        self.assertEqual(about['dataSha256'],
                         hashlib.sha256(sample_data()['validation.jsonl']).hexdigest())
        self.assertIn('prompt 8 of 8', output)

    def test_in_4_bit_from_addresses_it_finds_them_too_and_nearly_so_on_other_versions(self):
        candidate = self.whole(STACKS[0], **IN_4_BIT) / 'artifact'
        handler = partial(Quiet, directory=str(candidate))
        server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        files = json.dumps([
            {'name': path.name, 'bytes': path.stat().st_size, 'sha256': sha256_of(path),
             'url': 'http://127.0.0.1:%d/%s' % (server.server_port, path.name)}
            for path in sorted(candidate.iterdir())])
        said = json.loads((candidate / 'evaluation.json').read_text())
        given = {'CANDIDATE_DIR': '', 'CANDIDATE_FILES': files}
        others = [self.start('kaggle', stack, RUNNER, candidate, **given)
                  for stack in dict.fromkeys((STACKS[0], STACKS[-1]))]
        made, output = self.compared(*others[0])
        self.assertEqual({name: made[name] for name in said}, said)
        self.assertNotRegex(output, r'\ncurrent')
        self.assertEqual(made['about']['quantization'], 'nf4')
        for process, folder in others[1:]:
            made = self.compared(process, folder)[0]
            for name in ('base', 'candidate'):
                self.assertAlmostEqual(made[name]['loss'], said[name]['loss'], delta=1e-5)

    def test_it_refuses_a_machine_without_a_gpu_and_other_data(self):
        candidate = self.whole(STACKS[0]) / 'artifact'
        started = [(self.start(provider, STACKS[0], RUNNER, candidate, **parameters), sentence)
                   for provider, parameters, sentence in (
                       ('kaggle', {'REQUIRE_GPU': True}, 'no GPU was granted'),
                       ('local', {'DATA_SHA256': 'a' * 64}, 'another hash than DATA_SHA256'))]
        for (process, folder), sentence in started:
            process.communicate(timeout=60)
            self.assertEqual(process.returncode, 1)
            self.assertIn(sentence, json.loads(folder.with_suffix('.exit').read_text())['error'])
            self.assertFalse((folder / 'evaluation.json').exists())

    def test_a_time_that_is_too_short_leaves_nothing_half_compared(self):
        folder = self.folder('a')
        job = {'plan': plan(), 'candidate': str(self.whole(STACKS[0]) / 'artifact'),
               'current': None, 'data': 'validation.jsonl', 'rows': 64, 'about': {},
               'result': 'evaluation.json', 'secondsLeft': 1.0, 'sessionSeconds': 1.0}
        status, output = run(STACKS[0], folder, job, program='judge.py')
        self.assertEqual((status, output[-1]),
                         (4, 'its time was over before everything was compared'))
        self.assertFalse(Path(folder, 'evaluation.json').exists())


if __name__ == '__main__':
    unittest.main()
