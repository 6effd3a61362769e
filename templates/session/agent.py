"""One session on somebody else's machine: from the ticket to the report.

    session = enrol(CONTROL_URL, TICKET, ENGINE)
    with session.phase('data'):
        session.fetch_data()

Whatever goes wrong inside a phase is reported and ends the notebook with one sentence. The ticket,
the token and the addresses of transfers are printed nowhere and stand in no file.
"""
import contextlib
import json
import shutil
import signal
import tempfile
import time
import traceback
import uuid
from pathlib import Path

from .failures import Failure, Stopped
from .heartbeat import BEAT_SECONDS, Heartbeat
from .log_tail import LogTail
from .machine import runtime
from .program import Program
from .publishing import TROUBLE_ON_THE_WAY, publish_folder
from .supplies import Supplies
from .uploads import Uploads, upload_folder
from .wire import Fenced, OutOfTime, Refused, Wire

ENROL_SECONDS = 900.0  # of a service that does not answer; only the answer brings a deadline
FAILED_UPLOAD_SECONDS = 300.0  # what a failing session still gives to a checkpoint under way
NONCE = uuid.uuid4().hex  # one per process: a repeated enrolment is known by it

_current = None


def enrol(control_url, ticket, engine, first_wait=1.0):
    """Exchanges the ticket for a session; raises SystemExit with a sentence when it is refused.

    Called again in one process, it takes the place of the session before.
    """
    session = take_place(Session(control_url, first_wait))
    session.enrol(ticket, engine)
    return session


def take_place(session):
    """Makes it the one session of this process; one that was there before is closed."""
    global _current
    if _current is not None:
        _current.close()
    _current = session
    return session


class Session:
    """The state of one session; made by `enrol`."""

    def __init__(self, control_url, first_wait=1.0):
        self.log = LogTail()
        self.say = self.log.say
        self.folder = Path(tempfile.mkdtemp(prefix='session-'))  # private: the working directory
        self.program = Program(self.folder)                      # may be published by the provider
        learn = self.log.learn_secret
        self.wire = Wire(control_url, self._check, learn, first_wait)
        self.carrier = Wire(control_url, self._check_fence, learn, first_wait)
        self.heart = None
        self.uploads = None
        self.order = None
        self.started = None
        self.deadline = None
        self.step = 0
        self.last_checkpoint = 0
        self.supplies = None
        # The folders of what was fetched.
        self.resume = self.adapter = self.data = self.base = None
        self.gpus = 1  # that can train together; the probe counts them
        self.stop_asked = False
        self._stop_ends_it = True
        self._fence = None
        self._ending = None
        self._refusal = None
        self._reported = False
        self._previous_handler = None

    def enrol(self, ticket, engine):
        """See `enrol` above."""
        for secret in (ticket, NONCE):
            self.log.learn_secret(secret)
        self._listen()
        body = {'ticket': ticket, 'nonce': NONCE, 'runtime': runtime()}
        self.wire.deadline = time.monotonic() + ENROL_SECONDS
        try:
            answer = self.wire.call('POST', '/v1/session/enrol', body)
            self.wire.token = self.carrier.token = answer['sessionToken']
            self.log.learn_secret(self.wire.token)
            every = self._take_order(answer['workOrder'])
        except Refused as refused:
            self._leave('the service did not let this session in: %s' % refused)
        except (OutOfTime, Stopped, Fenced) as error:
            self._leave('the session did not begin: %s' % error)
        except (KeyError, TypeError, ValueError):
            self._leave('the service answered the enrolment in a form this notebook cannot read')
        self._begin(every, engine)

    def _take_order(self, order):
        """Takes up a work order, whose time counts from now; its seconds between heartbeats."""
        self.order = order
        self.started = time.monotonic()
        self._set_deadline(float(order['secondsLeft']))
        for file in (order.get('base') or {}).get('files', ()):
            self.wire.absolute(file['url'])  # learnt as a secret before anything is printed
        resume = order.get('resume')
        self.step = self.last_checkpoint = resume['step'] if resume else 0
        return float(order.get('heartbeatSeconds') or 60)

    def _begin(self, every, engine):
        """Starts the heartbeat and the carrier, and holds the order against the notebook."""
        self.supplies = Supplies(self.wire, self.folder, self.order, self.say, self._fresh_order)
        self.heart = Heartbeat(self._send_beat, every, self._on_answer, self._on_fenced)
        self.heart.update(step=self.step, lastCheckpointStep=self.last_checkpoint)
        self.uploads = Uploads(self._carry, self.say, self._on_upload, self._on_commit,
                               self._on_fenced)
        self.heart.start()
        run, session = self.order['run'], self.order['session']
        self.say('session %s of run %s, generation %s: %d s left, %s'
                 % (session['id'], run['name'], session['generation'], self.seconds_left(),
                    self._aim()))
        with self.phase('install'):
            if self.order.get('protocol') != 1:
                raise Failure('notebook_bug', 'the service speaks another protocol than this '
                              'notebook: render the notebook again')
            if self.order['engine'] != engine:
                raise Failure('refused_plan', 'the run uses the engine %s and this notebook holds '
                              '%s: render the notebook again' % (self.order['engine'], engine))

    def _aim(self):
        return 'from step %d to %d' % (self.step, self.order['run']['targetSteps'])

    @contextlib.contextmanager
    def phase(self, name):
        """Names what is going on for the service; ends the notebook with a report on any error."""
        self.heart.update(phase=name)
        try:
            self._check()
            yield
        except BaseException as error:
            self._end(error)

    def fetch_resume(self):
        """Brings the checkpoint to go on from to this disk; says so when there is none.

        One that an earlier session could not hand in is handed in by this one.
        """
        brought = self.supplies.checkpoint()
        if brought is None:
            self.say('this run begins at step 0')
            return
        self.resume, self.step, was_left = brought
        self.heart.update(step=self.step)
        self.say('checkpoint of step %d %s' % (self.step, 'found: an earlier session has left it '
                                               'here' if was_left else 'fetched'))
        if was_left:
            self._offer(self.step, self.resume)
        else:
            self.last_checkpoint = self.step
            self.heart.update(lastCheckpointStep=self.step)

    def fetch_adapter(self):
        """Brings the adapter that the first step begins with, where the plan names one."""
        self.adapter = self.supplies.adapter()

    def fetch_base(self):
        """Brings the base to this disk, where the training program cannot find it by its name."""
        self.base = self.supplies.base()

    def fetch_data(self):
        """Brings the training data to this disk, each file as its hash promises."""
        self.data = self.supplies.data()

    def train(self, script='train.py'):
        """Runs the training program to its end; its checkpoints travel in the background."""
        order = self.order
        for folder in ('checkpoints', 'artifact'):  # of an earlier session in this directory
            shutil.rmtree(folder, ignore_errors=True)
        job = {'run': order['run']['id'], 'session': order['session']['id'],
               'generation': order['session']['generation'],
               'label': 'dry' if order['engine'] == 'dry' else 'candidate',
               'plan': order['plan'], 'options': order.get('options') or {},
               'secondsLeft': self.seconds_left(),
               'sessionSeconds': self.deadline - self.started,
               'train': str(self.data / 'train.jsonl'),
               'validation': str(self.data / 'validation.jsonl'),
               'resume': str(self.resume) if self.resume else None,
               'adapter': str(self.adapter) if self.adapter else None,
               'base': str(self.base) if self.base else None,
               'checkpoints': 'checkpoints', 'artifact': 'artifact',
               'processes': self._processes()}
        self._check()
        self._stop_ends_it = False  # from here on the program saves first
        self.program.tell(self.seconds_left(), stop=self.stop_asked)
        status = self.program.run(script, job, self._on_line)
        self._check_fence()
        if self._refusal:
            raise Failure(self._refusal.get('class') or 'notebook_bug',
                          self._refusal.get('message') or 'the training program refused',
                          self._refusal.get('line'), self._refusal.get('rowsAtOnce'))
        if self._ending is None and self.stop_asked and status in (-15, -2, 130, 143):
            self._ending = {'step': self.step, 'reason': 'stopped', 'artifact': None}
        if self._ending is None or status != 0:
            last = self.log.tail().strip().splitlines()[-1:] or ['it printed nothing']
            raise Failure('notebook_bug', 'the training program ended with status %d: %s'
                          % (status, last[0]))
        self.step = self._ending['step']

    def finish(self):
        """Waits for the last upload, carries the artifact of a finished run, and reports."""
        outcome = self._ending['reason']
        self._offer_last()
        self.uploads.wait(self.carrier.deadline)
        self._check_fence()
        if self.uploads.refusal:
            raise Failure('notebook_bug', 'the service did not take the checkpoint: %s'
                          % self.uploads.refusal)
        if outcome == 'finished':
            if self.last_checkpoint != self.order['run']['targetSteps']:
                outcome = 'limit'
            else:
                try:
                    self._carry('artifact', self.step, self._ending['artifact'])
                except OutOfTime:
                    outcome = 'limit'
                else:
                    self._publish(self._ending['artifact'])
        self._report(outcome)
        self.say({'finished': 'finished: step %d, artifact and all',
                  'limit': 'the time of this session is over at step %d; another goes on',
                  'stopped': 'stopped at step %d, as ordered'}[outcome] % self.step)
        self.close()

    def seconds_left(self):
        return self.deadline - time.monotonic()

    def close(self):
        """Ends threads and the child, and removes what the session kept outside the directory."""
        if self.heart:
            self.heart.close()
        if self.uploads:
            self.uploads.close()
        self.program.kill()
        if self._previous_handler is not None:
            with contextlib.suppress(ValueError):
                signal.signal(signal.SIGTERM, self._previous_handler)
            self._previous_handler = None
        shutil.rmtree(self.folder, ignore_errors=True)

    def _send_beat(self, beat):
        return self.carrier.once('POST', '/v1/session/heartbeat', beat, BEAT_SECONDS)

    def _carry(self, kind, step, folder, give_up=None):
        upload_folder(self.carrier, kind, step, folder, give_up)

    def _publish(self, folder):
        """Carries the adapter on to where it is published; the run does not hang on it."""
        try:
            publish_folder(self.carrier, folder, self.say)
        except TROUBLE_ON_THE_WAY as error:
            if getattr(error, 'status', None) != 404:  # a service that publishes nothing
                self.say('the adapter is in the store, and was not published from here: %s'
                         % (str(error) or type(error).__name__))

    def _offer(self, step, folder):
        """A checkpoint has been made on this disk."""
        self.uploads.offer(step, folder)

    def _offer_last(self):
        """No more checkpoints will be made; the carrier has been offered all of them already."""

    def _fresh_order(self, _name):
        """The work order anew, because the address of that file is spent."""
        answer = self.wire.call('GET', '/v1/session/work-order')
        return answer.get('workOrder') or answer

    def _listen(self):
        """SIGTERM asks for a checkpoint and the end; a handler that was there hears it too."""
        previous = signal.getsignal(signal.SIGTERM)

        def on_term(number, frame):
            self.stop_asked = True
            self.program.stop()
            if callable(previous):
                previous(number, frame)

        try:
            signal.signal(signal.SIGTERM, on_term)
            self._previous_handler = previous
        except ValueError:
            pass  # not the main thread: the provider's own limit has to do

    def _set_deadline(self, seconds_left):
        """The deadline only ever comes closer; the last moments are kept for the report."""
        end = time.monotonic() + seconds_left
        self.deadline = end if self.deadline is None else min(self.deadline, end)
        self.wire.deadline = self.deadline
        self.carrier.deadline = self.deadline - min(10.0, 0.02 * (self.deadline - self.started))

    def _check_fence(self):
        if self._fence:
            raise Fenced(self._fence)

    def _check(self):
        self._check_fence()
        if self.stop_asked and self._stop_ends_it:
            raise Stopped('it was told to stop')

    def _on_answer(self, answer):
        if answer.get('secondsLeft') is not None:
            self._set_deadline(float(answer['secondsLeft']))
        order = answer.get('order')
        if order == 'stop':
            if not self.stop_asked:
                self.say('told to stop: %s' % (answer.get('reason') or 'no reason given'))
            self.stop_asked = True
        if order == 'checkpoint_now':
            self.program.checkpoint_now(self.seconds_left())
        else:
            self.program.tell(self.seconds_left(), stop=self.stop_asked)

    def _on_fenced(self, reason):
        self._fence = reason
        self.program.kill()

    def _on_upload(self, step):
        self.program.tell(self.seconds_left(), uploading=step)

    def _on_commit(self, step, seconds):
        self.last_checkpoint = max(self.last_checkpoint, step)
        self.heart.update(lastCheckpointStep=self.last_checkpoint)
        # Twice: at the end one may be under way when the last one is made.
        self.program.tell(self.seconds_left(), uploading=None,
                          uploadSeconds=2 * self.uploads.slowest())
        self.say('checkpoint %d is safe, %.1f s for the upload' % (step, seconds))

    def _processes(self):
        """One for each GPU, where they can share the rows of a step evenly; else one alone."""
        rows = self.order['plan']['batchSize'] * self.order['plan']['accumulation']
        if rows % self.gpus == 0:
            return self.gpus
        self.say('one of %d GPUs is used: they cannot share the %d rows of a step evenly'
                 % (self.gpus, rows))
        return 1

    def _on_line(self, line):
        self.say(line)
        kind, _, text = line.partition(' ')
        if not kind.startswith('RODIZIO_'):
            return
        try:
            news = json.loads(text)
        except ValueError:
            return  # a line cut short by the end of the program
        if kind == 'RODIZIO_ENV':
            self.heart.update(phase='train', gpu=news.get('gpu'))
        elif kind == 'RODIZIO_LOG':
            self.step = news['step']
            if news['loss'] is not None and news['learningRate'] is not None:
                self.heart.log(news['step'], news['loss'], news['learningRate'])
            self.heart.update(**{name: news.get(name) for name in (
                'step', 'loss', 'learningRate', 'tokensPerSecond', 'vramBytes')})
        elif kind == 'RODIZIO_SAVED':
            self._offer(news['step'], news['path'])
        elif kind == 'RODIZIO_END':
            self._ending = news
        elif kind == 'RODIZIO_REFUSED':
            self._refusal = news

    def _report(self, outcome, failure=None):
        """Says how it ended, once, until the deadline."""
        if self._reported:
            return
        self._reported = True
        self._stop_ends_it = False
        self.heart.close()
        body = {'outcome': outcome, 'step': self.step, 'lastCheckpointStep': self.last_checkpoint,
                'failure': failure, 'logTail': self.log.tail()}
        self._send_report(body)

    def _send_report(self, body):
        try:
            self.wire.call('POST', '/v1/session/report', body)
        except (OutOfTime, Refused) as error:
            self.say('the report did not arrive: %s' % error)

    def _end(self, error):
        """Turns what happened into a report and one sentence; always raises SystemExit."""
        self._stop_ends_it = False
        try:
            self._check_fence()
            if isinstance(error, Fenced):
                raise error
            text = self._report_of(error)
        except Fenced as fenced:
            text = 'this session ends and writes nothing more: %s' % fenced
        self._leave(text)

    def _report_of(self, error):
        text = self.log.scrub(str(error))
        if isinstance(error, (Stopped, KeyboardInterrupt)):
            self._report('stopped')
            return 'the session was stopped before its end'
        if isinstance(error, OutOfTime):
            self._report('limit')
            return text
        failure = {'class': 'notebook_bug', 'message': text, 'line': None}
        if isinstance(error, Failure):
            failure.update({'class': error.failure_class, 'line': error.line,
                            'rowsAtOnce': error.rows_at_once})
        elif not isinstance(error, SystemExit):
            self.say(''.join(traceback.format_exception(
                type(error), error, error.__traceback__)).rstrip())
            failure['message'] = text = '%s: %s' % (type(error).__name__, text)
        if self.uploads:
            self._offer_last()
            self.uploads.wait(min(self.carrier.deadline, time.monotonic() + FAILED_UPLOAD_SECONDS))
            self._check_fence()
        failure['message'] = failure['message'][:2000]
        self._report('failed', failure)
        return text

    def _leave(self, text):
        self.close()
        raise SystemExit(self.log.scrub(text)) from None
