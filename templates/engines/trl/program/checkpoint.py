"""What a checkpoint must hold for the trainer to go on from it as if it had never stopped."""
import harness

# Without one of them the trainer resumes without a word and goes wrong: it begins at rate 0, or
# with other dropout. In float16 the scaler's state is there as well.
STATE_FILES = ('adapter_config.json', 'adapter_model.safetensors', 'optimizer.pt', 'rng_state.pth',
               'scheduler.pt', 'trainer_state.json')


def resume_folder(job, manifest):
    """The checkpoint's folder, every file of it there that resuming needs."""
    if not manifest:
        return None
    listed = {file['name'] for file in manifest['files']}
    for name in STATE_FILES:
        if name not in listed:
            raise harness.Refusal('damaged_checkpoint', 'the checkpoint of step %s has no %s'
                                  % (manifest['step'], name))
    return job['resume']
