import contextlib
import importlib.util
import json
import os
import re
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from sample import TEMPLATES

TORCH = '''
import os
__version__ = '2.10.0'
GPUS = [gpu.split('|') for gpu in os.environ['FAKE_GPU'].split(';') if gpu]
float16 = 'float16'
class cuda:
    is_available = staticmethod(lambda: GPUS != [])
    device_count = staticmethod(lambda: len(GPUS))
    get_device_name = staticmethod(lambda index: GPUS[index][0])
    get_device_capability = staticmethod(lambda index: tuple(map(int, GPUS[index][1].split('.'))))
    synchronize = staticmethod(lambda index: None)
class Matrix:
    def __init__(self, device):
        self.index = int(device[len('cuda:'):])
    def __matmul__(self, other):
        if GPUS[self.index][2] != 'yes':
            raise RuntimeError('CUDA error: no kernel image is available for execution')
        return self
    float = sum = lambda self: self
    item = lambda self: 64 * 64 * 64 * 4.0
def full(shape, value, device, dtype):
    return Matrix(device)
'''
PIP = '''
import json, os, sys
with open(os.environ['PIP_CALLS'], 'a') as file:
    file.write(json.dumps(sys.argv[1:]) + '\\n')
if os.environ.get('PIP_FAILS') and 'install' in sys.argv:
    print('ERROR: no such thing')
    sys.exit(1)
'''


class Failure(Exception):
    def __init__(self, failure_class, message, line=None):
        super().__init__(message)
        self.failure_class = failure_class


class Session:
    def __init__(self, quantization='nf4'):
        self.said = []
        self.gpus = 1
        self.order = {'plan': {'quantization': quantization}}
        self.say = self.said.append

    def phase(self, _name):
        return contextlib.nullcontext()


@contextlib.contextmanager
def environment(**values):
    before = dict(os.environ)
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextlib.contextmanager
def hidden(hide):
    """This interpreter as one that lacks a package, whatever it has."""
    find = importlib.util.find_spec
    with mock.patch('importlib.util.find_spec',
                    lambda name: None if name == hide else find(name)):
        yield


def source_of(path):
    """A cell as the generator puts it together."""
    return re.sub(r'^# include: (\S+)$', lambda line: source_of(line.group(1)),
                  (TEMPLATES / path).read_text(encoding='utf-8'), flags=re.M)


class Cells(unittest.TestCase):
    """An engine's cells as they stand, with a torch and a pip that only pretend."""

    engine = 'trl'

    def setUp(self):
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.site = Path(holder.name)
        self.calls = self.site / 'pip.txt'
        self.addCleanup(sys.path.remove, str(self.site))
        sys.path.insert(0, str(self.site))
        self.put('torch', '2.10.0', TORCH)
        (self.site / 'pip').mkdir()
        (self.site / 'pip' / '__init__.py').write_text('')
        (self.site / 'pip' / '__main__.py').write_text(PIP)

    def put(self, name, version, text=''):
        (self.site / (name + '.py')).write_text(text)
        folder = self.site / ('%s-%s.dist-info' % (name, version))
        folder.mkdir()
        (folder / 'METADATA').write_text('Metadata-Version: 2.1\nName: %s\nVersion: %s\n'
                                         % (name, version))

    def run_cell(self, cell, provider='kaggle', session=None, require_gpu=None, **values):
        session = session or Session()
        if require_gpu is None:
            require_gpu = provider != 'local'
        names = {'session': session, 'PROVIDER': provider, 'Failure': Failure,
                 'REQUIRE_GPU': require_gpu}
        source = source_of('engines/%s/%s.py' % (self.engine, cell))
        with environment(PYTHONPATH=str(self.site), PIP_CALLS=str(self.calls), **values):
            exec(compile(source, cell, 'exec'), names)
        return session.said

    def looked_at(self, *gpus, **values):
        """(how many train together, which are shown to the program, what was said)"""
        session = Session()
        names = {'session': session, 'PROVIDER': 'kaggle', 'Failure': Failure,
                 'REQUIRE_GPU': True}
        with environment(PYTHONPATH=str(self.site), FAKE_GPU=';'.join(gpus), **values):
            if not values:
                os.environ.pop('CUDA_VISIBLE_DEVICES', None)
            exec(source_of('engines/%s/probe.py' % self.engine), names)
            return session.gpus, os.environ['CUDA_VISIBLE_DEVICES'], '\n'.join(session.said)

    def pip_calls(self):
        return ([json.loads(line)[3:] for line in self.calls.read_text().splitlines()]
                if self.calls.exists() else [])


class Trl(Cells):
    def test_the_probe_lets_in_a_gpu_that_computes(self):
        for gpu in ('Tesla T4|7.5|yes', 'NVIDIA L4|8.9|yes', 'NVIDIA A100-SXM4-40GB|8.0|yes'):
            with self.subTest(gpu):
                said = self.run_cell('probe', FAKE_GPU=gpu)
                self.assertEqual(json.loads(said[0][4:])['name'], gpu.split('|')[0])

    def test_the_probe_refuses_with_a_sentence_what_cannot_train(self):
        for gpu, kind, sentence in (
                ('Tesla P100-PCIE-16GB|6.0|no', 'dead_gpu', r'P100.*6\.0.*ask for a T4'),
                ('Tesla P100-PCIE-16GB|6.0|yes', 'dead_gpu', r'P100.*6\.0.*ask for a T4'),
                ('Tesla T4|7.5|no', 'dead_gpu', 'T4 computes nothing: .*no kernel image'),
                ('', 'no_gpu', 'no GPU was granted')):
            for provider in ('kaggle', 'colab'):
                with self.subTest(gpu, provider=provider):
                    with self.assertRaisesRegex(Failure, sentence) as caught:
                        self.run_cell('probe', provider, FAKE_GPU=gpu)
                    self.assertEqual(caught.exception.failure_class, kind)

    def test_two_gpus_that_compute_and_are_alike_train_together(self):
        t4 = 'Tesla T4|7.5|yes'
        for gpus, together, shown in (
                ([t4], 1, '0'), ([t4, t4], 2, '0,1'), ([t4, t4, t4], 2, '0,1'),
                ([t4, 'Tesla T4|7.5|no'], 1, '0'), (['Tesla T4|7.5|no', t4], 1, '1'),
                ([t4, 'Tesla P100-PCIE-16GB|6.0|yes'], 1, '0'),
                ([t4, 'NVIDIA L4|8.9|yes'], 1, '0')):
            with self.subTest(gpus):
                counted, visible, said = self.looked_at(*gpus)
                self.assertEqual((counted, visible), (together, shown))
                self.assertEqual('one of 2 GPUs is used' in said, len(gpus) == 2 and together == 1)

    def test_of_the_gpus_that_somebody_has_chosen_those_are_shown_that_are_used(self):
        dead = 'Tesla T4|7.5|no'
        self.assertEqual(self.looked_at(dead, 'Tesla T4|7.5|yes', CUDA_VISIBLE_DEVICES='2,5')[:2],
                         (1, '5'))

    def test_where_none_is_asked_for_it_trains_without_a_gpu_but_not_on_a_dead_one(self):
        for provider in ('local', 'kaggle', 'colab'):
            with self.subTest(provider):
                self.assertIn('no GPU here: training on the CPU',
                              self.run_cell('probe', provider, require_gpu=False, FAKE_GPU=''))
                with self.assertRaises(Failure):
                    self.run_cell('probe', provider, require_gpu=False,
                                  FAKE_GPU='Tesla P100-PCIE-16GB|6.0|no')

    def install(self, provider='colab', session=None, transformers='5.15.0', trl='0.29.0',
                bitsandbytes='0.50.1', **values):
        for name, version in (('transformers', transformers), ('peft', '0.20.0'),
                              ('accelerate', '1.14.0'), ('datasets', '4.0.0'), ('trl', trl),
                              ('bitsandbytes', bitsandbytes)):
            self.put(name, version)
        return self.run_cell('install', provider, session, **values)

    def test_it_adds_its_pins_alone_and_takes_torchao_away_only_where_it_is(self):
        self.install()
        pins = ['install', '--no-deps', 'trl==0.29.1', 'bitsandbytes==0.50.2']
        self.assertEqual(self.pip_calls(), [pins])
        self.put('torchao', '0.10.0')
        self.run_cell('install', 'kaggle')
        self.assertEqual(self.pip_calls(), [pins, ['uninstall', '-y', 'torchao'], pins])

    def test_it_adds_only_the_pin_that_is_not_there(self):
        self.install(trl='0.29.1')
        self.assertEqual(self.pip_calls(), [['install', '--no-deps', 'bitsandbytes==0.50.2']])

    def test_without_pip_it_does_with_what_is_there_and_else_says_what_to_do(self):
        for path in (self.site / 'pip').iterdir():
            path.unlink()
        (self.site / 'pip').rmdir()
        with hidden('pip'):
            self.install(trl='0.29.1', bitsandbytes='0.50.2')
            self.put('torchao', '0.10.0')
            with self.assertRaisesRegex(Failure, 'no pip, and uninstall.*torchao.*ensurepip'):
                self.run_cell('install')

    def test_it_touches_nothing_where_no_gpu_is_asked_for(self):
        self.put('torchao', '0.10.0')
        self.install('local')
        for provider in ('kaggle', 'colab'):
            self.run_cell('install', provider, require_gpu=False)
        self.assertEqual(self.pip_calls(), [])

    def test_it_says_why_when_pip_fails(self):
        with self.assertRaisesRegex(Failure, 'pip could not do install.*no such thing'):
            self.install(PIP_FAILS='1')

    def test_it_names_what_is_too_old_and_says_what_is_newer_than_tried(self):
        with self.assertRaisesRegex(Failure, r'transformers is 4\.57 here.*5\.0 or newer'):
            self.install(transformers='4.57.1')

    def test_it_goes_on_with_what_is_newer_than_tried_and_says_so(self):
        self.assertRegex('\n'.join(self.install(transformers='6.1.0')), r'transformers is 6\.1')

    def test_it_names_what_is_missing_and_wants_4_bit_only_for_a_plan_in_4_bit(self):
        for name in ('transformers', 'peft', 'accelerate', 'datasets', 'trl'):
            self.put(name, {'transformers': '5.0.0', 'peft': '0.19.1', 'accelerate': '1.13.0',
                            'datasets': '4.0.0', 'trl': '0.29.1'}[name])
        with self.assertRaisesRegex(Failure, 'lacks bitsandbytes: prepare it'):
            self.run_cell('install', 'local')
        self.run_cell('install', 'local', Session('none'))


class Unsloth(Cells):
    engine = 'unsloth'

    libraries = (('transformers', '5.15.0'), ('peft', '0.20.0'), ('datasets', '4.0.0'))
    pinned = (('unsloth', '2026.9.14'), ('unsloth_zoo', '2026.9.9'), ('transformers', '4.56.2'),
              ('trl', '0.22.2'), ('datasets', '4.3.0'), ('torchao', '0.16.0'),
              ('bitsandbytes', '0.50.2'), ('xformers', '0.0.35'))

    def put_all(self, packages):
        for name, version in packages:
            self.put(name, version)

    def test_it_asks_for_its_pins_once_holds_torch_and_says_what_becomes_of_the_image(self):
        self.put_all(self.libraries)
        said = '\n'.join(self.run_cell('install', 'kaggle'))
        [call] = self.pip_calls()
        self.assertEqual(call[:2], ['install', 'torch==2.10.0'])
        self.assertEqual(call[2:], ['%s==%s' % pin for pin in self.pinned])
        self.assertIn('changes this image: transformers 5.15.0 becomes 4.56.2', said)
        self.assertIn('datasets 4.0.0 becomes 4.3.0', said)
        self.assertNotIn('peft', said)

    def test_it_asks_for_nothing_where_all_is_there_or_no_gpu_is_wanted(self):
        for provider in ('local', 'kaggle', 'colab'):
            self.run_cell('install', provider, require_gpu=False)
        self.put_all(self.pinned)
        self.assertEqual(self.run_cell('install', 'colab'), [])
        self.assertEqual(self.pip_calls(), [])

    def test_no_session_without_a_gpu_is_let_in_wherever_it_is(self):
        self.put_all(self.pinned)
        for provider in ('local', 'kaggle', 'colab'):
            with self.subTest(provider), self.assertRaisesRegex(Failure, 'no GPU') as caught:
                self.run_cell('probe', provider, require_gpu=False, FAKE_GPU='')
            self.assertEqual(caught.exception.failure_class, 'no_gpu')
        (self.site / 'torch.py').unlink()
        with hidden('torch'), self.assertRaisesRegex(Failure, 'not even a torch') as caught:
            self.run_cell('probe', 'local')
        self.assertEqual(caught.exception.failure_class, 'no_gpu')

    def test_a_gpu_that_computes_is_let_in_alone_and_what_lacks_is_named(self):
        self.put_all(self.pinned)
        gpu = 'Tesla T4|7.5|yes'
        with self.assertRaisesRegex(Failure, 'lacks peft: prepare it'):
            with hidden('peft'):
                self.run_cell('probe', FAKE_GPU=gpu)
        self.put('peft', '0.20.0')
        self.assertEqual(self.looked_at(gpu, gpu)[0], 1)
        with self.assertRaisesRegex(Failure, 'ask for a T4'):
            self.run_cell('probe', FAKE_GPU='Tesla P100-PCIE-16GB|6.0|no')


if __name__ == '__main__':
    unittest.main()
