import os
import signal
import sys
import time
import unittest

from box import KEY, MISSING, alive
from relayed_policy import LACK, RelayedPolicy


@unittest.skipIf(MISSING, MISSING)
@unittest.skipIf(LACK, LACK)
@unittest.skipUnless(sys.platform == 'linux', 'looks at /proc')
class NodeOutageTest(unittest.TestCase):
    """A policy's node goes down, twice, and what the service does about it. In order."""

    @classmethod
    def setUpClass(cls):
        cls.world = RelayedPolicy(RODIZIO_SETTLE_SECONDS='5')
        cls.addClassCleanup(cls.world.close)
        cls.session = cls.world.ready(1)

    def node(self):
        return self.world.ask('nodes', 'show', 'nights')

    def incident(self, index=0):
        found = self.world.ask('incidents', '--node', 'nights')['items']
        if len(found) <= index:
            return None
        return self.world.ask('incidents', 'show', found[index]['id'])

    def words(self, incident):
        return [step['words'] for step in incident['steps']]

    def kinds(self):
        return [alert['kind'] for alert in self.world.ask('alerts', 'list')['items']
                if alert['about'] == 'nights']

    def up(self, seconds):
        return self.world.until(
            lambda: (self.node() or {'state': None})['state'] == 'up' and self.node(), seconds)

    def test_1_it_is_looked_at_through_the_relay(self):
        node = self.up(30)
        self.assertEqual((node['kind'], node['reach'], node['url']), ('session', 'relay', None))
        self.assertEqual(node['session'], self.session['id'])
        self.assertEqual(node['model'], 'rodizio')
        probed = self.world.ask('nodes', 'probe', 'nights')
        self.assertTrue(probed['isUp'], probed)
        self.assertNotIn(KEY, self.world.told())

    def test_2_a_server_that_hangs_is_started_again_in_its_session(self):
        pid, _port = self.world.server()
        os.kill(pid, signal.SIGSTOP)
        began = time.monotonic()
        self.world.until(lambda: self.incident(), 120)
        known = time.monotonic() - began
        self.world.until(lambda: not alive(pid), 60)
        self.up(120)
        print('a server that hangs: known after %.1f s, up again after %.1f s'
              % (known, time.monotonic() - began))
        incident = self.incident()
        self.assertEqual(incident['consequence'], 'restart')
        self.assertIn('its server was ordered to start again', self.words(incident))
        self.assertIsNone(incident['replacedAt'])
        self.assertIsNotNone(incident['closedAt'])
        self.assertNotEqual(self.world.server()[0], pid)
        self.assertEqual([s['generation'] for s in self.world.policy()['recent']], [1])
        self.world.until(lambda: 'node-recovered' in self.kinds(), 30)
        self.assertEqual(sorted(self.kinds()), ['node-down', 'node-recovered'])

    def test_3_a_kernel_that_dies_is_replaced(self):
        time.sleep(6)  # settled: what comes now is another incident
        pid, _port = self.world.server()
        os.kill(self.parent(pid), signal.SIGKILL)
        os.kill(pid, signal.SIGKILL)
        second = self.world.ready(2)
        self.assertNotEqual(second['id'], self.session['id'])
        # The fourth change within half an hour: it is up, and no longer taken to be steady.
        node = self.world.until(
            lambda: self.node()['state'] == 'unstable' and self.node(), 120)
        self.assertEqual(node['session'], second['id'])
        self.assertEqual(node['probes'][0]['found'], 'up')
        unstable, gone = self.incident(0), self.incident(1)
        self.assertEqual((unstable['kind'], gone['kind']), ('unstable', 'down'))
        self.assertIn('down: its session has ended', ' '.join(self.words(gone)))
        self.assertIsNotNone(gone['closedAt'])

    def parent(self, pid):
        with open('/proc/%d/stat' % pid, encoding='ascii') as file:
            return int(file.read().rpartition(')')[2].split()[1])


if __name__ == '__main__':
    unittest.main()
