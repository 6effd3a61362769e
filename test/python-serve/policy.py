"""A small service that speaks the session protocol to sessions of a serving policy."""
import hashlib
import json
import sys
from pathlib import Path

from box import KEY, write_adapter

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / 'test' / 'python'))
from control_plane import TICKET, TOKEN, ControlPlane, sha256  # noqa: E402

__all__ = ['TICKET', 'TOKEN', 'PolicyService']


class PolicyService(ControlPlane):
    """The service of a policy whose adapter is that of a folder; see ControlPlane for its faults.

    `changes` are fields of the plan other than the usual ones.
    """

    def __init__(self, folder, provider='local', seconds=120.0, heartbeat=0.3, **changes):
        self.provider = provider
        self.sha256 = write_adapter(folder)
        plan = {'engine': 'serve', 'adapter': self.sha256, 'base': 'tiny', 'revision': 'main',
                'quantization': 'none', 'keySha256': hashlib.sha256(KEY.encode()).hexdigest(),
                'reach': 'local', 'maxTokens': 2000, **changes}
        super().__init__(plan, {}, seconds=seconds, heartbeat=heartbeat)
        self.restarts = 0  # that are wanted
        self.adapter = {path.name: path.read_bytes() for path in Path(folder).iterdir()}

    def work_order(self):
        return {'protocol': 1, 'run': {'id': 'run_1', 'name': 'nights', 'targetSteps': 0},
                'session': {'id': 'ses_1', 'generation': 1, 'account': 'ana',
                            'provider': self.provider},
                'secondsLeft': self.seconds_left(), 'heartbeatSeconds': self.heartbeat,
                'engine': 'serve', 'plan': self.plan, 'options': self.options, 'data': None,
                'adapter': {'sha256': sha256(self.adapter['manifest.json']),
                            'files': [self.entry('adapter', name, body)
                                      for name, body in self.adapter.items()]},
                'base': self.base_order(), 'resume': None, 'earlier': []}

    def order_for(self, beat):
        said = (beat.get('node') or {}).get('restarts', 0)
        return 'restart' if self.order == 'continue' and said < self.restarts else self.order

    def nodes(self):
        """What its heartbeats have said of the node, (ready, url), each turn once."""
        said = [beat.get('node') for beat in list(self.beats)]
        turns = [node and (node['ready'], node['url']) for node in said]
        return [turn for index, turn in enumerate(turns) if index == 0 or turns[index - 1] != turn]


def notebook_of(service, folder, light, provider='local'):
    """The committed notebook of that provider's session in `folder`, its parameters set as a tool
    would set them, and the cell `light` behind the one that writes the programs."""
    made = ROOT / 'notebooks' / ('serve-session-' + provider) / 'notebook.ipynb'
    notebook = json.loads(made.read_text(encoding='utf-8'))
    first = 'CONTROL_URL = %r\nTICKET = %r\nREQUIRE_GPU = False\n' % (service.url, TICKET)
    for tag, source in (('parameters', first), ('agent', light)):
        if source:
            at = next(index for index, cell in enumerate(notebook['cells'])
                      if cell['metadata'].get('tags') == [tag])
            notebook['cells'].insert(at + 1, {
                'cell_type': 'code', 'execution_count': None, 'id': 'injected-' + tag,
                'metadata': {'tags': ['injected-' + tag]}, 'outputs': [], 'source': source})
    path = Path(folder) / 'notebook.ipynb'
    path.write_text(json.dumps(notebook), encoding='utf-8')
    return path
