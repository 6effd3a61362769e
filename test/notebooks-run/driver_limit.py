"""The training program with LIMIT seconds from the end of its imports, in which a step takes three
seconds; at its end it tells what was left."""
import os
import time

import harness
import train
from rodizio_engine.crew import prepare_process

LIMIT = float(os.environ['LIMIT'])
seen = []


class LimitedPace(harness.Pace):
    def __init__(self, control, options, step):
        control.session_seconds = LIMIT
        control.deadline = time.monotonic() + LIMIT
        super().__init__(control, options, step)
        seen.append(self)

    def leave_in_mid_step(self):
        time.sleep(3)
        super().leave_in_mid_step()


harness.Pace = LimitedPace
harness.run_program(prepare_process(train.main))
print('LEFT %.1f' % seen[0].control.seconds_left())
