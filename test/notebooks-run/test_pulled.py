import hashlib
import json
import os
import shutil
import subprocess
import tempfile
import threading
import time
import unittest
from pathlib import Path

from notebook_server import KEY, RUNNER, Client, NotebookServer, free_port, sha256_of
from served import lack_of, tried_generator
from training import MISSING, ROOT, STACKS, environment, python_of, tiny_model

PROGRAM = [str(ROOT / 'node_modules' / '.bin' / 'node'), str(ROOT / 'dist' / 'rodizio.js')]
# What a person does with a pulled folder.
LOAD = """import sys
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM
base = AutoModelForCausalLM.from_pretrained(sys.argv[1])
before = base(torch.tensor([[1, 2, 3]])).logits
model = PeftModel.from_pretrained(base, sys.argv[2]).eval()
print(float((model(torch.tensor([[1, 2, 3]])).logits - before).abs().max()))
"""
# The kind, the architecture and the number of tensors of a GGUF file, by llama.cpp's own reader.
READ = """import sys
sys.path.insert(0, sys.argv[1])
from gguf import GGUFReader
reader = GGUFReader(sys.argv[2])
text = lambda name: bytes(reader.fields[name].parts[-1]).decode()
print(text('general.type'), text('general.architecture'), len(reader.tensors))
"""
LLAMA_CPP = os.environ.get('RODIZIO_TEST_LLAMA_CPP')


def publish(source, to, **plan):
    """A session's adapter as it stands published: its files, and the manifest of its commit."""
    shutil.copytree(str(source), str(to))
    manifest = json.loads((to / 'manifest.json').read_text())
    manifest.update(format=1, session='ses_1', targetSteps=1, epoch=1, label='candidate', env={},
                    metrics={}, plan=dict(manifest['plan'], **plan), files=[
                        {'name': path.name, 'bytes': path.stat().st_size,
                         'sha256': hashlib.sha256(path.read_bytes()).hexdigest()}
                        for path in sorted(to.iterdir()) if path.name != 'manifest.json'])
    (to / 'manifest.json').write_text(json.dumps(manifest) + '\n')


@unittest.skipUnless(STACKS, MISSING)
class Pulled(NotebookServer):
    """What `rodizio pull` brings, loaded by peft and served by the notebook."""

    @classmethod
    def setUpClass(cls):
        cls.stack_name = STACKS[0]
        if lack_of(cls.stack_name):
            raise unittest.SkipTest(lack_of(cls.stack_name))
        cls.place = Path(tempfile.mkdtemp(prefix='pulled-'))
        cls.addClassCleanup(shutil.rmtree, str(cls.place), ignore_errors=True)
        made = tried_generator(cls.stack_name)[1]
        models = cls.place / 'models' / 'ana'
        publish(made / 'v1', models / 'one')
        publish(made / 'v2', models / 'two')
        publish(made / 'v2', models / 'foreign', base='other')
        command = PROGRAM + ['emulators', '--json', '--state', str(cls.place / 'state'),
                             '--hub-models', str(cls.place / 'models')]
        hub = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=cls.env())
        cls.addClassCleanup(hub.wait, 20)
        cls.addClassCleanup(hub.terminate)
        cls.addClassCleanup(hub.stdout.close)
        cls.hub = json.loads(hub.stdout.readline())['hub']

    @classmethod
    def env(cls, **more):
        return {'PATH': os.environ['PATH'], 'HOME': str(cls.place), **more}

    def pull(self, name, to, *more, **settings):
        env = self.env(RODIZIO_HUB_URL=self.hub, HF_TOKEN='hf_ana', **settings)
        return subprocess.run(
            PROGRAM + ['pull', '--to', str(to), '--from', 'hub:ana/' + name, *more], env=env,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)

    def test_peft_loads_the_pulled_folder(self):
        to = self.root / 'box'
        pulled = self.pull('one', to)
        self.assertEqual(pulled.returncode, 0, pulled.stdout)
        for stack in STACKS:
            with self.subTest(stack):
                ran = subprocess.run(
                    [python_of(stack), '-c', LOAD, tiny_model(), str(to / 'current')],
                    env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                    text=True, timeout=120)
                self.assertEqual(ran.returncode, 0, ran.stdout)
                # Its weights are in: what the base says has changed.
                self.assertGreater(float(ran.stdout.strip().splitlines()[-1]), 0.01)

    @unittest.skipUnless(LLAMA_CPP, 'RODIZIO_TEST_LLAMA_CPP names no copy of llama.cpp')
    def test_llama_cpp_converts_what_is_pulled(self):
        to = self.root / 'box'
        python = self.root / 'python'  # its own environment, which a pull does not hand on
        python.write_text('#!/bin/sh\nexec %s "$@"\n' % python_of(self.stack_name))
        python.chmod(0o755)
        pulled = self.pull('one', to, '--format', 'gguf', '--llama-cpp', LLAMA_CPP,
                           '--base-folder', tiny_model(), RODIZIO_PYTHON=str(python))
        self.assertEqual(pulled.returncode, 0, pulled.stdout)
        ran = subprocess.run(
            [python_of(self.stack_name), '-c', READ, LLAMA_CPP + '/gguf-py',
             str(to / 'current' / 'gguf' / 'adapter.gguf')],
            env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.assertEqual(ran.returncode, 0, ran.stdout)
        kind, architecture, tensors = ran.stdout.split()[-3:]
        self.assertEqual((kind, architecture), ('adapter', 'llama'))
        config = json.loads((Path(tiny_model()) / 'config.json').read_text())
        self.assertEqual(int(tensors), 2 * 7 * config['num_hidden_layers'])

    def test_the_serving_notebook_takes_what_is_pulled_and_drops_no_request(self):
        to, key, port = self.root / 'box', self.root / 'key', free_port()
        key.write_text(KEY + '\n')
        first = self.pull('one', to)
        self.assertEqual(first.returncode, 0, first.stdout)
        notebook = self.start_on(to, port)
        client = self.client_of(notebook, port)
        one = sha256_of(to / 'current')
        answers, failures, over = [], [], threading.Event()

        def keep_asking():
            while not over.is_set():
                try:
                    status, _headers, answer = client.ask('Qual é a maré?', max_tokens=5,
                                                          temperature=0)
                    answers.append((status, answer.get('system_fingerprint')))
                except (OSError, ValueError) as error:
                    failures.append(repr(error))

        asking = [threading.Thread(target=keep_asking) for _each in range(3)]
        for thread in asking:
            thread.start()
        told = ['--server', 'http://127.0.0.1:%d' % port, '--server-key-file', str(key)]
        try:
            self.wait_for_answers(answers, 5)
            second = self.pull('two', to, *told)
            self.assertEqual(second.returncode, 0, second.stdout)
            self.wait_for_answers(answers, len(answers) + 5)
            # One of another base is refused by the server: the version before serves on.
            refused = self.pull('foreign', to, *told)
            self.assertNotEqual(refused.returncode, 0)
            self.assertIn('serves again', refused.stdout)
            self.wait_for_answers(answers, len(answers) + 5)
        finally:
            over.set()
            for thread in asking:
                thread.join()
        two = sha256_of(to / 'current')
        self.assertEqual(failures, [])
        self.assertEqual({status for status, _print in answers}, {200})
        self.assertEqual({given for _status, given in answers}, {one[:16], two[:16]})
        self.assertEqual([answers[0][1], answers[-1][1]], [one[:16], two[:16]])
        self.assertEqual(client.health()['adapter']['sha256'], two)

    def start_on(self, to, port):
        self.adapters = tried_generator(self.stack_name)[1]
        return self.start('kaggle', self.stack_name, RUNNER, ADAPTER_DIR=str(to / 'current'),
                          ADAPTER_SHA256=sha256_of(to / 'current'), PORT=port, SECONDS=300)

    def client_of(self, notebook, port):
        self.wait_ready(notebook, port, self.log)
        return Client(port, KEY)

    def wait_for_answers(self, answers, count):
        until = time.monotonic() + 60
        while len(answers) < count and time.monotonic() < until:
            time.sleep(0.05)
        self.assertGreaterEqual(len(answers), count)


if __name__ == '__main__':
    unittest.main()
