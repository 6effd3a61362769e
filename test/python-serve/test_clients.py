import unittest

from box import KEY, MISSING, Box

QUESTION = [{'role': 'system', 'content': 'Responda curto.'},
            {'role': 'user', 'content': 'Qual é a maré?'}]


@unittest.skipIf(MISSING, MISSING)
class OfficialClient(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        import openai
        cls.box = Box(cls).start()
        cls.openai = openai
        cls.client = openai.OpenAI(base_url='http://127.0.0.1:%d/v1' % cls.box.port, api_key=KEY,
                                   max_retries=0)
        cls.addClassCleanup(cls.client.close)

    def ask(self, messages=QUESTION, **more):
        return self.client.chat.completions.create(
            model='rodizio', messages=messages, **{'temperature': 0, **more})

    def test_reads_a_whole_answer_and_what_it_took(self):
        answer = self.ask()
        self.assertEqual(answer.choices[0].finish_reason, 'stop')
        self.assertEqual(len(answer.choices[0].message.content.split()), 12)
        self.assertEqual((answer.usage.completion_tokens, answer.usage.total_tokens), (12, 18))
        self.assertEqual(answer.system_fingerprint, self.box.hashes['v1'][:16])

    def test_reads_a_stream_that_says_what_the_whole_answer_says(self):
        chunks = list(self.ask(stream=True, stream_options={'include_usage': True}))
        pieces = [choice.delta.content or '' for chunk in chunks for choice in chunk.choices]
        whole = self.ask()
        self.assertEqual(''.join(pieces), whole.choices[0].message.content)
        self.assertGreater(len([piece for piece in pieces if piece]), 5)
        self.assertEqual(chunks[-1].usage, whole.usage)
        self.assertEqual([choice.finish_reason for chunk in chunks for choice in chunk.choices
                          if choice.finish_reason], ['stop'])

    def test_a_raw_completion_whole_and_in_pieces(self):
        asked = {'model': 'rodizio', 'prompt': 'A maré', 'temperature': 0}
        whole = self.client.completions.create(**asked)
        pieces = [chunk.choices[0].text for chunk
                  in self.client.completions.create(stream=True, **asked)]
        self.assertEqual(''.join(pieces), whole.choices[0].text)
        self.assertEqual(len(whole.choices[0].text.split()), 12)

    def test_greedy_answers_repeat_and_so_do_drawn_ones_with_a_seed(self):
        def text(**more):
            return self.ask(**more).choices[0].message.content
        self.assertEqual(text(), text())
        self.assertEqual(text(temperature=1, seed=7), text(temperature=1, seed=7))
        self.assertNotEqual(text(temperature=1, seed=7), text(temperature=1, seed=8))
        self.assertNotEqual(text(temperature=1), text(temperature=1))

    def test_an_answer_ends_before_a_stop_text_and_at_its_most_tokens(self):
        words = self.ask().choices[0].message.content.split(' ')
        self.assertEqual(self.ask(max_tokens=3).choices[0].finish_reason, 'length')
        at = next(index for index in range(2, 11) if words[index] not in words[:index])
        cut = self.ask(stop=[words[at]]).choices[0]
        self.assertEqual(cut.message.content, ' '.join(words[:at]) + ' ')
        self.assertEqual(cut.finish_reason, 'stop')

    def test_what_only_begins_like_a_stop_text_is_said(self):
        whole = self.ask().choices[0].message.content
        self.assertEqual(self.ask(stop=whole[-4:] + '!').choices[0].message.content, whole)

    def test_texts_may_come_in_parts(self):
        parts = [{'role': 'user', 'content': [{'type': 'text', 'text': 'Qual é '},
                                              {'type': 'text', 'text': 'a maré?'}]}]
        self.assertEqual(self.ask(parts).choices[0].message.content,
                         self.ask([{'role': 'user', 'content': 'Qual é a maré?'}])
                         .choices[0].message.content)

    def test_models_are_listed_with_their_base_and_adapter(self):
        listed = self.client.models.list().data
        self.assertEqual([model.id for model in listed], ['rodizio'])
        self.assertEqual(self.client.models.retrieve('rodizio').root, 'tiny')
        with self.assertRaises(self.openai.NotFoundError):
            self.client.chat.completions.create(model='gpt-5', messages=QUESTION)

    def test_a_wrong_key_and_a_field_out_of_range_are_the_errors_that_the_client_knows(self):
        with self.assertRaises(self.openai.AuthenticationError):
            self.openai.OpenAI(base_url=self.client.base_url, api_key='wrong',
                               max_retries=0).models.list()
        with self.assertRaises(self.openai.UnprocessableEntityError) as caught:
            self.ask(temperature=3)
        self.assertEqual(caught.exception.param, 'temperature')

    def test_a_failure_in_mid_stream_reaches_the_client(self):
        with self.assertRaisesRegex(self.openai.APIError, 'too little memory'):
            list(self.ask([{'role': 'user', 'content': 'oom'}], stream=True))


if __name__ == '__main__':
    unittest.main()
