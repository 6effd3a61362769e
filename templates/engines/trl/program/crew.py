"""Who this process is among those that train together, and how they come to one decision."""
import os
import sys
import warnings
from datetime import timedelta

LONGEST_WAIT = timedelta(minutes=30)  # for one that loads the base, or that writes a checkpoint


class Crew:
    """One process alone, or as many as torchrun has started, each on a GPU of its own.

    The first leads: it alone speaks, saves and decides. What it has decided is shared over the CPU,
    so that nobody waits for a GPU to hear it. When one is gone, the others' next word to it raises
    RuntimeError, and torchrun ends them.
    """

    def __init__(self):
        shared = 'RODIZIO_LAUNCHER' in os.environ
        self.rank = int(os.environ['RANK']) if shared else 0
        self.size = int(os.environ['WORLD_SIZE']) if shared else 1
        self.leads = self.rank == 0
        self.torch = None
        self._group = None

    def join(self):
        """Loads torch and meets the others. This process's GPU, if any, is current from here on."""
        import torch
        self.torch = torch
        gpu = torch.cuda.is_available()
        if self.size == 1:
            return
        if gpu:
            torch.cuda.set_device(self.rank)
        if sys.platform == 'linux':  # else gloo asks what the machine is called, and may be misled
            os.environ.setdefault('GLOO_SOCKET_IFNAME', 'lo')
        torch.distributed.init_process_group('nccl' if gpu else 'gloo', timeout=LONGEST_WAIT)
        self._group = torch.distributed.new_group(backend='gloo', timeout=LONGEST_WAIT)
        self.wait()  # what gloo prints of its own is not to stand in the middle of our lines

    def gpus(self):
        """What they compute on, for people; None where that is the CPU."""
        if not self.torch.cuda.is_available():
            return None
        name = self.torch.cuda.get_device_name()
        return name if self.size == 1 else '%d x %s' % (self.size, name)

    def decided(self, number):
        """The whole number that the leader has come to, for each of them."""
        if self.size == 1:
            return number
        shared = self.torch.tensor([number])
        self.torch.distributed.broadcast(shared, 0, group=self._group)
        return int(shared)

    def every(self, yes):
        """Whether it holds for all of them."""
        if self.size == 1:
            return yes
        shared = self.torch.tensor([int(yes)])
        self.torch.distributed.all_reduce(shared, self.torch.distributed.ReduceOp.MIN,
                                          group=self._group)
        return bool(shared)

    def wait(self):
        """Until all of them have come this far."""
        self.every(True)

    def part(self):
        """Parts from the others; nothing is shared any more."""
        if self.size > 1:
            self.torch.distributed.destroy_process_group()


def prepare_process(main):
    """`main`, for a process that is alone or one of several: torchrun hears why one of them failed,
    and one alone sees one GPU. Two would become DataParallel: twice the batch."""
    if 'RODIZIO_LAUNCHER' not in os.environ:
        os.environ['CUDA_VISIBLE_DEVICES'] = os.environ.get('CUDA_VISIBLE_DEVICES',
                                                            '0').split(',')[0]
        return main

    def one_of_several(job):
        from torch.distributed.elastic.multiprocessing.errors import record
        if os.environ['RANK'] != '0':
            os.environ['TRANSFORMERS_VERBOSITY'] = 'error'  # it would say the same again
            warnings.simplefilter('ignore')
        record(main)(job)

    whole_lines()
    return one_of_several


def whole_lines():
    """Lets lines of several processes into one pipe without one being cut by another."""
    for number, name in ((1, 'stdout'), (2, 'stderr')):
        setattr(sys, name, open(number, 'w', buffering=1, closefd=False, encoding='utf-8',
                                errors='replace'))
