"""From the ticket to the report, with a model put up in between.

    session = enrol_to_serve(CONTROL_URL, TICKET)
    with session.phase('serve'):
        session.serve()

The heartbeat tells where the model is reached. An order to stop, SIGTERM and the end of the time
let answers under way end first; whatever else ends the server is reported as a failure. An order
to restart ends the server, hung or not, and starts it anew at its place.
"""
import re
import time

from rodizio_serving.gpu import DeadGpu, NoGpu, probe
from rodizio_serving.packages import prepare
from rodizio_serving.server import start_server
from rodizio_serving.tunnel import Tunnel, check_tunnel
from rodizio_session.agent import Session, take_place
from rodizio_session.failures import Failure
from serve.adapter import Rejected, verified_adapter

from .relay import Relay

ENGINE = 'serve'
DRAIN_SECONDS = 30.0  # what answers under way are given at the most
RELAYED_SECONDS = 5.0  # what was answered still has to be sent
SIGTERM_SECONDS = 15.0  # the same after SIGTERM: who sends it kills what is there 20 s later
LEAVE_SECONDS = 60.0  # so long before its deadline a session begins to leave, at the most
LEAST_LEAVE_SECONDS = 3.0
LOOK_SECONDS = 10.0  # between two looks at /health
ANSWER_SECONDS = 5.0
MISSED = 3  # looks in vain until a server counts as hung
FAILING_SECONDS = 300.0  # one answer may fail for what was asked; a dead device fails all of them
SIGN_OF_LIFE_SECONDS = 60.0
RESTART_DRAIN_SECONDS = 5.0  # what answers under way are given then
RESTART_SECONDS = 600.0  # as long as the service waits for it before it replaces the node
TUNNEL_TRIES = 3
TUNNEL_PAUSE_SECONDS = 5.0
NO_MEMORY = re.compile('out of memory|OutOfMemory', re.IGNORECASE)


def enrol_to_serve(control_url, ticket, first_wait=1.0):
    """Exchanges the ticket for a session that serves; raises SystemExit when it is refused."""
    session = take_place(ServingSession(control_url, first_wait))
    session.enrol(ticket, ENGINE)
    return session


class Over(Exception):
    """The session shall end: `outcome` is what its report will say."""

    def __init__(self, outcome):
        super().__init__(outcome)
        self.outcome = outcome


class ServingSession(Session):
    """See `Session`; it puts a model up where that one trains."""

    def __init__(self, control_url, first_wait=1.0):
        super().__init__(control_url, first_wait)
        self._served = None  # the verified adapter
        self._server = None
        self._tunnel = None
        self._relay = None
        self._node = None
        self._outcome = None
        self._restarts = 0
        self._said_restarts = 0  # in the heartbeat under way, or the last one
        self._restarts_wanted = 0

    def prepare(self, provider, own_environment):
        """Sees to the packages, and to what the plan wants besides, before anything is fetched.

        With `own_environment` nothing is installed: it is somebody's own.
        """
        check_tunnel('cloudflared' if self._reach() == 'tunnel' else '')
        prepare('local' if own_environment else provider)

    def probe(self, require_gpu):
        """One real operation on the GPU. Raises Failure `no_gpu` or `dead_gpu`."""
        try:
            self.heart.update(gpu=probe(require_gpu))
        except NoGpu as error:
            raise Failure('no_gpu', str(error))
        except DeadGpu as error:
            raise Failure('dead_gpu', str(error))

    def fetch_adapter(self):
        """Brings the adapter to this disk. Raises Failure for any other than the plan's."""
        super().fetch_adapter()
        if self.adapter is None:
            raise Failure('refused_plan', 'the work order brings no adapter to serve')
        try:
            self._served = verified_adapter(self.adapter, self.order['plan']['adapter'])
        except Rejected as error:
            raise Failure('notebook_bug', 'the adapter is refused: %s' % error)

    def serve(self):
        """Puts the model up and keeps it up until an order, a signal or the end of the time.

        Raises Failure when the server ends of itself, Fenced when another has the session.
        """
        self._stop_ends_it = False  # from here on answers under way end first
        try:
            self._look()
            self._start_server()
            self._wait_until_ready()
            self._open_tunnel()
            self._open_relay()
            self._stay()
        except Over as over:
            self._outcome = over.outcome
        finally:
            self._take_down()

    def finish(self):
        """Reports how it ended."""
        self._report(self._outcome)
        self.say('stopped, as ordered' if self._outcome == 'stopped'
                 else 'the time of this session is over')
        self.close()

    def close(self):
        """Ends the server too, where one is left."""
        self._take_down()
        super().close()

    def _aim(self):
        return 'to serve the adapter %s' % self.order['plan']['adapter'][:12]

    def _send_beat(self, beat):
        self._said_restarts = (beat.get('node') or {}).get('restarts', 0)
        return super()._send_beat(beat)

    def _on_answer(self, answer):
        super()._on_answer(answer)
        if answer.get('order') == 'restart':
            # One more than this heartbeat had told of: said of an older one it changes nothing.
            self._restarts_wanted = self._said_restarts + 1

    def _leaves_at(self):
        """When it begins to leave: a twentieth of its time before the deadline, three seconds at
        least, a minute at most. Half of that is for answers under way, the rest for the report."""
        share = 0.05 * (self.deadline - self.started)
        return self.deadline - min(LEAVE_SECONDS, max(LEAST_LEAVE_SECONDS, share))

    def _look(self):
        """Raises Over, Fenced or Failure when there is a reason to go on no longer."""
        self._look_around()
        if self._server is None:
            return
        died = self._server.death()
        if died:
            raise Failure('out_of_memory' if NO_MEMORY.search(died) else 'notebook_bug', died)
        if self._server.gone():  # its own clock was a moment faster
            raise Over('limit')

    def _look_around(self):
        """As `_look`, without one at the server."""
        self._check_fence()
        if self.stop_asked:
            raise Over('stopped')
        if time.monotonic() >= self._leaves_at():
            raise Over('limit')

    def _start_server(self, port=0):
        if self._leaves_at() < time.monotonic() + 1:  # no server begins with less
            raise Over('limit')
        plan = self.order['plan']
        self._server = start_server(
            self._served, plan['keySha256'], self._leaves_at(), port, say=self.say,
            BASE_MODEL=self.base or plan['base'],
            BASE_REVISION='' if self.base else plan['revision'],
            BASE_QUANTIZATION=plan['quantization'], SERVE_MAX_TOKENS=plan['maxTokens'],
            SERVE_GRACE=int(DRAIN_SECONDS))

    def _restart(self):
        """Ends the server and starts it anew where it was, so that a tunnel still leads there.

        Raises Failure when it ends of itself or does not answer in time.
        """
        self._restarts += 1
        self._turn_away()
        self.say('told to restart the server')
        self._server.end(RESTART_DRAIN_SECONDS)
        self._look_around()
        self._start_server(self._server.port)
        self._wait_until_ready(RESTART_SECONDS)
        self.heart.update(phase='serve')

    def _wait_until_ready(self, within=None):
        self.heart.update(phase='load')
        began = said = time.monotonic()
        while True:
            self._server.show(0.1)
            self._look()
            health = self._server.health()
            if health is not None:
                break
            if within is not None and time.monotonic() > began + within:
                raise Failure('notebook_bug', 'the server was started anew and has not answered '
                              'for %d s' % within)
            if time.monotonic() > said + SIGN_OF_LIFE_SECONDS:
                said = time.monotonic()
                self.say('loading for %d s' % (said - began))
        if health['adapter']['sha256'] != self._served.sha256:
            raise Failure('notebook_bug', 'another server answers at %s' % self._server.url)
        self.say('ready after %.1f s' % (time.monotonic() - began))

    def _stay(self):
        """Watches server and tunnel, and tells the service what has become of them."""
        self.heart.update(phase='serve')
        health, missed = self._server.answer(), 0
        looked = good = time.monotonic()
        self._tell(health is not None, health)
        while True:
            self._server.show(0.2)
            self._look()
            if self._restarts_wanted > self._restarts:
                self._restart()
                health, missed = self._server.answer() or health, 0
                looked = good = time.monotonic()
                self._tell(True, health)
            if self._tunnel is not None and self._tunnel.ended():
                self.say('the tunnel is lost')
                self._tell(missed < MISSED, health)  # that it is down: another takes a while
                self._open_tunnel()
                self._tell(missed < MISSED, health)
            if time.monotonic() < looked + min(LOOK_SECONDS, self.heart.every):
                continue
            answer = self._server.answer(min(ANSWER_SECONDS, max(0.5, self.heart.every)))
            looked = time.monotonic()
            missed = 0 if answer else missed + 1
            if missed == MISSED:
                self.say('the server hangs: it has not answered %d times' % MISSED)
            health = answer or health
            if answer and answer['status'] == 'ok':
                good = looked
            elif answer and looked > good + FAILING_SECONDS:
                raise Failure('notebook_bug', 'the model has failed, and has given no good answer '
                              'for %d s: the log has the place' % FAILING_SECONDS)
            self._tell(missed < MISSED, health)

    def _open_tunnel(self):
        """The tunnel that the plan asks for, under a new address each time. Raises Failure."""
        if self._reach() != 'tunnel':
            return
        for pause in [TUNNEL_PAUSE_SECONDS] * (TUNNEL_TRIES - 1) + [None]:
            if self._tunnel is not None:
                self._tunnel.close()
            try:
                self._tunnel = None
                self._tunnel = Tunnel(self._server.url, self._look, self.say)
                return
            except SystemExit as error:
                if pause is None:
                    raise Failure('notebook_bug', 'no tunnel could be opened: %s' % error)
                self.say('no tunnel could be opened: %s' % error)
            self._turn_away()
            until = time.monotonic() + pause
            while time.monotonic() < until:
                self._server.show(0.1)
                self._look()

    def _open_relay(self):
        """Callers come by the service, where the plan wants that; its threads end with this."""
        if self._reach() == 'relay':
            self._relay = Relay(self.wire, self.order['plan']['keySha256'],
                                lambda: self._server and self._server.url, self.say)

    def _reach(self):
        return self.order['plan']['reach']

    def _tell(self, ready, health):
        """What the next heartbeat says of the model; a turn of it is said at once."""
        if health is None:
            return
        node = {'ready': ready, 'url': self._address(), 'reach': self._reached(),
                'adapter': health['adapter']['sha256'],
                'freeVramBytes': health.get('free_vram_bytes'), 'tunnel': self._tunnel_state(),
                'restarts': self._restarts}
        if self._node is None or node['url'] != self._node['url']:
            self.say('answers %s' % ('through the service' if self._relay else 'at %s' % (
                node['url'] or 'its own machine alone')))
        self._node = node
        if self._relay is not None:
            self._relay.tell(ready)
        self.heart.update(node=node)

    def _turn_away(self):
        """Nobody shall be sent here any more, as long as nothing else is told."""
        if self._node is not None:
            self._node = dict(self._node, ready=False, tunnel=self._tunnel_state(),
                              restarts=self._restarts)
            if self._relay is not None:
                self._relay.tell(False)
            self.heart.update(node=self._node)

    def _tunnel_state(self):
        """What the tunnel's own program says; None where the plan asks for none."""
        if self._reach() != 'tunnel':
            return None
        return 'up' if self._tunnel is not None and self._tunnel.is_up() else 'down'

    def _address(self):
        """Where the model is reached from outside; on the service's own machine that is here."""
        if self._tunnel is not None:
            return self._tunnel.address
        is_here = self._relay is None and self.order['session']['provider'] == 'local'
        return self._server.url if is_here else None

    def _reached(self):
        """By which way, as a heartbeat says it."""
        if self._relay is not None:
            return 'relay'
        return 'url' if self._tunnel is not None else 'local'

    def _take_down(self):
        """Ends the server when its answers under way have ended, and the tunnel after it."""
        server, tunnel, relay = self._server, self._tunnel, self._relay
        if server is not None:
            self._turn_away()
        if relay is not None:
            relay.leave()
        self._server = self._tunnel = self._relay = None
        if server is not None:
            most = SIGTERM_SECONDS if server.asked() else DRAIN_SECONDS + 2
            server.end(min(most, max(0.5, (self.deadline - time.monotonic()) / 2)))
        if relay is not None:
            relay.drain(min(RELAYED_SECONDS, max(0.1, (self.deadline - time.monotonic()) / 2)))
        if tunnel is not None:
            tunnel.close()
