"""The orders to a training program, when a signal comes while it looks for them."""
import json
import os
import signal
import sys
import tempfile
import unittest
from pathlib import Path

from sample import TEMPLATES

sys.path.insert(0, str(TEMPLATES / 'engines'))
import harness  # noqa: E402


class Interrupted:
    """The place of an order, where a signal comes in the middle of the look."""

    def exists(self):
        os.kill(os.getpid(), signal.SIGTERM)
        return False


class Orders(unittest.TestCase):
    def setUp(self):
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.path = Path(holder.name) / 'control.json'
        for name in (signal.SIGTERM, signal.SIGINT):
            self.addCleanup(signal.signal, name, signal.getsignal(name))
        self.control = harness.Control({'control': str(self.path), 'sessionSeconds': 60.0,
                                        'secondsLeft': 60.0})

    def test_a_signal_in_the_middle_of_a_look_is_not_lost(self):
        self.control.stop_order = Interrupted()
        self.control.poll()
        self.assertTrue(self.control.stop)

    def test_nor_is_one_before_orders_that_say_nothing_of_it(self):
        os.kill(os.getpid(), signal.SIGTERM)
        self.path.write_text(json.dumps({'stop': False, 'checkpointNow': 1}), encoding='utf-8')
        self.control.poll()
        self.assertEqual((self.control.stop, self.control.checkpoint_now), (True, 1))

    def test_an_order_to_stop_stands_whatever_comes_after_it(self):
        self.assertFalse(self.control.stop)
        for stop in (True, False):
            self.path.write_text(json.dumps({'stop': stop, 'n': str(stop)}), encoding='utf-8')
            self.control.poll()
        self.assertTrue(self.control.stop)


if __name__ == '__main__':
    unittest.main()
