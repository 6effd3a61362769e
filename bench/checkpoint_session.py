"""A session that trains nothing and saves much: `bench/checkpoints.ts` lets it run as a notebook.

Called as the service calls a Python: it takes the address and the ticket out of the notebook. After
one small checkpoint it writes `ready` into the bench's folder, waits there for `go`, sends the
large ones, and notes in `sent` how long that took.
"""
import argparse
import hashlib
import json
import os
import re
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / 'templates'))
from session.heartbeat import Heartbeat  # noqa: E402
from session.uploads import upload_folder  # noqa: E402
from session.wire import Wire  # noqa: E402

BLOCK = 1_000_000


def main():
    parser = argparse.ArgumentParser()
    for name in ('bench', 'notebook', 'cwd', 'exit-file'):
        parser.add_argument('--' + name, type=Path, required=True)
    parser.add_argument('--large', type=int, required=True, help='how many large checkpoints')
    parser.add_argument('--megabytes', type=int, required=True, help='the size of each')
    args = parser.parse_args()
    text = args.notebook.read_text(encoding='utf-8')
    (address,), (ticket,) = (re.findall(name + r" = '([^']+)'", text)[:1]
                             for name in ('CONTROL_URL', 'TICKET'))
    wire = Wire(address, lambda: None)
    asked = {'ticket': ticket, 'nonce': 'bench-%d' % os.getpid(), 'runtime': {}}
    answer = wire.call('POST', '/v1/session/enrol', asked)
    wire.token = answer['sessionToken']
    order = answer['workOrder']
    heart = Heartbeat(wire, order['heartbeatSeconds'], lambda _answer: None, sys.exit)
    heart.update(phase='train')
    heart.start()
    save(wire, heart, order, args.cwd, 1, [b'small'])
    (args.bench / 'ready').touch()
    while not (args.bench / 'go').exists():
        time.sleep(0.05)
    begun = time.monotonic()
    for step in range(2, args.large + 2):
        save(wire, heart, order, args.cwd, step,
             (os.urandom(BLOCK) for _megabyte in range(args.megabytes)))
    seconds = time.monotonic() - begun
    save(wire, heart, order, args.cwd, args.large + 1, [b'small'], 'artifact')
    heart.close()
    (args.bench / 'sent').write_text(json.dumps({'seconds': seconds}), encoding='utf-8')
    wire.call('POST', '/v1/session/report', {
        'outcome': 'finished', 'step': args.large + 1, 'lastCheckpointStep': args.large + 1,
        'failure': None, 'logTail': ''})


def save(wire, heart, order, folder, step, blocks, kind='checkpoint'):
    """Writes a folder with one file, as an engine would, and carries it to the store."""
    place = folder / ('%s-%d' % (kind, step))
    place.mkdir()
    digest, size = hashlib.sha256(), 0
    with open(place / 'weights.bin', 'wb') as file:
        for block in blocks:
            file.write(block)
            digest.update(block)
            size += len(block)
    manifest = {
        'format': 1, 'kind': kind, 'run': order['run']['id'], 'session': order['session']['id'],
        'generation': order['session']['generation'], 'step': step,
        'targetSteps': order['run']['targetSteps'], 'epoch': 0.5, 'engine': 'dry', 'label': 'dry',
        'plan': order['plan'], 'env': {}, 'metrics': {'loss': 1.0},
        'files': [{'name': 'weights.bin', 'bytes': size, 'sha256': digest.hexdigest()}]}
    text = json.dumps(manifest, sort_keys=True, separators=(',', ':'), ensure_ascii=False) + '\n'
    (place / 'manifest.json').write_text(text, encoding='utf-8')
    heart.log(step, 1.0, 0.1)
    heart.update(step=step)
    upload_folder(wire, kind, step, place)
    heart.update(lastCheckpointStep=step)
    (place / 'weights.bin').unlink()


if __name__ == '__main__':
    main()
