"""Sessions of the committed notebooks, against a small service that speaks the session protocol."""
import json
import subprocess

from training import ROOT, TICKET, ControlPlane, environment, python_of

RUNNER = ROOT / 'templates' / 'run_notebook.py'
JUPYTER = ROOT / 'test' / 'clients' / 'run_with_nbclient.py'


class Service(ControlPlane):
    """The service of a run with the engine `trl`."""

    def work_order(self):
        return dict(super().work_order(), engine='trl')


def start_session(machine, provider, stack, service, runner=RUNNER, gpus=None):
    """Starts a provider's committed notebook as it stands, its parameters set as a tool would set
    them, in the folder `working` of `machine` and in a process group of its own. `gpus` stands for
    what its probe has counted."""
    notebook = json.loads((ROOT / 'notebooks' / ('train-trl-' + provider) / 'notebook.ipynb')
                          .read_text(encoding='utf-8'))
    # There is no GPU here; that Kaggle and Colab refuse to go without is tried elsewhere.
    source = 'CONTROL_URL = %r\nTICKET = %r\nREQUIRE_GPU = False\n' % (service.url, TICKET)
    insert_after(notebook, 'parameters', source)
    if gpus:
        insert_after(notebook, 'probe', 'session.gpus = %d\n' % gpus)
    working = machine / 'working'
    working.mkdir(parents=True)
    path = machine / 'notebook.ipynb'
    path.write_text(json.dumps(notebook), encoding='utf-8')
    return subprocess.Popen(
        [python_of(stack), str(runner), '--notebook', str(path), '--cwd', str(working),
         '--exit-file', str(machine / 'exit.json')],
        env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        start_new_session=True)


def insert_after(notebook, tag, source):
    """Puts a cell behind the one of that tag, as a tool puts parameters."""
    at = next(index for index, cell in enumerate(notebook['cells'])
              if cell['metadata'].get('tags') == [tag])
    notebook['cells'].insert(at + 1, {
        'cell_type': 'code', 'execution_count': None, 'id': 'injected-' + tag,
        'metadata': {'tags': ['injected-' + tag]}, 'outputs': [], 'source': source})


def artifact_of(service, step, folder):
    """Puts the artifact that was handed in into `folder`, as a finished run leaves it."""
    (folder / 'artifact').mkdir(parents=True)
    for name, body in service.stored['artifact', step].items():
        (folder / 'artifact' / name).write_bytes(body)
    return folder
