import re
import subprocess
import tempfile
import unittest
from pathlib import Path

from training import MISSING, ROOT, STACKS, environment, python_of

UV = ROOT / '.venvs' / 'uv' / 'bin' / 'uv'
IMAGES = {'colab': '3.13', 'kaggle': '3.12'}  # the Python of each image
NO_UV = 'uv is not there: `npm run setup:notebooks` brings it'
UNREACHABLE = re.compile(
    r'(?i)error sending request|failed to fetch|dns error|connection|timed out|tunnel')
NO_INDEX = 'the package index cannot be reached from here: %s'
# What a check of an environment may find, by the reason for which it is left so.
ACCEPTED = {
    'torch for the CPU does without what only a GPU needs, where setup:notebooks has found none':
        re.compile(r'^torch \S+ requires (?:nvidia|cuda|triton)[\w-]*, which is not installed'),
}


def pins_in(path):
    """The list PINS of a cell that installs."""
    return re.findall(r"'([\w-]+==[\d.]+)'",
                      re.search(r'^PINS = \[(.*?)\]', (ROOT / path).read_text(encoding='utf-8'),
                                re.S | re.M).group(1))


def serving_pin():
    """What serving and comparing add to an image."""
    found = re.search(r"^PIN = \('([\w-]+)', '([\d.]+)'\)",
                      (ROOT / 'templates/serving/packages.py').read_text(encoding='utf-8'), re.M)
    return '%s==%s' % found.groups()


def image_of(stack):
    """What the image has itself: a stack's list without what the notebook adds to it."""
    lines = (Path(__file__).parent / 'stacks' / (stack + '.in')).read_text(encoding='utf-8')
    return [line for line in lines.splitlines()
            if '==' in line and line.partition('==')[0] not in ('trl', 'bitsandbytes')]


def resolve(requirements, python, *flags):
    """The versions that the index has for them together, by name: (versions, '') or (None, why)."""
    with tempfile.NamedTemporaryFile('w', suffix='.in') as wanted:
        wanted.write('\n'.join(requirements) + '\n')
        wanted.flush()
        ran = subprocess.run(
            [str(UV), 'pip', 'compile', '--quiet', '--no-header', '--no-annotate',
             '--python-version', python, '--python-platform', 'x86_64-manylinux_2_35',
             '--only-binary', ':all:', *flags, wanted.name],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True,
            timeout=180)
    if ran.returncode != 0:
        return None, ran.stderr
    return dict(line.split('==') for line in ran.stdout.split() if '==' in line), ''


@unittest.skipUnless(UV.exists(), NO_UV)
class Pins(unittest.TestCase):
    """What the install cells add to an image, asked of the package index. Nothing is installed."""

    def resolved(self, requirements, python, *flags):
        versions, why = resolve(requirements, python, *flags)
        if versions is None and UNREACHABLE.search(why):
            self.skipTest(NO_INDEX % why.strip().splitlines()[-1])
        return versions, why

    def assert_goes_with(self, stack, pins):
        wanted = image_of(stack) + pins
        versions, why = self.resolved(wanted, IMAGES[stack])
        self.assertIsNotNone(versions, why)
        for pin in wanted:
            name, _, version = pin.partition('==')
            self.assertEqual(versions.get(name), version)

    def test_what_the_engine_trl_and_serving_add_goes_with_each_image_as_it_is(self):
        for stack in IMAGES:
            for what, pins in (('trl', pins_in('templates/engines/trl/install.py')),
                               ('serving', [serving_pin()])):
                with self.subTest(stack, what=what):
                    self.assert_goes_with(stack, pins)

    def test_a_pin_that_does_not_go_with_an_image_is_found_out(self):
        versions, why = self.resolved(image_of('kaggle') + ['trl==1.16.0'], IMAGES['kaggle'])
        self.assertIsNone(versions)
        self.assertIn('datasets', why)

    def test_what_the_engine_unsloth_adds_goes_together_and_with_each_images_torch(self):
        pins = pins_in('templates/engines/unsloth/install.py')
        self.assertGreater(len(pins), 5)
        for stack, python in IMAGES.items():
            torch = [line for line in image_of(stack) if line.startswith('torch==')]
            with self.subTest(stack):
                versions, why = self.resolved(torch + pins, python)
                self.assertIsNotNone(versions, why)

    def test_the_stacks_have_the_very_pins_of_the_install_cells(self):
        pins = pins_in('templates/engines/trl/install.py')
        self.assertIn(serving_pin(), pins)
        for stack in ('colab', 'kaggle', 'newest'):
            lock = (Path(__file__).parent / 'stacks' / (stack + '.txt')).read_text().splitlines()
            for pin in pins:
                self.assertIn(pin, lock)


@unittest.skipUnless(STACKS, MISSING)
class Environments(unittest.TestCase):
    def test_what_is_installed_goes_together_but_for_what_is_known(self):
        for stack in STACKS:
            with self.subTest(stack):
                ran = subprocess.run(
                    [python_of(stack), '-m', 'pip', '--disable-pip-version-check', 'check'],
                    env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
                found = [line for line in ran.stdout.splitlines()
                         if line != 'No broken requirements found.'
                         and not any(known.match(line) for known in ACCEPTED.values())]
                self.assertEqual(found, [])


if __name__ == '__main__':
    unittest.main()
