import contextlib
import io
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import hosted  # noqa: F401
from box import TEMPLATES
from rodizio_serving import gpu, packages

sys.path.insert(0, str(TEMPLATES.parent / 'test' / 'python'))
from test_engine_cells import TORCH, environment  # noqa: E402

IMAGE = {'torch': '2.11.0+cu128', 'transformers': '5.15.0', 'peft': '0.20.0',
         'accelerate': '1.14.0', 'fastapi': '0.141.1', 'uvicorn': '0.52.3'}


class Packages(unittest.TestCase):
    """What the cell `install` does to an image, its pip one that only writes down its orders."""

    def prepare(self, *wanted, provider='kaggle', status=0, **versions):
        image = {name: version for name, version in {**IMAGE, **versions}.items() if version}
        self.calls, said = [], io.StringIO()

        def run(command, **_options):
            self.calls.append(command[5:])
            return subprocess.CompletedProcess(command, status, 'looking\nERROR: no such thing\n')

        with mock.patch.object(packages, 'installed', image.get), \
                mock.patch.object(packages.importlib.util, 'find_spec', image.get), \
                mock.patch.object(packages, 'subprocess', SimpleNamespace(
                    run=run, PIPE=None, STDOUT=None, DEVNULL=None)), \
                contextlib.redirect_stdout(said):
            packages.prepare(provider, *wanted)
        return said.getvalue()

    def test_it_adds_the_one_that_the_images_lack_and_drops_the_one_peft_refuses(self):
        self.assertEqual(self.prepare(), '')
        pin = ['install', '--no-deps', 'bitsandbytes==0.50.2']
        self.assertEqual([call[1:] for call in self.calls], [pin])
        self.prepare(torchao='0.10.0', bitsandbytes='0.50.2')
        self.assertEqual([call[1:] for call in self.calls], [['uninstall', '-y', 'torchao']])
        self.prepare(provider='local', torchao='0.10.0')
        self.assertEqual(self.calls, [])

    def test_what_is_missing_too_old_or_newer_than_tried_is_said(self):
        for versions, sentence in (
                ({'fastapi': None, 'uvicorn': None}, 'lacks fastapi, uvicorn: .* fastapi uvicorn'),
                ({'transformers': '4.57.1'}, r'transformers is 4\.57 here.*5\.0 or newer')):
            with self.assertRaisesRegex(SystemExit, sentence):
                self.prepare(**versions)
        self.assertRegex(self.prepare(transformers='6.1.0'), r'transformers is 6\.1 .*\(5\.23\)')
        with self.assertRaisesRegex(SystemExit, r'peft is 0\.18 here, and a comparison wants 0'):
            self.prepare('a comparison', ('torch', 'peft'), fastapi=None, peft='0.18.0')
        with self.assertRaisesRegex(SystemExit, 'pip could not do install.*no such thing'):
            self.prepare(status=1)

    def test_it_wants_the_same_as_the_engine_that_trains(self):
        source = (TEMPLATES / 'engines' / 'trl' / 'install.py').read_text(encoding='utf-8')
        trl = {}
        exec(source[source.index('PINS ='):source.index('# include')], trl)
        self.assertIn('%s==%s' % packages.PIN, trl['PINS'])
        for name in ('torch', 'transformers', 'peft', 'accelerate'):
            self.assertEqual((packages.OLDEST[name], packages.NEWEST[name]),
                             (trl['OLDEST'][name], trl['NEWEST'][name]))
        probe = (TEMPLATES / 'engines' / 'trl' / 'probe.py').read_text(encoding='utf-8')
        for operation in ("dtype=torch.float16)", '(left @ left).float().sum().item()'):
            self.assertIn(operation, gpu.PROBE)
            self.assertIn(operation, probe)
        self.assertIn('LEAST_CAPABILITY = %r' % (gpu.LEAST_CAPABILITY,), probe)


class Gpu(unittest.TestCase):
    def probe(self, torch, require_gpu=True):
        with tempfile.TemporaryDirectory() as site, environment(
                PYTHONPATH=site, FAKE_GPU=torch), \
                contextlib.redirect_stdout(io.StringIO()) as said:
            (Path(site) / 'torch.py').write_text(TORCH)
            gpu.probe(require_gpu)
        return said.getvalue()

    def test_one_that_computes_is_let_in_and_named(self):
        self.assertIn('Tesla T4', self.probe('Tesla T4|7.5|yes'))

    def test_what_cannot_serve_is_refused_with_a_sentence(self):
        for torch, sentence in (('Tesla P100-PCIE-16GB|6.0|yes', r'P100.*6\.0.*choose a T4'),
                                ('Tesla T4|7.5|no', 'T4 computes nothing: .*no kernel image')):
            for require_gpu in (True, False):
                with self.assertRaisesRegex(SystemExit, sentence):
                    self.probe(torch, require_gpu)
        with self.assertRaisesRegex(SystemExit, 'no GPU was granted.*choose a T4'):
            self.probe('')
        self.assertIn('serving on the CPU', self.probe('', False))


if __name__ == '__main__':
    unittest.main()
