import json
import os
import signal
import subprocess
import time
import unittest
from pathlib import Path

from runs import Runs
from training import (MISSING, ROOT, STACKS, environment, lines_of, plan, put_program, python_of,
                      run, start, state_of, wait_for)

STACK = 'kaggle' if 'kaggle' in STACKS else next(iter(STACKS), None)  # where GPUs come in pairs
# Thirteen batches of two rows are three steps and a quarter, and no two processes can halve them.
CALM = {'loraDropout': 0.0, 'accumulation': 4}
LIVELY = {'accumulation': 4}
STATE = ['adapter_config.json', 'adapter_model.safetensors', 'optimizer.pt', 'rng_state_0.pth',
         'rng_state_1.pth', 'scheduler.pt', 'trainer_state.json']


@unittest.skipUnless(STACKS, MISSING)
class TwoProcesses(Runs):
    """What two GPUs do, by two processes on the CPU: torchrun starts them as it would there."""

    def test_two_processes_train_what_one_does_and_take_turns_with_it(self):
        alone = self.whole(STACK, **CALM)
        together = self.whole(STACK, processes=2, **CALM)
        self.assert_close(together, alone)
        for first, then, processes in ((together, 'one', 1), (alone, 'two', 2)):
            with self.subTest(then + ' go on from what the other left'):
                folder = self.folder(then)
                output = self.finish(STACK, folder, first / 'checkpoints' / 'step-00000006',
                                     processes=processes, **CALM)
                said = '\n'.join(output)
                self.assertIn('processes is %d here' % processes, said)
                self.assertIn('dropout is not what it would have been', said)
                self.assertEqual(lines_of(output, 'LOG')[0]['step'], 7)
                self.assert_close(folder, alone)

    def test_sigterm_in_mid_step_leaves_a_checkpoint_that_changes_nothing(self):
        first = self.folder('first')
        job = {'plan': plan(**LIVELY), 'processes': 2}
        status, output = run(STACK, first, job, {}, 'driver_stop.py', more={'STOP_IN': '5'})
        end = lines_of(output, 'END')
        self.assertEqual((status, [line['reason'] for line in end]), (0, ['stopped']),
                         '\n'.join(output))
        step = end[0]['step']
        self.assertEqual(step, 5, '\n'.join(output))
        checkpoint = first / 'checkpoints' / ('step-%08d' % step)
        self.assertEqual(sorted(state_of(checkpoint)), STATE)
        self.assertEqual(json.loads((checkpoint / 'manifest.json').read_text())['env']['processes'],
                         2)
        chance = [(checkpoint / ('rng_state_%d.pth' % rank)).read_bytes() for rank in (0, 1)]
        self.assertNotEqual(*chance)
        second = self.folder('second')
        self.finish(STACK, second, checkpoint, processes=2, **LIVELY)
        self.assert_same(second, self.whole(STACK, processes=2, **LIVELY))

    def test_one_that_is_killed_ends_the_other_with_a_sentence(self):
        process = start(STACK, self.folder('a'),
                        {'plan': plan(targetSteps=5000, **LIVELY), 'processes': 2},
                        program='driver_pids.py')
        self.addCleanup(process.kill)
        pids, seen = {}, []
        for line in process.stdout:
            seen.append(line)
            if line.startswith('PID '):
                pids[line.split()[1]] = int(line.split()[2])
            if len(pids) == 2:
                break
        self.assertEqual(sorted(pids), ['0', '1'], ''.join(seen))
        os.kill(pids['1'], signal.SIGKILL)
        began = time.monotonic()
        output = process.communicate(timeout=60)[0]
        self.assertEqual(process.returncode, 1, output)
        self.assertLess(time.monotonic() - began, 40)
        self.assertRegex(output.strip().splitlines()[-1], r'^process 2 of 2 ended with status -9')
        self.assertFalse(is_alive(pids['0']))

    def test_a_refusal_of_both_is_one_of_the_run(self):
        job = {'plan': plan(maxLength=8, **LIVELY), 'processes': 2}
        status, output = run(STACK, self.folder('a'), job)
        refused = lines_of(output, 'REFUSED')
        self.assertEqual((status, {line['class'] for line in refused}), (3, {'bad_dataset'}),
                         '\n'.join(output))
        self.assertIn('more than maxLength', refused[0]['message'])

    def test_nothing_outlives_an_agent_that_is_killed(self):
        folder = self.folder('a')
        folder.mkdir()
        put_program(folder)
        agent = subprocess.Popen(
            [python_of(STACK), '-c', 'import sys; sys.path.insert(0, %r)\n'
             'from templates.session.program import Program\n'
             'Program(".").run("driver_sleep.py", {"processes": 2}, '
             'lambda line: print(line, flush=True))' % str(ROOT)],
            cwd=str(folder), env=environment(), stdout=subprocess.PIPE, text=True)
        self.addCleanup(agent.communicate)
        self.addCleanup(agent.kill)
        pids = []
        while len(pids) < 2:
            line = agent.stdout.readline()
            self.assertNotEqual(line, '', 'the program ended')
            if line.startswith('PID '):
                pids.append(int(line.split()[1]))
        launcher = parent_of(pids[0])
        self.assertEqual((parent_of(pids[1]), parent_of(launcher)), (launcher, agent.pid))
        agent.kill()
        wait_for(lambda: not any(map(is_alive, [launcher, *pids])))


def parent_of(pid):
    return int(Path('/proc/%d/stat' % pid).read_text().rpartition(')')[2].split()[1])


def is_alive(pid):
    try:
        return Path('/proc/%d/stat' % pid).read_text().rpartition(')')[2].split()[0] != 'Z'
    except OSError:
        return False


if __name__ == '__main__':
    unittest.main()
