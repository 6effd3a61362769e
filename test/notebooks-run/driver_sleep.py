"""A program that tells the id of its process and does nothing, tied to its parent's life."""
import os
import sys
import time

import harness

harness.read_job(sys.argv[1])
os.write(1, b'PID %d\n' % os.getpid())
time.sleep(60)
