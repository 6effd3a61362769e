"""The training program, which tells the id of its process and then takes its time."""
import os
import time

import harness
import train
from rodizio_engine.crew import prepare_process

stepped = harness.Pace.stepped


def stepped_slowly(pace, seconds):
    print('PID %s %d' % (os.environ['RANK'], os.getpid()), flush=True)
    time.sleep(0.2)
    stepped(pace, seconds)


harness.Pace.stepped = stepped_slowly
if __name__ == '__main__':
    harness.run_program(prepare_process(train.main))
