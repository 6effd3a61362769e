"""What training draws its random numbers from, as a state that can be put back."""
import random


class Random:
    """The state of every generator that training draws from."""

    def __init__(self):
        import numpy
        import torch
        self.state = (random.getstate(), numpy.random.get_state(), torch.get_rng_state(),
                      torch.cuda.get_rng_state_all() if torch.cuda.is_available() else None)

    def restore(self):
        import numpy
        import torch
        own, array, cpu, gpus = self.state
        random.setstate(own)
        numpy.random.set_state(array)
        torch.set_rng_state(cpu)
        if gpus is not None:
            torch.cuda.set_rng_state_all(gpus)


def draw_apart(seed, step, rank):
    """Begins random numbers that no other process of this session draws, and none did at another
    step of the run."""
    from transformers import set_seed
    set_seed((seed + 7919 * (rank + 1) + 104729 * step) % 2 ** 32)
