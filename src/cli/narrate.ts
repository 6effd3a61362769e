import type { RunEvent } from '../api/schemas.ts'

type Data = Readonly<Record<string, unknown>>

const word = (data: Data, name: string): string => String(data[name] ?? '?')
const count = (data: Data, name: string): number => Number(data[name] ?? 0)
/** An adapter by the first digits of its hash. */
const short = (data: Data): string => word(data, 'adapter').slice(0, 12)
const decimals = (value: unknown, digits: number): string =>
  typeof value === 'number' ? value.toFixed(digits) : '?'

export function bytes(value: number): string {
  if (value < 1000) return `${value} B`
  if (value < 1_000_000) return `${(value / 1000).toFixed(0)} kB`
  return `${(value / 1_000_000).toFixed(1)} MB`
}

export function seconds(value: number): string {
  if (value < 120) return `${Math.round(value)} s`
  if (value < 7200) return `${Math.round(value / 60)} min`
  return `${(value / 3600).toFixed(1)} h`
}

const place = (data: Data): string =>
  `${word(data, 'account')} (${word(data, 'provider')}${data.emulated === true ? ', emulated' : ''})`

const from = (data: Data): string =>
  data.serves === true
    ? 'to serve'
    : count(data, 'fromStep') === 0
      ? 'from the beginning'
      : `from step ${count(data, 'fromStep')}`

/** Who decided on an adapter, where it was not the judge. */
const byWhom = (data: Data): string => (data.by === 'policy' ? '' : ` by ${word(data, 'by')}`)

/** What is not known is not told: a simulated checkpoint has neither size nor loss. */
const lossOf = (data: Data): string =>
  typeof data.loss === 'number' ? `, loss ${decimals(data.loss, 3)}` : ''
const sizeOf = (data: Data): string =>
  count(data, 'bytes') > 0 ? `: ${bytes(count(data, 'bytes'))}` : ''

/** What has made a standing run open its next run. */
export const opener = (data: Data): string => {
  if (data.because === 'period') return 'its period is over'
  if (data.because !== 'examples') return 'its first'
  const examples = count(data, 'newExamples')
  return `${examples} new training example${examples === 1 ? '' : 's'}`
}

const reachedAt = (data: Data): string =>
  typeof data.url === 'string'
    ? ` at ${data.url}`
    : data.reach === 'relay'
      ? ', through this service'
      : ', on its own machine alone'

/** How each event is told to a person, one line. */
const sentences: Readonly<Record<string, (data: Data) => string>> = {
  'run.started': (d) =>
    `run ${word(d, 'run')}: ${word(d, 'targetSteps')} steps with the engine ${word(d, 'engine')}` +
    (typeof d.base === 'string'
      ? `, base ${d.base}${d.quantization === 'nf4' ? ' in 4 bit (nf4)' : ', not quantized'}`
      : ''),
  'run.waiting': (d) => `run ${word(d, 'run')} waits: ${word(d, 'why')}`,
  'run.stop_asked': (d) => `run ${word(d, 'run')} was asked to stop`,
  'run.priority_set': (d) =>
    `run ${word(d, 'run')} has priority ${word(d, 'priority')}, before ${word(d, 'before')}`,
  'run.rows_halved': (d) =>
    `run ${word(d, 'run')} ran out of memory: from now on ${word(d, 'rowsAtOnce')} rows at once, and the steps stay what they are`,
  'run.stopped': (d) => `run ${word(d, 'run')} is stopped at step ${word(d, 'step')}`,
  'run.completed': (d) =>
    `run ${word(d, 'run')} is completed after ${word(d, 'sessions')} session${count(d, 'sessions') === 1 ? '' : 's'}`,
  'run.failed': (d) => `run ${word(d, 'run')} failed: ${word(d, 'failure')}`,
  'session.planned': (d) =>
    `session ${word(d, 'generation')} goes to ${place(d)}, ${seconds(count(d, 'seconds'))} booked, ${from(d)}`,
  'session.launched': (d) =>
    `session ${word(d, 'generation')} is launched on ${word(d, 'account')}`,
  'session.awaiting_person': (d) =>
    `session ${word(d, 'generation')} waits for ${word(d, 'owner')}${d.emulated === true ? ' (an emulated person, who does it)' : ''}: open ${word(d, 'link')} and press Run all, before ${word(d, 'expiresAt')}`,
  'session.reminder': (d) =>
    `session ${word(d, 'generation')} still waits for ${word(d, 'owner')}: ${word(d, 'link')}`,
  'session.enrolled': (d) =>
    `session ${word(d, 'generation')} has started and ${d.sealed === true ? 'is followed through its log: it takes no orders' : 'reports here'}`,
  'session.taken_over': (d) =>
    `session ${word(d, 'before')} was started again and goes on as ${word(d, 'generation')} from step ${word(d, 'step')}; its older process is shut out` +
    (count(d, 'lostSteps') > 0 ? `, ${word(d, 'lostSteps')} steps to be redone` : ''),
  'session.training': (d) =>
    `session ${word(d, 'generation')} trains: step ${word(d, 'step')}${lossOf(d)}`,
  'node.ready': (d) =>
    `session ${word(d, 'generation')} on ${word(d, 'account')} answers${reachedAt(d)}` +
    (typeof d.secondsToReady === 'number' ? `, ${seconds(d.secondsToReady)} after its launch` : ''),
  'node.moved': (d) =>
    `session ${word(d, 'generation')} on ${word(d, 'account')} has moved and answers${reachedAt(d)}`,
  'node.restart_asked': (d) =>
    `session ${word(d, 'generation')} on ${word(d, 'account')} is told to start its server anew: ${word(d, 'reason')}`,
  'node.restarted': (d) =>
    `session ${word(d, 'generation')} on ${word(d, 'account')} starts its server anew`,
  'session.ended': (d) =>
    `session ${word(d, 'generation')} ended (${word(d, 'outcome')}): ${word(d, 'reason')}` +
    (d.serves === true
      ? ''
      : `; reached step ${word(d, 'toStep')}, checkpoint at ${word(d, 'checkpointStep')}`) +
    (count(d, 'lostSteps') > 0 ? `, ${word(d, 'lostSteps')} steps to be redone` : '') +
    (d.staged === true ? ' (staged: the emulator was told to kill it in mid-step)' : ''),
  'checkpoint.committed': (d) =>
    `checkpoint at step ${word(d, 'step')} of ${word(d, 'targetSteps')}${sizeOf(d)}${lossOf(d)}` +
    (typeof d.heldOutLoss === 'number' ? `, held-out ${decimals(d.heldOutLoss, 3)}` : ''),
  'checkpoint.pruned': (d) => `checkpoint at step ${word(d, 'step')} let go: newer ones stand`,
  'checkpoint.damaged': (d) =>
    `checkpoint at step ${word(d, 'step')} is damaged and skipped: the one before is used`,
  'adapter.promoted': (d) =>
    `adapter ${word(d, 'version')} of ${word(d, 'line')} is promoted${byWhom(d)}: ${word(d, 'why')}`,
  'adapter.rejected': (d) =>
    `adapter ${word(d, 'version')} of ${word(d, 'line')} is not promoted${byWhom(d)}: ${word(d, 'why')}`,
  'adapter.rolled_back': (d) =>
    `${word(d, 'line')} serves ${word(d, 'version')} again in place of ${word(d, 'instead')}${byWhom(d)}: ${word(d, 'why')}`,
  'adapter.published': (d) =>
    `adapter ${word(d, 'version')} of ${word(d, 'line')} is published: ${word(d, 'place')}`,
  'adapter.publish_blocked': (d) =>
    `adapter ${word(d, 'version')} of ${word(d, 'line')} cannot be published to ${word(d, 'target')}: ${word(d, 'why')}`,
  'artifact.committed': (d) =>
    `artifact "${word(d, 'label')}" at step ${word(d, 'step')} is in the store${count(d, 'bytes') > 0 ? `, ${bytes(count(d, 'bytes'))}` : ''}`,
  'account.added': (d) => `account ${place(d)}, lent by ${word(d, 'owner')}, joins the rotation`,
  'account.held': (d) =>
    `account ${word(d, 'account')} is left alone until ${word(d, 'until')}: ${word(d, 'reason')}`,
  'account.adjusted': (d) =>
    `the book of ${place(d)} was ${count(d, 'hours') < 0 ? 'charged' : 'given'} ${Math.abs(count(d, 'hours')).toFixed(2)} h by hand${typeof d.note === 'string' ? ` (${d.note})` : ''}: ${count(d, 'leftHours').toFixed(2)} h left of this week`,
  'account.removed': (d) =>
    `account ${place(d)}, lent by ${word(d, 'owner')}, leaves the rotation; its credentials are deleted`,
  'account.serving_accepted': (d) =>
    d.hasRule === true
      ? `${word(d, 'owner')} has accepted the rule of ${word(d, 'provider')} on serving: account ${word(d, 'account')} may serve`
      : `account ${word(d, 'account')} may serve`,
  'account.serving_revoked': (d) =>
    `account ${word(d, 'account')} gets no new sessions that serve` +
    (count(d, 'live') > 0 ? '; those that do go on to their end' : ''),
  'run.removed': (d) =>
    `run ${word(d, 'run')} is removed, with ${word(d, 'sessions')} session${count(d, 'sessions') === 1 ? '' : 's'}; the hours they took stay in the books`,
  'policy.added': (d) =>
    `serving policy ${word(d, 'policy')}: adapter ${short(d)} on ${word(d, 'base')}, wanted ${word(d, 'windows')}${d.reach === 'tunnel' || d.tunnel === 'cloudflared' ? ', through a tunnel' : ''}`,
  'policy.waiting': (d) => `serving policy ${word(d, 'policy')} waits: ${word(d, 'why')}`,
  'policy.changed': (d) =>
    `serving policy ${word(d, 'policy')} is changed: ${[
      typeof d.adapter === 'string' ? `its next sessions serve adapter ${short(d)}` : '',
      d.key === true ? 'its next sessions have another key' : '',
      typeof d.windows === 'string' ? `wanted ${d.windows}` : '',
      typeof d.priority === 'number' ? `priority ${d.priority}` : '',
    ]
      .filter((part) => part !== '')
      .join(', ')}`,
  'policy.stop_asked': (d) => `serving policy ${word(d, 'policy')} was asked to stop`,
  'policy.stopped': (d) => `serving policy ${word(d, 'policy')} is stopped`,
  'policy.removed': (d) =>
    `serving policy ${word(d, 'policy')} is removed, with ${word(d, 'sessions')} session${count(d, 'sessions') === 1 ? '' : 's'}; the hours they took stay in the books`,
  'data.removed': (d) =>
    `data set ${word(d, 'name')} is removed${count(d, 'bytes') > 0 ? `, ${bytes(count(d, 'bytes'))}` : ': the name alone, its content has another'}`,
  'store.cleaned': (d) =>
    `the store was cleaned: ${word(d, 'files')} left-over file${count(d, 'files') === 1 ? '' : 's'}, ${bytes(count(d, 'bytes'))}`,
  'standing.opened': (d) =>
    `standing run ${word(d, 'standing')} opens ${word(d, 'run')}: ${opener(d)}`,
  'standing.waiting': (d) => `standing run ${word(d, 'standing')} waits: ${word(d, 'why')}`,
  'standing.stopped': (d) =>
    `standing run ${word(d, 'standing')} is stopped${d.asked === true ? ', as asked' : `: ${word(d, 'why')}`}; it opens no run any more`,
  'standing.removed': (d) =>
    `standing run ${word(d, 'standing')} is removed; the runs that it has opened stay`,
  'google.signed_in': () => 'signed in at Google: checkpoints can go to Drive',
  'google.signed_out': (d) =>
    `${d.asked === true ? 'signed out of Google, as asked' : 'the sign-in at Google is over'}: sessions go on with what they hold; sign in again with rodizio login google`,
  'hub.signed_in': (d) =>
    `the hub of models knows the token of ${word(d, 'user')}: gated bases can be fetched`,
  'hub.signed_out': (d) =>
    `${d.asked === true ? 'the token for the hub of models is forgotten, as asked' : 'the hub of models takes the token no longer'}: runs on gated bases wait for another one, given with rodizio login hub`,
  'hub.uploads_low': (d) =>
    `${word(d, 'megabytes')} of ${word(d, 'most')} MB of this month have gone to the hub of models`,
  'checkpoint.taken_back': (d) =>
    `the checkpoint at step ${count(d, 'step')} of session ${word(d, 'generation')} stands in the store: taken back`,
  'service.restored': (d) =>
    `restored from the backup of ${word(d, 'madeAt')}: ${count(d, 'endedSessions')} sessions that were open then are ended, ${count(d, 'runs')} runs go on in generations of their own`,
  'zombie.fenced': (d) => `an old session ${word(d, 'generation')} called in and was fenced off`,
}

/** One line about an event, without its time. Control characters of names and logs are taken out. */
export function sentence(event: Pick<RunEvent, 'kind' | 'data'>): string {
  const told = sentences[event.kind]?.(event.data) ?? `${event.kind} ${JSON.stringify(event.data)}`
  return printable(told)
}

/** Text of names and logs without control characters: a terminal must not take them for orders. */
export const printable = (text: string): string =>
  // biome-ignore lint/suspicious/noControlCharactersInRegex: terminal escapes are what must not get through
  text.replaceAll(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, '')

/** Wall time of this machine, as `13:05:09`. */
export const wallTime = (at: string): string => new Date(at).toTimeString().slice(0, 8)
