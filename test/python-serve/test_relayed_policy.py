import http.client
import json
import os
import signal
import statistics
import subprocess
import sys
import time
import unittest

from box import KEY, MISSING, alive
from relayed_policy import LACK, NODE, RelayedPolicy

QUESTION = [{'role': 'user', 'content': 'Qual é a maré?'}]
SLOW = [{'role': 'user', 'content': 'slow endless'}]
# As a page or a program in JavaScript would, without any library.
FETCH = """
const [url, key] = process.argv.slice(1)
const response = await fetch(url + '/chat/completions', {
  method: 'POST',
  headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
  body: JSON.stringify({ model: 'rodizio', stream: true, temperature: 0,
    messages: [{ role: 'user', content: 'slow' }] }),
})
const pieces = []
for await (const piece of response.body.pipeThrough(new TextDecoderStream())) pieces.push(piece)
console.log(JSON.stringify({ status: response.status, pieces }))
"""


@unittest.skipIf(MISSING, MISSING)
@unittest.skipIf(LACK, LACK)
@unittest.skipUnless(sys.platform == 'linux', 'looks at /proc')
class RelayedPolicyTest(unittest.TestCase):
    """A policy's session at the emulated Kaggle, reached through the service alone. In order: what
    ends a node comes last."""

    @classmethod
    def setUpClass(cls):
        import openai
        cls.openai = openai
        cls.world = RelayedPolicy()
        cls.addClassCleanup(cls.world.close)
        cls.address = cls.world.url + '/v1/nodes/nights/openai/v1'
        cls.session = cls.world.ready(1)
        cls.client = openai.OpenAI(base_url=cls.address, api_key=KEY, max_retries=0)
        cls.addClassCleanup(cls.client.close)

    def ask(self, messages=QUESTION, client=None, **more):
        return (client or self.client).chat.completions.create(
            model='rodizio', messages=messages, **{'temperature': 0, **more})

    def raw(self, port, path, body=None, timeout=20):
        """A connection on which a request was sent, and its answer."""
        connection = http.client.HTTPConnection('127.0.0.1', port, timeout=timeout)
        self.addCleanup(connection.close)
        connection.request('GET' if body is None else 'POST', path,
                           body and json.dumps(body),
                           {'authorization': 'Bearer ' + KEY, 'content-type': 'application/json'})
        return connection, connection.getresponse()

    def stream(self, **more):
        body = {'model': 'rodizio', 'messages': SLOW, 'stream': True, 'max_tokens': 100, **more}
        return self.raw(self.world.port, '/v1/nodes/nights/openai/v1/chat/completions', body)

    def queue(self):
        _connection, answer = self.raw(self.world.port, '/v1/nodes/nights/health')
        return json.loads(answer.read())['queue']

    def test_1_it_is_known_by_an_address_of_the_service(self):
        node = self.session['node']
        self.assertEqual((node['reach'], node['url']), ('relay', self.address))
        self.assertEqual(self.world.policy()['address'], self.address)
        self.assertEqual(self.session['provider'], 'kaggle')
        self.assertIn('answers, through this service', self.world.told())
        self.assertNotIn(KEY, self.world.told())

    def test_2_the_official_client_is_answered_whole_and_in_pieces(self):
        whole = self.ask().choices[0].message.content
        self.assertEqual(len(whole.split()), 12)
        chunks = list(self.ask(stream=True))
        pieces = [choice.delta.content or '' for chunk in chunks for choice in chunk.choices]
        self.assertEqual(''.join(pieces), whole)
        self.assertGreater(len([piece for piece in pieces if piece]), 5)
        self.assertEqual([model.id for model in self.client.models.list().data], ['rodizio'])
        text = self.client.completions.create(model='rodizio', prompt='A maré', temperature=0)
        self.assertEqual(len(text.choices[0].text.split()), 12)

    def test_2_refusals_are_those_that_the_client_knows(self):
        for key in ('wrong', (self.world.data / 'token').read_text().strip()):
            other = self.openai.OpenAI(base_url=self.address, api_key=key, max_retries=0)
            with self.assertRaises(self.openai.AuthenticationError):
                other.models.list()
        with self.assertRaises(self.openai.UnprocessableEntityError) as caught:
            self.ask(temperature=3)
        self.assertEqual(caught.exception.param, 'temperature')
        with self.assertRaises(self.openai.NotFoundError):
            self.client.models.retrieve('gpt-5')

    def test_2_fetch_of_javascript_is_answered_in_pieces(self):
        ran = subprocess.run([str(NODE), '--input-type=module', '-e', FETCH, self.address, KEY],
                             stdout=subprocess.PIPE, timeout=60, check=True)
        told = json.loads(ran.stdout)
        self.assertEqual(told['status'], 200)
        self.assertGreater(len(told['pieces']), 5)
        self.assertIn('[DONE]', ''.join(told['pieces']))

    def test_3_it_adds_little_to_the_first_token(self):
        _pid, port = self.world.server()

        def first_token(port, path):
            body = {'model': 'rodizio', 'messages': QUESTION, 'stream': True}
            began = time.monotonic()
            _connection, answer = self.raw(port, path + '/v1/chat/completions', body)
            while b'"content": "' not in answer.readline().replace(b'":"', b'": "'):
                pass
            taken = time.monotonic() - began
            answer.read()
            return taken * 1000

        relayed, direct = [], []
        for _turn in range(20):
            relayed.append(first_token(self.world.port, '/v1/nodes/nights/openai'))
            direct.append(first_token(port, ''))
        added = statistics.median(relayed) - statistics.median(direct)
        print('first token: %.1f ms direct, %.1f ms by the relay (%.1f at the most); %.1f ms added'
              % (statistics.median(direct), statistics.median(relayed), max(relayed), added))
        self.assertLess(added, 150)

    def test_4_a_caller_who_leaves_sets_the_model_free(self):
        connection, answer = self.stream(max_tokens=1900)
        answer.read(10)
        self.assertEqual(self.queue()['running'], 1)
        connection.sock.shutdown(2)
        connection.close()
        began = time.monotonic()
        while self.queue()['running']:
            self.assertLess(time.monotonic() - began, 5)
            time.sleep(0.02)
        print('a caller who has left: the model is free after %.2f s'
              % (time.monotonic() - began))

    def test_5_a_service_that_is_killed_finds_its_node_again(self):
        _connection, answer = self.stream(max_tokens=1900)
        answer.read(10)
        self.world.kill()
        with self.assertRaises((http.client.IncompleteRead, ConnectionError)):
            answer.read()
        began = time.monotonic()
        self.world.start()
        while True:
            try:
                self.assertEqual(len(self.ask().choices[0].message.content.split()), 12)
                break
            except (self.openai.APIConnectionError, self.openai.InternalServerError):
                self.assertLess(time.monotonic() - began, 40, self.world.told())
                time.sleep(0.1)
        print('killed and started again: an answer after %.1f s' % (time.monotonic() - began))
        self.assertEqual([session['generation'] for session in self.world.policy()['recent']], [1])

    def test_6_a_server_that_dies_in_the_middle_is_an_error_and_another_takes_its_place(self):
        pid, _port = self.world.server()
        _connection, answer = self.stream(max_tokens=1900)
        answer.read(10)
        os.kill(pid, signal.SIGKILL)
        with self.assertRaises((http.client.IncompleteRead, ConnectionError)):
            answer.read()
        self.world.until(lambda: not alive(pid), 10)
        session = self.world.ready(2)
        self.assertEqual(session['node']['url'], self.address)
        self.assertEqual(len(self.ask().choices[0].message.content.split()), 12)

    def test_7_stopped_it_lets_an_answer_end_and_then_nobody_answers(self):
        _connection, answer = self.stream(max_tokens=150)
        answer.read(10)
        self.assertIsNotNone(self.world.ask('serve', 'stop', 'nights'))
        self.assertIn(b'[DONE]', answer.read())
        self.world.until(lambda: self.world.policy()['state'] == 'stopped', 30)
        with self.assertRaises(self.openai.InternalServerError) as caught:
            self.ask()
        self.assertEqual((caught.exception.status_code, caught.exception.code), (503, 'no_node'))


if __name__ == '__main__':
    unittest.main()
