"""The versions that a training ran on, and what differs from those of the session before."""
from importlib import metadata


def versions():
    """The version of each library, None where it is not there."""
    found = {}
    for name in ('torch', 'transformers', 'peft', 'trl', 'bitsandbytes', 'accelerate', 'datasets'):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = None
    return found


def say_other_environment(manifest, env):
    """Versions may differ between the sessions of a run; a person should see when they did."""
    before = dict({'processes': 1}, **manifest['env']) if manifest else {}
    for name in sorted(set(before) & set(env)):
        if before[name] != env[name]:
            print('%s is %s here; the checkpoint was made with %s'
                  % (name, env[name], before[name]))
    if before.get('processes', env['processes']) != env['processes']:
        print('other processes: from here on dropout is not what it would have been')
