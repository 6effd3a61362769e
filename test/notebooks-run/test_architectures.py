import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

from training import MISSING, STACKS, environment, python_of, tiny_model


@unittest.skipUnless(STACKS, MISSING)
class Architectures(unittest.TestCase):
    def test_bases_of_every_architecture_are_trained_and_served_in_their_own_format(self):
        folder = tempfile.mkdtemp(prefix='architectures-')
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        ran = subprocess.run(
            [python_of(STACKS[0]), str(Path(__file__).with_name('architectures.py')), tiny_model(),
             folder], env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, timeout=300)
        self.assertEqual(ran.returncode, 0, ran.stdout)
        self.assertRegex(ran.stdout, 'Ran 12 tests')


if __name__ == '__main__':
    unittest.main()
