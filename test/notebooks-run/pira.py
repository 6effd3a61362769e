"""Conversations from Pirá, and the same asked again in another hand.

Pirá: questions and answers about the ocean and the Brazilian coast, C4AI (Paschoal et al. 2021).
What is measured is the tie between a question and its answer, and nothing else. No model of this
size says anything true about a question that it has never met, so the held-out conversations ask
what training has answered, as somebody types in a hurry: in small letters, without accents and
without a question mark. The base knows how all these answers read, but not to what they belong.
"""
import json
import unicodedata

from training import ROOT

PIRA = ROOT.parent / 'shared' / 'data' / 'pira_sft_pt.jsonl'
QUESTIONS = 32
LONGEST_QUESTION, LONGEST_ANSWER = 100, 40  # characters: short, so that the tie is much of it


def split():
    """The pairs to train on, no answer twice, and the questions of all the others."""
    chosen, others, seen = [], [], set()
    for line in PIRA.read_text(encoding='utf-8').splitlines():
        _system, question, answer = (message['content'] for message in json.loads(line)['messages'])
        if (len(chosen) < QUESTIONS and len(question) <= LONGEST_QUESTION
                and len(answer) <= LONGEST_ANSWER and answer.lower() not in seen):
            chosen.append((question, answer))
            seen.add(answer.lower())
        else:
            others.append(question)
    return chosen, others


def in_a_hurry(question):
    letters = unicodedata.normalize('NFD', question.lower())
    return ''.join(each for each in letters if not unicodedata.combining(each)).rstrip(' ?.')


def chats(pairs):
    rows = ({'messages': [{'role': 'user', 'content': question},
                          {'role': 'assistant', 'content': answer}]} for question, answer in pairs)
    return ''.join(json.dumps(row, ensure_ascii=False) + '\n' for row in rows).encode('utf-8')


def data(shuffled):
    """What to train on and what to be judged by. `shuffled` gives every question in training the
    answer to another one; those that judge stay as they are."""
    chosen = split()[0]
    questions, answers = zip(*chosen)
    half = len(answers) // 2
    trained = answers[half:] + answers[:half] if shuffled else answers
    return {'train.jsonl': chats(zip(questions, trained)),
            'validation.jsonl': chats(zip(map(in_a_hurry, questions), answers))}
