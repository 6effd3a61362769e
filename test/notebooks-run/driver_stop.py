"""The training program, sent SIGTERM in the middle of its STOP_IN-th step that has a middle."""
import os
import signal

import harness
import train

leave = harness.Pace.leave_in_mid_step
seen = []


def leave_when_told(pace):
    seen.append(pace)
    if len(seen) == int(os.environ['STOP_IN']):
        os.kill(os.getpid(), signal.SIGTERM)
    leave(pace)


harness.Pace.leave_in_mid_step = leave_when_told
harness.run_program(train.main)
