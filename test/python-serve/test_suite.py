import os
import subprocess
import sys
import unittest
from pathlib import Path

from box import KEY, MISSING, Box

SUITE = Path(__file__).with_name('suite.py')


@unittest.skipIf(MISSING, MISSING)
class Suite(unittest.TestCase):
    """The suite of the serving notebook and of the inference box, over no model."""

    def run_suite(self, *arguments, **variables):
        box = Box(type(self), **variables)
        box.start()
        env = dict(os.environ, SUITE_KEY=KEY, SUITE_ENDS='yes')
        command = [sys.executable, str(SUITE), str(box.port), str(box.root / 'versions')]
        return subprocess.run([*command, *arguments], env=env, capture_output=True, text=True,
                              timeout=120)

    def test_a_server_with_an_end_keeps_all_of_it(self):
        ran = self.run_suite(SERVE_SECONDS='300')
        self.assertEqual(ran.returncode, 0, ran.stderr)
        self.assertRegex(ran.stderr, r'Ran 1[0-9] tests')

    def test_a_server_without_an_end_is_told_from_one_with(self):
        ran = self.run_suite('-k', 'seconds')
        self.assertEqual(ran.returncode, 1)
        self.assertIn('test_the_seconds_that_are_left_are_counted_down', ran.stderr)
        self.assertIn('FAILED (errors=1)', ran.stderr)


if __name__ == '__main__':
    unittest.main()
