"""What every server of `templates/serve` promises, tried from outside, whatever computes behind it.

    python suite.py PORT ADAPTERS    with the key in SUITE_KEY

ADAPTERS is the folder of the versions `v1`, which is served, and `v2`. With SUITE_ENDS set the
server has an end, and counts down to it.
"""
import functools
import hashlib
import json
import os
import sys
import time
import unittest
from pathlib import Path

import openai
from box import Client

PORT, ADAPTERS = int(sys.argv.pop(1)), Path(sys.argv.pop(1))
KEY = os.environ.pop('SUITE_KEY')
TALK = [{'role': 'system', 'content': 'Responda curto.'},
        {'role': 'user', 'content': 'Qual é a maré?'}]
# A tiny model may say its last word at any time; to one of these it goes on and on.
LONG = ('slow endless', 'Qual é a maré?', 'Conte tudo.', 'um dois três', 'Olá', 'A', 'mar e mar')
LONG_TOKENS = 400


@functools.cache
def long_prompt(server):
    """The first of them whose answer uses up its tokens."""
    return next(text for text in LONG if server.ask(text, max_tokens=LONG_TOKENS)[2]
                ['choices'][0]['finish_reason'] == 'length')


def sha256_of(version):
    return hashlib.sha256((ADAPTERS / version / 'manifest.json').read_bytes()).hexdigest()


class Server(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Client(PORT, KEY)
        cls.client = cls.openai_client(KEY)

    @classmethod
    def openai_client(cls, key):
        client = openai.OpenAI(base_url='http://127.0.0.1:%d/v1' % PORT, api_key=key,
                               max_retries=0, timeout=60)
        cls.addClassCleanup(client.close)
        return client

    def setUp(self):
        self.streams = []
        self.addCleanup(self.server.wait_for, (0, 0), 20)
        self.addCleanup(lambda: [stream.close() for stream in self.streams])

    def say(self, client=None, **more):
        return (client or self.client).chat.completions.create(
            model='rodizio', **{'messages': TALK, 'temperature': 0, 'max_tokens': 24, **more})

    def text(self):
        return self.say().choices[0].message.content

    def occupy(self):
        self.streams.append(self.server.open_stream(long_prompt(self.server), stream=True,
                                                    max_tokens=LONG_TOKENS))
        return self.streams[-1]

    def test_the_official_client_reads_the_same_answer_whole_and_in_a_stream(self):
        whole = self.say()
        chunks = list(self.say(stream=True, stream_options={'include_usage': True}))
        choices = [choice for chunk in chunks for choice in chunk.choices]
        pieces = [choice.delta.content for choice in choices if choice.delta.content]
        self.assertEqual(''.join(pieces), whole.choices[0].message.content)
        self.assertGreater(len(pieces), 1)
        self.assertEqual(choices[-1].finish_reason, whole.choices[0].finish_reason)
        self.assertEqual(chunks[-1].usage, whole.usage)
        self.assertEqual(whole.system_fingerprint, sha256_of('v1')[:16])

    def test_greedy_answers_repeat_by_either_call_and_so_do_drawn_ones_with_a_seed(self):
        first = self.text()
        self.assertNotEqual(first, '')
        self.assertEqual(self.text(), first)
        status, _headers, plain = self.server.call('POST', '/generate', {
            'prompt': TALK[1]['content'], 'context': TALK[0]['content'], 'temperature': 0,
            'max_new_tokens': 24})
        self.assertEqual((status, plain['text']), (200, first))
        drawn = [self.say(temperature=1, seed=seed).choices[0].message.content
                 for seed in (7, 7, 8)]
        self.assertEqual(drawn[0], drawn[1])
        self.assertNotEqual(drawn[0], drawn[2])

    def test_a_raw_completion_whole_and_in_pieces(self):
        asked = {'model': 'rodizio', 'prompt': 'A maré', 'temperature': 0, 'max_tokens': 12}
        whole = self.client.completions.create(**asked).choices[0].text
        pieces = [chunk.choices[0].text for chunk
                  in self.client.completions.create(stream=True, **asked)]
        self.assertEqual(''.join(pieces), whole)

    def test_the_model_is_listed_with_its_adapter(self):
        self.assertEqual([model.id for model in self.client.models.list().data], ['rodizio'])
        self.assertEqual(self.client.models.retrieve('rodizio').adapter['sha256'],
                         sha256_of('v1'))

    def test_without_the_key_no_route_but_health_answers(self):
        with self.assertRaises(openai.AuthenticationError):
            self.openai_client(hashlib.sha256(KEY.encode()).hexdigest()).models.list()
        for method, path in (('POST', '/v1/chat/completions'), ('POST', '/generate'),
                             ('POST', '/adapters/load'), ('GET', '/v1/models')):
            for key in (None, KEY[:-1]):
                self.assertEqual(self.server.call(method, path, b'{}', key)[0], 401)
        self.assertEqual(self.server.health()['status'], 'ok')

    def test_what_cannot_be_served_is_422_and_names_the_field(self):
        for changes, field in (({'max_tokens': 30_000}, 'max_tokens'),
                               ({'temperature': 3}, 'temperature'),
                               ({'messages': TALK[:1]}, '')):
            with self.assertRaises(openai.UnprocessableEntityError) as caught:
                self.say(**changes)
            self.assertTrue((caught.exception.param or '').startswith(field))

    def test_one_is_answered_some_wait_and_more_are_told_when_to_come_again(self):
        limit = self.server.health()['queue']['limit']
        for waiting in range(-1, limit):
            self.occupy()
            self.server.wait_for((1, waiting + 1))
        with self.assertRaises(openai.RateLimitError) as caught:
            self.say()
        self.assertRegex(caught.exception.response.headers['retry-after'], '^[1-9][0-9]?$')

    def test_a_client_that_leaves_frees_the_model_within_100_ms(self):
        tries = []
        for _try in range(8):  # neighbours on the machine may spoil some
            stream = self.occupy()
            answer = stream.getresponse()
            answer.read(400)
            self.assertEqual(self.server.health()['queue']['running'], 1)
            answer.close()
            stream.close()
            tries.append(self.server.wait_for((0, 0)))
            if tries[-1] < 0.1:
                return
        self.fail('it took %s s' % tries)

    def test_health_answers_within_10_ms_while_the_model_computes(self):
        connection = self.server.connect()
        self.addCleanup(connection.close)
        rounds = []
        for _round in range(25):  # neighbours on the machine may spoil some
            stream = self.occupy()
            self.server.wait_for((1, 0))
            taken, running = [], 0
            for _call in range(200):
                began = time.perf_counter()
                connection.request('GET', '/health')
                state = json.loads(connection.getresponse().read())
                taken.append(time.perf_counter() - began)
                running += state['queue']['running']
            stream.close()
            self.server.wait_for((0, 0))
            self.assertGreater(running, 150, 'the answer was over too soon to measure beside it')
            rounds.append(sorted(taken)[197])
            if rounds[-1] < 0.01:
                return
            time.sleep(0.5)
        self.fail('the 99th percentiles are %s s' % rounds)

    def test_two_adapters_answer_differently_and_only_the_one_asked_for_is_taken(self):
        def load(**body):
            status, _headers, answer = self.server.call('POST', '/adapters/load', body)
            return status, answer.get('error', {}).get('code')
        self.addCleanup(load, version='v1')
        first = self.text()
        self.assertEqual(load(version='v2', sha256=sha256_of('v1')), (409, 'adapter_damaged'))
        self.assertEqual(load(version='v9'), (404, 'adapter_not_found'))
        self.assertEqual(self.text(), first)
        self.assertEqual(load(version='v2', sha256=sha256_of('v2')), (200, None))
        self.assertNotEqual(self.text(), first)
        self.assertEqual(self.server.health()['adapter']['sha256'], sha256_of('v2'))
        self.assertEqual(load(version='v1'), (200, None))
        self.assertEqual(self.text(), first)

    def test_the_seconds_that_are_left_are_counted_down(self):
        first = self.server.health()['seconds_left']
        if not os.environ.get('SUITE_ENDS'):
            self.assertIsNone(first)
            return
        time.sleep(0.5)
        self.assertTrue(0.4 < first - self.server.health()['seconds_left'] < 2.5)


if __name__ == '__main__':
    unittest.main()
