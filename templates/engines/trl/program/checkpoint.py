"""What a checkpoint must hold for the trainer to go on from it as if it had never stopped."""
import harness

# Without one of them the trainer resumes without a word and goes wrong: it begins at rate 0, or
# with other dropout. In float16 the scaler's state is there as well.
COMMON_FILES = ('adapter_config.json', 'adapter_model.safetensors', 'optimizer.pt', 'scheduler.pt',
                'trainer_state.json')


def state_files(processes):
    """The names of a checkpoint's files: each process that trained has its own random state."""
    chance = (['rng_state.pth'] if processes == 1
              else ['rng_state_%d.pth' % rank for rank in range(processes)])
    return sorted([*COMMON_FILES, *chance])


def processes_of(manifest):
    """How many processes trained what this is the manifest of."""
    return manifest['env'].get('processes', 1)


def resume_folder(job, manifest):
    """The checkpoint's folder, every file of it there that resuming needs."""
    if not manifest:
        return None
    listed = {file['name'] for file in manifest['files']}
    for name in state_files(processes_of(manifest)):
        if name not in listed:
            raise harness.Refusal('damaged_checkpoint', 'the checkpoint of step %s has no %s'
                                  % (manifest['step'], name))
    return job['resume']
