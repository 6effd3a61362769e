import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

from training import MISSING, STACKS, environment, python_of, tiny_model


@unittest.skipUnless(STACKS, MISSING)
class Parts(unittest.TestCase):
    def test_the_parts_of_the_engine_keep_their_promises_on_every_stack(self):
        for stack in STACKS:
            folder = tempfile.mkdtemp(prefix='parts-')
            self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
            with self.subTest(stack):
                ran = subprocess.run(
                    [python_of(stack), str(Path(__file__).with_name('parts.py')), tiny_model(),
                     folder], env=environment(), stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT, text=True, timeout=240)
                self.assertEqual(ran.returncode, 0, ran.stdout)
                self.assertRegex(ran.stdout, r'Ran 2[0-9] tests')


if __name__ == '__main__':
    unittest.main()
