"""A small service that speaks the session protocol, with faults on demand."""
import hashlib
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TICKET = 'rzt_a-ticket-nobody-else-has'
TOKEN = 'rzs_a-token-nobody-else-has'


def sha256(data):
    return hashlib.sha256(data).hexdigest()


class ControlPlane:
    """`with ControlPlane(plan, files) as service`; the attributes are its faults and its memory."""

    def __init__(self, plan, data, options=None, seconds=60.0, heartbeat=0.1):
        self.plan = plan
        self.data = data  # name -> bytes
        self.options = dict({'saveSeconds': 900, 'saveSteps': 0, 'logSteps': 1, 'stepSeconds': 0,
                             'keepLocal': 2}, **(options or {}))
        self.seconds = seconds
        self.heartbeat = heartbeat
        self.began = None
        self.generation = 1
        self.adapter = {}  # name -> bytes
        self.base = {}  # name -> bytes
        self.base_refused = None  # the sentence why there is no way to the base any more
        self.order = 'continue'
        self.stop_at = None  # a step: from then on the order is stop
        self.cut = {}  # path fragment -> how many answers break off half way
        self.fail = {}  # path fragment -> how many answers are 500; -1 for ever
        self.hang = {}  # path fragment -> seconds of silence before each answer
        self.corrupt = set()  # names that arrive with another content, of the newest checkpoint
        self.shortened = set()  # the same, of which the end is missing
        self.lost = set()  # the same, which are not there
        self.expire = {}  # path fragment -> how many answers are those of an address that is over
        self.refuse = {}  # path fragment -> (status, code)
        self.stored = {}  # (kind, step) -> {name: bytes}
        self.manifests = {}  # (kind, step) -> manifest
        self.calls = []
        self.beats = []
        self.report = None
        self.spent = set()
        self.publish = {}  # name -> bytes of a part, None for whole: what the Hub lacks
        self.published = {}  # name -> what has come there, by the number of its part
        self.signed_seen = []  # the headers of what came to signed addresses
        self.ranges = []  # the byte each download began at
        self.url_count = 0

    def __enter__(self):
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = 'HTTP/1.1'

            def do_GET(self):
                service.handle(self)

            do_POST = do_PUT = do_GET

            def log_message(self, *_arguments):
                pass

        self.server = ThreadingHTTPServer(('127.0.0.1', 0), Handler)
        self.server.daemon_threads = True
        self.url = 'http://127.0.0.1:%d' % self.server.server_port
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_error):
        self.server.shutdown()
        self.server.server_close()

    def steps(self, kind='checkpoint'):
        return sorted(step for made, step in self.manifests if made == kind)

    def resume_points(self):
        """The furthest checkpoints as a work order has them, at most two."""
        points = []
        for step in self.steps()[:-3:-1]:
            text = self.manifests['checkpoint', step]
            files = dict(self.stored['checkpoint', step], **{'manifest.json': text})
            points.append({'step': step, 'generation': 1, 'manifestSha256': sha256(text),
                           'files': [self.entry('resume@%d' % step, name, body)
                                     for name, body in files.items()]})
        return points

    def take_over(self, folder):
        """Makes a committed folder on this disk one that was uploaded; gives its step."""
        text = (folder / 'manifest.json').read_bytes()
        manifest = json.loads(text.decode('utf-8'))
        key = manifest['kind'], manifest['step']
        self.stored[key] = {file['name']: (folder / file['name']).read_bytes()
                            for file in manifest['files']}
        self.manifests[key] = text
        return manifest['step']

    def entry(self, section, name, body):
        self.url_count += 1
        return {'name': name, 'bytes': len(body), 'sha256': sha256(body), 'rows': body.count(b'\n'),
                'url': '%s/v1/transfers/%s-%s-%d' % (self.url, section, name, self.url_count)}

    def work_order(self):
        points = self.resume_points()
        return {'protocol': 1,
                'run': {'id': 'run_1', 'name': 'a-run', 'targetSteps': self.plan['targetSteps']},
                'session': {'id': 'ses_1', 'generation': self.generation, 'account': 'ana',
                            'provider': 'local'},
                'secondsLeft': self.seconds_left(), 'heartbeatSeconds': self.heartbeat,
                'engine': 'dry', 'plan': self.plan, 'options': self.options,
                'data': {'version': 'ds_1', 'files': [self.entry('data', name, body)
                                                      for name, body in self.data.items()]},
                'adapter': {'sha256': sha256(self.adapter['manifest.json']),
                            'files': [self.entry('adapter', name, body)
                                      for name, body in self.adapter.items()]}
                if self.adapter else None,
                'base': self.base_order(),
                'resume': points[0] if points else None, 'earlier': points[1:]}

    def order_for(self, _beat):
        return self.order

    def base_order(self):
        if not self.base:
            return None
        made = {'id': 'owner/base', 'revision': 'c' * 40}
        if self.base_refused:
            return dict(made, files=[], refused=self.base_refused)
        return dict(made, files=[self.entry('base', name, body)
                                 for name, body in self.base.items()])

    def seconds_left(self):
        return self.seconds - (time.monotonic() - self.began)

    def handle(self, request):
        body = request.rfile.read(int(request.headers.get('content-length') or 0))
        self.calls.append((request.command, request.path))
        for fragment, seconds in self.hang.items():
            if fragment in request.path:
                time.sleep(seconds)
        if self.take(self.fail, request.path):
            return self.answer(request, 500, {'code': 'internal', 'detail': 'on demand'})
        for fragment, (status, code) in self.refuse.items():
            if fragment in request.path:
                return self.answer(request, status, {'code': code, 'detail': 'refused: ' + code})
        if '/signed/' in request.path:
            return self.signed(request, body)
        if '/transfers/' in request.path:
            return self.transfer(request, body)
        sent = json.loads(body.decode('utf-8')) if body else None
        if request.path.endswith('/enrol'):
            if sent['ticket'] != TICKET:
                return self.answer(request, 401, {'code': 'ticket_unknown', 'detail': 'unknown'})
            self.began = time.monotonic()
            return self.answer(request, 200, {'sessionToken': TOKEN,
                                              'workOrder': self.work_order()})
        if request.headers.get('authorization') != 'Bearer ' + TOKEN:
            return self.answer(request, 401, {'code': 'token_unknown', 'detail': 'unknown token'})
        return self.answer(request, 200, self.reply(request.path, sent))

    def reply(self, path, sent):
        if path.endswith('/work-order'):
            return self.work_order()
        if path.endswith('/heartbeat'):
            self.beats.append(sent)
            if self.stop_at is not None and sent['step'] >= self.stop_at:
                self.order = 'stop'
            return {'order': self.order_for(sent), 'secondsLeft': self.seconds_left(),
                    'heartbeatSeconds': self.heartbeat, 'reason': 'on demand'}
        if path.endswith('/uploads'):
            key = (sent['kind'], sent['step'])
            held = self.stored.setdefault(key, {})
            files = []
            for file in sent['files']:
                whole = sha256(held.get(file['name'], b'\0none')) == file['sha256']
                self.url_count += 1
                files.append({'name': file['name'], 'url': None if whole else (
                    '%s/v1/transfers/up-%s-%d-%s-%s-%d' % (
                        self.url, key[0], key[1], file['sha256'], file['name'], self.url_count))})
            return {'uploadId': 'upl_%s_%d' % key, 'files': files}
        if path.endswith('/commit'):
            kind, step = path.split('/')[-2].split('_')[1:]
            text = sent['manifest'].encode('utf-8')
            assert sha256(text) == sent['sha256']
            for file in json.loads(text.decode('utf-8'))['files']:
                assert sha256(self.stored[kind, int(step)][file['name']]) == file['sha256']
            self.manifests[kind, int(step)] = text
            return {'step': int(step), 'committed': True}
        if path.endswith('/publications'):
            left = [name for name in self.publish if name not in self.published_whole()]
            done = ['hub:ana/house'] if self.publish and not left else []
            return {'uploads': [self.signed_upload(name) for name in left], 'published': done}
        assert path.endswith('/report'), path
        self.report = sent
        return {'ok': True}

    def published_whole(self):
        files = self.stored.get(('artifact', self.plan['targetSteps']), {})
        return [name for name, parts in self.published.items()
                if b''.join(parts[number] for number in sorted(parts)) == files[name]]

    def signed_upload(self, name):
        body = self.stored['artifact', self.plan['targetSteps']][name]
        size = self.publish[name]
        self.url_count += 1
        href = '%s/signed/%s/%d' % (self.url, name, self.url_count)
        count = -(-len(body) // size) if size else 0
        return {'name': name, 'bytes': len(body), 'sha256': sha256(body), 'href': href + '/0',
                'headers': {'x-told': 'so'} if not size else {},
                'parts': {'partBytes': size, 'hrefs': ['%s/%d' % (href, number + 1)
                                                       for number in range(count)]}
                if size else None}

    def signed(self, request, body):
        self.signed_seen.append({name.lower(): value for name, value in request.headers.items()})
        _, _, name, _count, number = request.path.split('/')
        if self.take(self.expire, request.path):
            return self.answer(request, 403, {})
        if request.command == 'PUT':
            self.published.setdefault(name, {})[int(number)] = body
        else:
            parts = json.loads(body.decode('utf-8'))['parts']
            held = self.published[name]
            assert [part['etag'] for part in parts] == [sha256(held[part['partNumber']])
                                                        for part in parts]
        request.send_response(200)
        request.send_header('etag', sha256(body))
        request.send_header('content-length', '0')
        request.end_headers()
        return None

    def transfer(self, request, body):
        name = request.path.split('/')[-1]
        if name in self.spent:
            return self.answer(request, 410, {'code': 'url_spent', 'detail': 'spent'})
        if request.command == 'PUT':
            _up, kind, step, digest, rest = name.split('-', 4)
            if sha256(body) != digest:
                return self.answer(request, 422, {'code': 'hash_mismatch', 'detail': 'differs'})
            self.stored[kind, int(step)][rest.rpartition('-')[0]] = body
            self.spent.add(name)
            return self.answer(request, 201, {})
        if self.take(self.expire, request.path):
            return self.answer(request, 403, {})
        section, rest = name.split('-', 1)
        file = rest.rpartition('-')[0]
        if section == 'data':
            content, faulty = self.data[file], True
        elif section == 'base':
            content, faulty = self.base[file], True
        elif section == 'adapter':
            content, faulty = self.adapter[file], True
        else:
            step = int(section.partition('@')[2])
            faulty = step == self.steps()[-1]
            content = (self.manifests['checkpoint', step] if file == 'manifest.json'
                       else self.stored['checkpoint', step][file])
        if faulty and file in self.lost:
            return self.answer(request, 404, {'code': 'not_found', 'detail': 'it is not there'})
        if faulty and file in self.corrupt:
            content = content[:-1] + bytes([content[-1] ^ 1])
        if faulty and file in self.shortened:
            content = content[:-1]
        start = int((request.headers.get('range') or 'bytes=0-')[6:-1])
        self.ranges.append(start)
        if start >= len(content) > 0:
            return self.answer(request, 416, {'code': 'range', 'detail': 'it ends before'})
        request.send_response(206 if start else 200)
        request.send_header('content-length', str(len(content) - start))
        if start:
            request.send_header('content-range', 'bytes %d-%d/%d'
                                % (start, len(content) - 1, len(content)))
        request.end_headers()
        if self.take(self.cut, request.path):
            request.wfile.write(content[start:start + (len(content) - start) // 2])
            request.close_connection = True
            return None
        request.wfile.write(content[start:])
        return None

    @staticmethod
    def take(faults, path):
        for fragment, left in faults.items():
            if fragment in path and left:
                faults[fragment] = left - 1
                return True
        return False

    @staticmethod
    def answer(request, status, value):
        body = json.dumps(value).encode('utf-8')
        try:
            request.send_response(status)
            request.send_header('content-type', 'application/json')
            request.send_header('content-length', str(len(body)))
            request.end_headers()
            request.wfile.write(body)
        except OSError:
            pass  # the other side has gone: that is its right
