"""The callback that speaks for the trainer: logs, saves by the clock, leaves in time."""
import math
import shutil
import time
from pathlib import Path

import harness

from .chance import Random
from .checkpoint import state_files
from .written import sort_targets

REASONS = (None, 'finished', 'limit', 'stopped')
LOGGED = ('step', 'epoch', 'loss', 'grad_norm', 'learning_rate')  # all that a checkpoint keeps


def relay_for(job, control, pace, env, crew, order):
    """The callback that speaks for the trainer: logs, saves by the clock, leaves in time. What the
    leader decides holds for every process of the crew, at the same batch."""
    import torch
    from transformers import TrainerCallback
    target = job['plan']['targetSteps']
    log_steps = max(1, int(job['options'].get('logSteps') or 1))

    class Relay(TrainerCallback):
        def __init__(self):
            self.begun = time.monotonic()
            self.save_begun = None
            self.tokens = 0
            self.loss = None
            self.reason = None
            self.random = None

        def on_epoch_begin(self, _arguments, state, _flow, **_more):
            order.go_on_from(state.global_step)

        def on_step_begin(self, _arguments, _state, _flow, **_more):
            self.begun = time.monotonic()

        def on_substep_end(self, _arguments, state, flow, **_more):
            reason = None
            try:
                if crew.leads:
                    pace.leave_in_mid_step()
            except harness.Leave:
                reason = 'stopped' if control.stop else 'limit'
            self.agree(flow, reason, reason and state.global_step != pace.saved_step)
            if flow.should_save:
                self.random.restore()  # what is saved is the state after the last whole step

        def on_step_end(self, _arguments, state, flow, **_more):
            control.poll()
            pace.stepped(time.monotonic() - self.begun)
            step = state.global_step
            reason = ('finished' if step >= target
                      else pace.reason_to_leave() or pace.reason_to_hand_over())
            self.agree(flow, reason, reason or pace.should_save(step))
            self.random = Random()

        def agree(self, flow, reason, save):
            """Does what the leader is for: leave or go on, save or not."""
            decided = crew.decided(2 * REASONS.index(reason) + bool(save))
            self.reason = REASONS[decided // 2]
            flow.should_training_stop = self.reason is not None
            flow.should_save = decided % 2 == 1
            self.save_begun = time.monotonic()

        def on_log(self, _arguments, state, _flow, logs=None, **_more):
            if not logs or 'loss' not in logs:
                return
            state.log_history[-1] = {name: value for name, value in state.log_history[-1].items()
                                     if name in LOGGED}
            step, tokens = state.global_step, logs.get('num_tokens', self.tokens)
            seconds = max(1e-6, time.monotonic() - self.begun)
            speed, self.tokens = (tokens - self.tokens) / seconds, tokens
            self.loss = logs['loss'] if math.isfinite(logs['loss']) else None
            if crew.leads and (step % log_steps == 0 or step >= target):
                memory = torch.cuda.max_memory_allocated() if torch.cuda.is_available() else None
                harness.emit('LOG', {
                    'step': step, 'loss': self.loss, 'learningRate': logs.get('learning_rate'),
                    'tokensPerSecond': round(speed, 1), 'vramBytes': memory,
                    'seconds': round(seconds, 3)})

        def on_save(self, arguments, state, _flow, **_more):
            crew.wait()  # each has written its random state
            if not crew.leads:
                return
            step = state.global_step
            source = Path(arguments.output_dir) / ('checkpoint-%d' % step)

            def write(folder):
                for name in state_files(crew.size):
                    shutil.move(str(source / name), str(folder / name))
                if (source / 'scaler.pt').exists():
                    shutil.move(str(source / 'scaler.pt'), str(folder / 'scaler.pt'))
                sort_targets(folder)

            seconds = harness.save_checkpoint(
                job, control, step, write, state.epoch or 0.0,
                {'loss': self.loss, 'heldOutLoss': None}, env, self.save_begun)
            shutil.rmtree(source, ignore_errors=True)
            pace.saved(step, seconds)

    return Relay()
