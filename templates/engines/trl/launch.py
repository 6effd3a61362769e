"""Starts the training program once for each GPU, by torchrun, and stands in for all of them.

    python launch.py train.py job.json

Its life is tied to the agent's, and theirs to its own. SIGTERM and SIGINT mean the order to stop,
as they do to the training program alone: torchrun would end the processes half a minute later,
whatever they were at, so it is not told.
"""
import os
import signal
import sys

import harness

LEFT_TO_TORCHRUN = 'SIGHUP'


def command_line(job, script, path):
    """What torchrun is called with."""
    return ['--standalone', '--nproc_per_node=%d' % job['processes'],
            '--signals-to-handle=' + LEFT_TO_TORCHRUN, script, path]


def pass_on_signals(job):
    """Lets a signal reach the processes as an order, which they look for as for any other."""
    order = harness.stop_order(job)
    order.unlink(missing_ok=True)
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda _signal, _frame: order.touch())


def main(script, path):
    """Ends as the processes do: with status 0 when all did, else with that of the first to fail."""
    job = harness.read_job(path)
    pass_on_signals(job)
    os.environ['RODIZIO_LAUNCHER'] = str(os.getpid())
    os.environ.setdefault('OMP_NUM_THREADS', '1')  # as torchrun would, with a warning
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.run import main as torchrun
    try:
        torchrun(command_line(job, script, path))
    except ChildFailedError as error:
        rank, failure = cause_of(error)
        if failure.exitcode != harness.REFUSED:
            print('process %d of %d ended with status %d: %s' % (
                rank + 1, job['processes'], failure.exitcode, reason_of(failure)), flush=True)
        sys.exit(failure.exitcode if failure.exitcode > 0 else 1)


def cause_of(error):
    """(rank, failure) of the process that the others failed for. One that was killed could not
    write down when, and what that did to the others may be older than its being found."""
    killed = [(rank, failure) for rank, failure in sorted(error.failures.items())
              if failure.exitcode < 0 and failure.exitcode != -signal.SIGTERM]
    return killed[0] if killed else error.get_first_failure()


def reason_of(failure):
    """The last line of what torchrun knows of a failure: an exception's text, or what killed it."""
    told = failure.message
    lines = str(told['message'] if isinstance(told, dict) else told).strip().splitlines()
    return lines[-1] if lines else 'it gave no reason'


if __name__ == '__main__':
    main(*sys.argv[1:])
