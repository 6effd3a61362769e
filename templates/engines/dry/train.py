"""The engine `dry`: a character model that really learns, in plain Python, without a GPU.

A log-linear n-gram model (bias, previous character, previous two) trained by gradient steps with
Adagrad on the assistant's characters. It exists to exercise tickets, data, deadlines, checkpoints
and resumption; what it learns is no adapter and is labelled `dry`. A step is either whole or did
not happen, so a run that was killed and resumed ends with the same bytes as one that was not.
"""
import json
import math
import random
import sys
import time
from array import array
from pathlib import Path

import harness

UNKNOWN, USER, ANSWER, END = range(4)  # ids below the characters
HELD_OUT_ROWS = 64  # enough for a steady figure, cheap enough for every checkpoint
NO_PREVIOUS, NO_PAIR = 1, 2  # what feature dropout may leave out


class Model:
    """Weights and Adagrad sums by row; a row never touched is not there and counts as 0."""

    def __init__(self, characters):
        self.characters = characters
        self.size = len(characters) + 4
        self.ids = {character: index + 4 for index, character in enumerate(characters)}
        self.weights = {'bias': {}, 'previous': {}, 'pair': {}}
        self.squares = {'bias': {}, 'previous': {}, 'pair': {}}

    def positions(self, turns, max_length):
        """(context, target) of each character that counts, within the first `max_length`."""
        ids, counts = [], []
        for role, text in turns:
            answer = role == 'assistant'
            ids.append(ANSWER if answer else USER)
            counts.append(False)
            ids.extend(self.ids.get(character, UNKNOWN) for character in text)
            counts.extend([answer] * len(text))
            if answer:
                ids.append(END)
                counts.append(True)
        size = self.size
        return [(ids[at - 2] * size + ids[at - 1], ids[at])
                for at in range(2, min(len(ids), max_length)) if counts[at]]

    def probabilities(self, context, left_out=0, scale=1.0):
        """How likely each character is after `context`, a pair of ids in one number."""
        zeros = [0.0] * self.size
        logits = self.weights['bias'].get(0, zeros)
        previous = None if left_out & NO_PREVIOUS else self.weights['previous'].get(
            context % self.size)
        pair = None if left_out & NO_PAIR else self.weights['pair'].get(context)
        if previous:
            logits = [a + scale * b for a, b in zip(logits, previous)]
        if pair:
            logits = [a + scale * b for a, b in zip(logits, pair)]
        top = max(logits)
        exps = [math.exp(a - top) for a in logits]
        total = math.fsum(exps)  # sum() rounds differently from Python 3.12 on
        return [a / total for a in exps]

    def update(self, seen, rate, total, scale):
        """One Adagrad step on what a whole batch has shown."""
        gradients = {'bias': {}, 'previous': {}, 'pair': {}}
        for code, (chances, count, targets) in seen.items():
            context, left_out = divmod(code, 4)
            share = count / total
            gradient = [share * chance for chance in chances]
            for target, times in targets.items():
                gradient[target] -= times / total
            add_row(gradients['bias'], 0, gradient)
            if scale != 1.0:
                gradient = [scale * slope for slope in gradient]
            if not left_out & NO_PREVIOUS:
                add_row(gradients['previous'], context % self.size, gradient)
            if not left_out & NO_PAIR:
                add_row(gradients['pair'], context, gradient)
        sqrt = math.sqrt
        for table, rows in gradients.items():
            weights, squares = self.weights[table], self.squares[table]
            for key, gradient in rows.items():
                old = squares.get(key) or [1e-10] * self.size
                new = [a + b * b for a, b in zip(old, gradient)]
                squares[key] = new
                row = weights.get(key) or [0.0] * self.size
                weights[key] = [w - rate * b / sqrt(a) for w, b, a in zip(row, gradient, new)]

    def held_out_loss(self, rows):
        """Mean loss in nats per character, without dropout; None when there is nothing to judge."""
        known, losses = {}, []
        for row in rows:
            for context, target in row:
                chances = known.get(context)
                if chances is None:
                    chances = known[context] = self.probabilities(context)
                losses.append(-math.log(max(chances[target], 1e-300)))
        return math.fsum(losses) / len(losses) if losses else None

    def keys(self):
        return {table: sorted(rows) for table, rows in self.weights.items()}


def add_row(rows, key, gradient):
    row = rows.get(key)
    rows[key] = gradient if row is None else [a + b for a, b in zip(row, gradient)]


class Training:
    """The model with its data, its place in the data and its random numbers."""

    def __init__(self, plan, conversations, held_out):
        self.plan = plan
        texts = [text for _line, turns in conversations for _role, text in turns]
        characters = sorted(set().union(*texts))
        self.model = Model(characters)
        length = plan['maxLength']
        rows = [self.model.positions(turns, length) for _line, turns in conversations]
        self.rows = [row for row in rows if row]
        if not self.rows:
            raise harness.Refusal('bad_dataset', 'no answer lies within the first %d characters of '
                                  'any conversation' % length)
        self.cut = sum(2 + sum(len(text) + 2 for _role, text in turns) > length + 2
                       for _line, turns in conversations)
        self.held_out = [self.model.positions(turns, length)
                         for _line, turns in held_out[:HELD_OUT_ROWS]]
        self.random = random.Random('dropout:%d' % plan['seed'])
        self.step = 0
        self.losses = []
        self._epoch = None

    def row(self, index):
        """The index-th row that training meets: each epoch is a permutation of its own."""
        epoch, at = divmod(index, len(self.rows))
        if self._epoch is None or self._epoch[0] != epoch:
            order = list(range(len(self.rows)))
            random.Random('order:%d:%d' % (self.plan['seed'], epoch)).shuffle(order)
            self._epoch = (epoch, order)
        return self.rows[self._epoch[1][at]]

    def epoch(self):
        return self.step * self.plan['batchSize'] * self.plan['accumulation'] / len(self.rows)

    def do_step(self, between):
        """One optimizer step; `between(done)` is called after each micro-step with the share done.
        Returns (loss, characters). When `between` raises, nothing has changed."""
        plan, model = self.plan, self.model
        before = self.random.getstate()
        keep = 1.0 - plan['loraDropout']
        chance = self.random.random
        first = self.step * plan['batchSize'] * plan['accumulation']
        seen, losses = {}, []
        try:
            for micro in range(plan['accumulation']):
                for item in range(plan['batchSize']):
                    for context, target in self.row(first + micro * plan['batchSize'] + item):
                        code = context * 4
                        if keep < 1.0:
                            code += (chance() >= keep) * NO_PREVIOUS + (chance() >= keep) * NO_PAIR
                        entry = seen.get(code)
                        if entry is None:
                            entry = seen[code] = [
                                model.probabilities(context, code % 4, 1.0 / keep), 0, {}]
                        entry[1] += 1
                        entry[2][target] = entry[2].get(target, 0) + 1
                        losses.append(-math.log(max(entry[0][target], 1e-300)))
                between((micro + 1) / plan['accumulation'])
        except BaseException:
            self.random.setstate(before)
            raise
        rate = harness.learning_rate(plan, self.step + 1)
        model.update(seen, rate, len(losses), 1.0 / keep)
        self.step += 1
        return math.fsum(losses) / len(losses), rate, len(losses)

    def write(self, folder):
        """The whole state, to the byte a function of the plan, the data and the step."""
        keys = self.model.keys()
        for name, tables in (('weights.bin', self.model.weights),
                             ('optimizer.bin', self.model.squares)):
            numbers = array('d')
            for table in ('bias', 'previous', 'pair'):
                for key in keys[table]:
                    numbers.extend(tables[table][key])
            if sys.byteorder == 'big':
                numbers.byteswap()
            with open(folder / name, 'wb') as file:
                numbers.tofile(file)
        version, internal, gauss = self.random.getstate()
        write_json(folder / 'state.json', {
            'step': self.step, 'characters': ''.join(self.model.characters), 'rows': keys,
            'random': [version, list(internal), gauss]})
        write_json(folder / 'loss.json', self.losses)

    def read(self, folder):
        """Takes up the state that `write` left in the folder."""
        state = json.loads((folder / 'state.json').read_text(encoding='utf-8'))
        if state['characters'] != ''.join(self.model.characters):
            raise harness.Refusal('refused_plan', 'the checkpoint was made under another plan: '
                                  'dataSha256 is the same, but the characters of the data differ')
        size = self.model.size
        for name, tables in (('weights.bin', self.model.weights),
                             ('optimizer.bin', self.model.squares)):
            numbers = array('d')
            numbers.frombytes((folder / name).read_bytes())
            if sys.byteorder == 'big':
                numbers.byteswap()
            at = 0
            for table in ('bias', 'previous', 'pair'):
                for key in state['rows'][table]:
                    tables[table][key] = numbers[at:at + size].tolist()
                    at += size
            if at != len(numbers):
                raise harness.Refusal('damaged_checkpoint', '%s has %d numbers where %d were due'
                                      % (name, len(numbers), at))
        version, internal, gauss = state['random']
        self.random.setstate((version, tuple(internal), gauss))
        self.step = state['step']
        self.losses = json.loads((folder / 'loss.json').read_text(encoding='utf-8'))


def write_json(path, value):
    path.write_text(json.dumps(value, sort_keys=True, ensure_ascii=False) + '\n', encoding='utf-8')


def write_artifact(training, folder):
    """What a finished run leaves: the weights, how to read them, and what they are not."""
    training.write(folder)
    (folder / 'optimizer.bin').unlink()
    (folder / 'state.json').unlink()
    write_json(folder / 'model.json', {
        'label': 'dry', 'kind': 'character n-gram',
        'characters': ''.join(training.model.characters),
        'firstCharacterId': 4, 'rows': training.model.keys(), 'numbers': 'float64, little endian'})
    (folder / 'README.md').write_text(
        '# A dry artifact\n\nMade by the engine `dry` after %d steps: a character n-gram model '
        'that proves the plumbing. It is no adapter, fits no base model, and can be neither '
        'promoted nor pulled.\n' % training.step, encoding='utf-8')


def main(job):
    plan, options = job['plan'], job['options']
    control = harness.Control(job)
    env = harness.environment()
    harness.emit('ENV', dict(env, engine='dry', gpu=None, tokens='characters'))
    manifest = harness.open_checkpoint(job)
    training = Training(plan, harness.read_conversations(job['train']),
                        harness.read_conversations(job['validation']))
    print('%d conversations, %d of them cut at %d characters; %d kinds of character'
          % (len(training.rows), training.cut, plan['maxLength'], training.model.size))
    if manifest:
        training.read(Path(job['resume']))
        print('going on from step %d' % training.step)
    control.poll()
    pace = harness.Pace(control, options, training.step)
    step_seconds = float(options.get('stepSeconds') or 0)
    log_steps = max(1, int(options.get('logSteps') or 1))
    target = plan['targetSteps']
    loss = training.losses[-1][1] if training.losses else None
    reason = None

    def metrics():
        return {'loss': loss, 'heldOutLoss': training.model.held_out_loss(training.held_out)}

    def save():
        begun = time.monotonic()
        seconds = harness.save_checkpoint(job, control, training.step, training.write,
                                          training.epoch(), metrics(), env, begun)
        pace.saved(training.step, seconds)

    while training.step < target:
        control.poll()
        reason = pace.reason_to_leave() or pace.reason_to_hand_over()
        if reason:
            break
        begun = time.monotonic()

        def between(done):
            pace.leave_in_mid_step()
            while time.monotonic() < begun + step_seconds * done:
                time.sleep(min(0.1, max(0.0, begun + step_seconds * done - time.monotonic())))
                pace.leave_in_mid_step()

        try:
            loss, rate, characters = training.do_step(between)
        except harness.Leave:
            reason = 'stopped' if control.stop else 'limit'
            break
        seconds = time.monotonic() - begun
        pace.stepped(seconds)
        if training.step % log_steps == 0 or training.step == target:
            training.losses.append([training.step, loss, rate])
            harness.emit('LOG', {'step': training.step, 'loss': loss, 'learningRate': rate,
                                 'tokensPerSecond': round(characters / seconds, 1),
                                 'seconds': round(seconds, 4)})
        if training.step < target and pace.should_save(training.step):
            save()
    if training.step > pace.saved_step:
        save()
    artifact = None
    if training.step >= target:
        reason = 'finished'
        artifact = job['artifact']
        harness.commit_folder(job, 'artifact', training.step, artifact,
                              lambda folder: write_artifact(training, folder),
                              training.epoch(), metrics(), env)
    harness.emit('END', {'step': training.step, 'reason': reason, 'artifact': artifact})


if __name__ == '__main__':
    harness.run_program(main)
