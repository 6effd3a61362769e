import unittest

from served import tried_generator
from training import MISSING, STACKS


@unittest.skipUnless(STACKS, MISSING)
class Serving(unittest.TestCase):
    def test_the_servers_generator_keeps_its_promises_on_every_stack(self):
        for stack in STACKS:
            with self.subTest(stack):
                ran, _adapters = tried_generator(stack)
                self.assertEqual(ran.returncode, 0, ran.stdout)
                self.assertRegex(ran.stdout, r'Ran [6-9] tests')


if __name__ == '__main__':
    unittest.main()
