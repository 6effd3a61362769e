"""The training program in float16, as on a T4, on any GPU. On a CPU it refuses: there it would be
neither."""
import harness
import train
from rodizio_engine.crew import prepare_process


def half_of(torch):
    if not torch.cuda.is_available():
        raise harness.Refusal('no_gpu', 'float16 can be forced on a GPU alone, and none is here')
    return 'float16'


train.half_of = half_of
if __name__ == '__main__':
    harness.run_program(prepare_process(train.main))
