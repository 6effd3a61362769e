import contextlib
import io
import sys
import types
import unittest

from sample import TEMPLATES, plan
from templates.session.agent import Session
from templates.session.program import command_line

sys.path[:0] = [str(TEMPLATES / 'engines'), str(TEMPLATES / 'engines' / 'trl')]
import launch  # noqa: E402


class TwoGpus(unittest.TestCase):
    """How a session starts the training program, by what its probe has counted."""

    def processes(self, gpus, batch, accumulation):
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            session = Session('http://127.0.0.1:9')
            self.addCleanup(session.close)
            session.order = {'plan': plan(batchSize=batch, accumulation=accumulation)}
            session.gpus = gpus
            return session._processes(), printed.getvalue()

    def test_two_are_used_where_they_can_share_every_step_evenly(self):
        for gpus, batch, accumulation, processes in ((1, 2, 16, 1), (2, 2, 16, 2), (2, 1, 2, 2),
                                                     (2, 2, 3, 2), (1, 1, 3, 1)):
            self.assertEqual(self.processes(gpus, batch, accumulation), (processes, ''))

    def test_else_one_is_used_and_the_session_says_why(self):
        processes, said = self.processes(2, 1, 3)
        self.assertEqual(processes, 1)
        self.assertIn('one of 2 GPUs is used: they cannot share the 3 rows of a step', said)

    def test_of_two_that_failed_the_one_that_was_killed_is_the_cause(self):
        def failure(status):
            return types.SimpleNamespace(exitcode=status)

        for statuses, cause in (((-15, -9), 1), ((-11, -15), 0), ((1, -9), 1), ((1, -15), 0)):
            failures = dict(enumerate(map(failure, statuses)))
            error = types.SimpleNamespace(failures=failures, get_first_failure=lambda: (
                0, failures[0]))
            self.assertEqual(launch.cause_of(error)[0], cause, statuses)

    def test_one_process_is_started_as_it_is_and_two_by_torchrun(self):
        self.assertEqual(command_line('train.py', 'job.json', 1),
                         [sys.executable, '-u', 'train.py', 'job.json'])
        self.assertEqual(command_line('train.py', 'job.json', 2),
                         [sys.executable, '-u', 'launch.py', 'train.py', 'job.json'])
        self.assertEqual(launch.command_line({'processes': 2}, 'train.py', 'job.json'),
                         ['--standalone', '--nproc_per_node=2', '--signals-to-handle=SIGHUP',
                          'train.py', 'job.json'])


if __name__ == '__main__':
    unittest.main()
