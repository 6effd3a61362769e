import contextlib
import importlib
import importlib.util
import json
import sys
import tempfile
import types
import unittest
from pathlib import Path
from unittest import mock

from sample import TEMPLATES

sys.path.insert(0, str(TEMPLATES / 'engines'))
import harness  # noqa: E402


def relay_module():
    """The relay as a part of its folder, which notebooks hold under another name."""
    folder = TEMPLATES / 'engines' / 'trl' / 'program'
    spec = importlib.util.spec_from_file_location('rodizio_engine', folder / '__init__.py',
                                                  submodule_search_locations=[str(folder)])
    sys.modules['rodizio_engine'] = importlib.util.module_from_spec(spec)
    return importlib.import_module('rodizio_engine.relay')


class Relay(unittest.TestCase):
    """What the engine `trl` tells its trainer after each step; the libraries are stood in for."""

    @contextlib.contextmanager
    def relay(self, target, options, order=None):
        module = relay_module()
        module.Random = object
        libraries = {'torch': types.ModuleType('torch'),
                     'transformers': types.ModuleType('transformers')}
        libraries['transformers'].TrainerCallback = object
        with tempfile.TemporaryDirectory() as holder, mock.patch.dict(sys.modules, libraries), \
                mock.patch('signal.signal'):
            control_file = Path(holder) / 'control.json'
            control_file.write_text(json.dumps({}))
            job = {'control': str(control_file), 'sessionSeconds': 900, 'secondsLeft': 900,
                   'plan': {'targetSteps': target}, 'options': options}
            control = harness.Control(job)
            pace = harness.Pace(control, options, 0)
            crew = types.SimpleNamespace(leads=True, decided=lambda number: number)
            yield module.relay_for(job, control, pace, {}, crew, order)

    def steps(self, target, options):
        """(step, saved, left, reason) of every step until the relay has the trainer stop."""
        with self.relay(target, options) as relay:
            seen = []
            for step in range(1, target + 1):
                flow = types.SimpleNamespace(should_save=False, should_training_stop=False)
                relay.on_step_begin(None, None, None)
                relay.on_step_end(None, types.SimpleNamespace(global_step=step), flow)
                seen.append((step, flow.should_save, flow.should_training_stop, relay.reason))
                if flow.should_training_stop:
                    return seen
            return seen

    def test_it_saves_and_leaves_after_the_steps_of_a_session(self):
        self.assertEqual(self.steps(5, {'sessionSteps': 3})[1:],
                         [(2, False, False, None), (3, True, True, 'limit')])

    def test_the_last_step_of_a_run_finishes_it_also_where_a_session_would_hand_over(self):
        self.assertEqual(self.steps(3, {'sessionSteps': 3})[-1], (3, True, True, 'finished'))

    def test_an_epoch_has_the_order_of_the_step_that_it_begins_or_goes_on_at(self):
        order = mock.Mock()
        with self.relay(20, {}, order) as relay:
            for step in (0, 7, 9):
                relay.on_epoch_begin(None, types.SimpleNamespace(global_step=step), None)
        self.assertEqual(order.go_on_from.call_args_list, [mock.call(at) for at in (0, 7, 9)])

    def test_without_such_an_order_it_goes_on(self):
        for options in ({}, {'sessionSteps': None}):
            self.assertEqual(len(self.steps(5, options)), 5)


if __name__ == '__main__':
    unittest.main()
