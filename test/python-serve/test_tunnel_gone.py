import os
import signal
import sys
import time
import unittest
import urllib.error
import urllib.request

from box import KEY, MISSING, alive
from relayed_policy import LACK
from tunnelled_policy import TunnelledPolicy

QUESTION = [{'role': 'user', 'content': 'Qual é a maré?'}]


@unittest.skipIf(MISSING, MISSING)
@unittest.skipIf(LACK, LACK)
@unittest.skipUnless(sys.platform == 'linux', 'looks at /proc')
class TunnelGoneTest(unittest.TestCase):
    """A policy is reached through tunnels, and loses them, one way after the other. In order."""

    @classmethod
    def setUpClass(cls):
        import openai
        cls.openai = openai
        cls.world = TunnelledPolicy(RODIZIO_SETTLE_SECONDS='5')
        cls.addClassCleanup(cls.world.close)
        cls.session = cls.world.ready(1)

    def node(self):
        return self.world.ask('nodes', 'show', 'nights')

    def up(self, seconds, session):
        """The node, once it is up in that session."""
        def found():
            node = self.node()
            good = node and node['session'] == session['id'] and node['cause'] is None
            return node if good and node['state'] in ('up', 'unstable') else None
        return self.world.until(found, seconds)

    def incidents(self):
        listed = self.world.ask('incidents', '--node', 'nights')['items']
        return [self.world.ask('incidents', 'show', one['id']) for one in listed]

    def of(self, generation):
        return next(session for session in self.world.policy()['recent']
                    if session['generation'] == generation)

    def answer(self, address, key=KEY):
        """What the model says to who comes by that address."""
        with self.openai.OpenAI(base_url=address + '/v1', api_key=key, max_retries=0) as client:
            return client.chat.completions.create(
                model='rodizio', messages=QUESTION, temperature=0).choices[0].message.content

    def refusal(self, address):
        """Status and text that the edge itself answers with."""
        with self.assertRaises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(address + '/health', timeout=10)
        with caught.exception as error:
            return error.code, error.read().decode()

    def tunnel(self, session):
        """The name of its tunnel at the edge."""
        return session['node']['url'].rpartition('/')[2]

    def test_1_it_is_reached_and_looked_at_through_its_tunnel(self):
        said = self.session['node']
        self.assertEqual((said['reach'], said['tunnel']), ('url', 'up'))
        self.assertEqual(self.session['provider'], 'kaggle')
        self.assertTrue(said['url'].startswith(self.world.edge + '/quick-'), said)
        node = self.up(30, self.session)
        self.assertEqual((node['kind'], node['reach']), ('session', 'url'))
        self.assertEqual(node['url'], said['url'] + '/health')
        self.assertEqual(node['model'], 'rodizio')
        self.assertEqual((node['heard']['isReady'], node['heard']['tunnel']), (True, 'up'))
        self.assertIsNone(node['heard']['badBeatAt'])
        probed = self.world.ask('nodes', 'probe', 'nights')
        self.assertTrue(probed['isUp'], probed)
        looks = [request for request in self.world.order('requests')['items']
                 if request['target'] == self.tunnel(self.session) + ' /health'
                 and request['headers'].get('user-agent') == 'rodizio-probe/1']
        self.assertGreaterEqual(len(looks), 2)
        self.assertEqual(len(self.answer(said['url']).split()), 12)
        with self.assertRaises(self.openai.AuthenticationError):
            self.answer(said['url'], 'another key')
        self.assertIn('cloudflared, emulated: its tunnels lead to', self.world.printed())
        self.assertNotIn(KEY, self.world.told() + self.world.printed())

    def test_2_an_agent_that_dies_is_another_address_of_the_same_session(self):
        before = self.world.ready(1)
        [agent] = self.world.agents()
        os.kill(agent, signal.SIGKILL)
        began = time.monotonic()
        self.world.until(lambda: self.of(1)['badBeatAt'], 20)
        after = self.world.until(
            lambda: (self.of(1)['node'] or before['node'])['url'] != before['node']['url']
            and self.of(1), 30)
        print('an agent that dies: another address after %.1f s' % (time.monotonic() - began))
        self.assertEqual((after['id'], after['state']), (before['id'], 'running'))
        self.assertEqual(self.refusal(before['node']['url']), (530, 'error code: 1033'))
        self.assertEqual(len(self.answer(after['node']['url']).split()), 12)
        node = self.world.until(
            lambda: self.node()['url'] == after['node']['url'] + '/health' and self.node(), 10)
        self.assertEqual((node['name'], node['session']), ('nights', before['id']))
        self.assertEqual(self.incidents(), [])

    def test_3_a_tunnel_that_is_gone_is_replaced_at_once_on_the_other_account(self):
        # Nothing but a look can know of it: a short interval stands for the usual five minutes.
        self.assertIsNotNone(self.world.ask('nodes', 'change', 'nights', '--every', '10s'))
        first, node = self.of(1), self.node()
        pid, _port = self.world.server()
        self.world.order('condition', name=self.tunnel(first), condition='gone')
        began = time.monotonic()
        self.assertEqual(self.refusal(first['node']['url']), (530, 'error code: 1033'))
        [incident] = self.world.until(self.incidents, 60)
        known = time.monotonic() - began
        self.assertEqual(incident['cause']['kind'], 'tunnel-gone', incident)
        self.assertIn('Cloudflare 1033', incident['cause']['words'])
        second = self.world.ready(2)
        replaced = time.monotonic() - began
        self.assertEqual({first['account'], second['account']}, {'ana', 'bia'})
        self.assertNotEqual(second['node']['url'], first['node']['url'])
        self.assertEqual(len(self.answer(second['node']['url']).split()), 12)
        again = self.up(90, second)
        print('a tunnel that is gone: known after %.1f s, the replacement answers after %.1f s, '
              'up again after %.1f s' % (known, replaced, time.monotonic() - began))
        self.assertLess(replaced - known, 30)
        self.assertEqual((again['id'], again['name']), (node['id'], 'nights'))
        self.assertEqual(again['url'], second['node']['url'] + '/health')
        self.world.until(lambda: not alive(pid), 20)
        left = self.world.until(lambda: self.of(1)['endedAt'] and self.of(1), 20)
        self.assertEqual(left['outcome'], 'lost')
        [incident] = self.world.until(
            lambda: all(one['closedAt'] for one in self.incidents()) and self.incidents(), 30)
        self.assertEqual(incident['consequence'], 'replace')
        self.assertIsNotNone(incident['replacedAt'])
        self.assertIsNone(incident['restartAt'])

    def test_4_an_agent_that_the_edge_sends_away_is_known_by_the_next_heartbeat(self):
        # The heartbeat says it: what is usual between two looks is long.
        self.assertIsNotNone(self.world.ask('nodes', 'change', 'nights', '--every', '300s'))
        second = self.world.ready(2)
        self.world.order('cut', name=self.tunnel(second))
        began = time.monotonic()
        heard = self.world.until(
            lambda: self.node()['heard']['tunnel'] == 'down' and self.node()['heard'], 15)
        self.assertIsNotNone(heard['badBeatAt'])
        [found, _first] = self.world.until(
            lambda: len(self.incidents()) == 2 and self.incidents(), 60)
        known = time.monotonic() - began
        third = self.world.ready(3)
        print('an agent that is sent away: known after %.1f s, the replacement answers after '
              '%.1f s' % (known, time.monotonic() - began))
        self.assertLess(known, 60)
        self.assertEqual(found['cause']['kind'], 'tunnel-gone')
        self.assertNotEqual(third['account'], second['account'])
        self.assertEqual(len(self.answer(third['node']['url']).split()), 12)

    def test_5_people_are_told_of_the_first_twice_in_one_thread(self):
        def told():
            alerts = [alert for alert in self.world.ask('alerts', 'list')['items']
                      if alert['about'] == 'nights'][::-1]  # the oldest first
            of_it = [alert for alert in alerts if alert['thread'] == alerts[0]['thread']]
            ids = [one['messageId'] for alert in of_it for one in alert['deliveries']]
            mails = {mail['messageId']: mail
                     for mail in self.world.ask('alerts', 'inbox')['items']}
            sent = len(of_it) == len(ids) and all(one in mails for one in ids)
            return (of_it, [mails[one] for one in ids]) if sent and len(ids) > 1 else None
        alerts, (down, recovered) = self.world.until(told, 60)
        self.assertEqual([alert['kind'] for alert in alerts], ['node-down', 'node-recovered'])
        self.assertEqual((down['inReplyTo'], recovered['inReplyTo']), (None, down['messageId']))
        self.assertTrue(down['subject'].startswith('nights'), down['subject'])
        self.assertIn('its tunnel is gone', down['text'])


if __name__ == '__main__':
    unittest.main()
