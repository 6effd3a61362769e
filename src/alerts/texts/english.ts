import type { Alert, AlertKind } from '../alert.ts'
import { digestOf } from '../digest.ts'
import { figure, lines, type Phrases, type Shown, type Told, word } from './told.ts'

const consequences: Readonly<Record<string, string>> = {
  replace: 'A replacement is being started.',
  restart: 'Its session was told to restart the server; if that does not help, it is replaced.',
  none: '',
}

const consequence = (alert: Alert): string => {
  const said = word(alert, 'consequence')
  return consequences[said] ?? said
}

const trouble: Readonly<Record<string, string>> = {
  'backup-failed': 'the backup failed',
  'backup-late': 'there is no backup of the last day',
  'drill-failed': 'the newest backup cannot be restored',
  'drill-late': 'no backup was restored on trial for more than a week',
}

const below = (alert: Alert): string => {
  const count = figure(alert, 'below') ?? 0
  if (count === 0) return ''
  const depends = count === 1 ? 'One node depends' : `${count} nodes depend`
  return `${depends} on it: while it is down, nothing is told of ${count === 1 ? 'that one' : 'those'}.`
}

const tellers: Readonly<Record<AlertKind, (alert: Alert, shown: Shown) => Told>> = {
  'node-down': (a, s) => ({
    headline: figure(a, 'reminder') ? `${a.about} is still down` : `${a.about} is down`,
    lines: lines(
      word(a, 'words') && `Likely cause: ${word(a, 'words')}`,
      word(a, 'from') && `Since ${s.time(word(a, 'from'))}`,
      word(a, 'url') && `Address: ${word(a, 'url')}`,
      (figure(a, 'accountNodes') ?? 0) > 1 &&
        `All ${word(a, 'accountNodes')} nodes of tunnel account ${word(a, 'account')} fell together: look at the account and its service first.`,
      below(a),
      consequence(a),
    ),
  }),
  'node-unstable': (a, s) => ({
    headline: `${a.about} is unstable`,
    lines: lines(
      `It went down and came back ${word(a, 'changes') || 'several'} times; until it is steady no further message is sent.`,
      word(a, 'words') && `Last cause: ${word(a, 'words')}`,
      word(a, 'from') && `Since ${s.time(word(a, 'from'))}`,
    ),
  }),
  'node-recovered': (a, s) => ({
    headline: `${a.about} is back`,
    lines: lines(
      figure(a, 'downSeconds') !== null &&
        `It was down for ${s.duration(figure(a, 'downSeconds') ?? 0)}.`,
      `Back since ${s.time(a.at.toISOString())}`,
      word(a, 'words') && `Cause: ${word(a, 'words')}`,
    ),
  }),
  'node-limited': (a) => ({
    headline: `${a.about} has reached a limit of its account`,
    lines: lines(
      word(a, 'words'),
      'It is not looked at before the limit ends, and nothing is replaced: another session would meet the same limit.',
    ),
  }),
  'certificate-ending': (a, s) => ({
    headline: `${a.about}: its certificate ends soon`,
    lines: lines(
      word(a, 'until') && `It ends ${s.time(word(a, 'until'))}`,
      'From then on nobody who checks certificates reaches it.',
    ),
  }),
  'own-network': (a, s) => ({
    headline: "Rodízio's own network was down",
    lines: lines(
      'Neither nodes nor two other addresses answered: nothing was learned of the nodes, and none was called down.',
      word(a, 'from') && `From ${s.time(word(a, 'from'))}`,
      word(a, 'to') && `To ${s.time(word(a, 'to'))}`,
    ),
  }),
  'action-needed': (a, s) => {
    const link = word(a, 'link')
    const what = word(a, 'words') || 'open a link and press "Run all"'
    return {
      headline: figure(a, 'reminder')
        ? `${a.about}: still waits for you to ${what}`
        : `${a.about}: please ${what}`,
      lines: lines(
        word(a, 'owner') &&
          `For ${word(a, 'owner')}${word(a, 'account') && `, with account ${word(a, 'account')}`}`,
        word(a, 'expiresAt') &&
          `Until ${s.time(word(a, 'expiresAt'))}; after that nobody is waited for.`,
      ),
      ...(link ? { link: { label: 'Open the notebook', url: link } } : {}),
    }
  },
  'session-lost': (a, s) => ({
    headline: `${a.about}: session ${word(a, 'generation')} on ${word(a, 'account')} ${word(a, 'outcome') === 'failed' ? 'failed' : 'was lost'}`,
    lines: lines(
      word(a, 'words') && `Why: ${word(a, 'words')}`,
      figure(a, 'checkpointStep') !== null &&
        `It goes on from the checkpoint at step ${word(a, 'checkpointStep')}.`,
      (figure(a, 'lostSteps') ?? 0) > 0 &&
        `${s.number(figure(a, 'lostSteps') ?? 0, 0)} steps are done again.`,
    ),
  }),
  'run-finished': (a, s) => ({
    headline: `${a.about} is finished`,
    lines: lines(
      figure(a, 'step') !== null &&
        `${s.number(figure(a, 'step') ?? 0, 0)} steps in ${word(a, 'sessions')} sessions.`,
      `Look at it with: rodizio train show ${a.about}`,
    ),
  }),
  'run-failed': (a) => ({
    headline: `${a.about} has failed`,
    lines: lines(
      word(a, 'words') && `Why: ${word(a, 'words')}`,
      `Look at it with: rodizio train logs ${a.about}`,
    ),
  }),
  'run-stalled': (a, s) => ({
    headline: `${a.about} has not moved for a day`,
    lines: lines(
      word(a, 'words') && `It waits: ${word(a, 'words')}`,
      word(a, 'from') && `Since ${s.time(word(a, 'from'))}`,
      'The plan and what binds it: rodizio plan --explain',
    ),
  }),
  'adapter-promoted': (a) => ({
    headline: `${a.about}: an adapter was promoted`,
    lines: lines(word(a, 'words')),
  }),
  'adapter-rejected': (a) => ({
    headline: `${a.about}: a candidate was not promoted`,
    lines: lines(word(a, 'words')),
  }),
  'budget-low': (a, s) => ({
    headline: `${a.about}: ${s.number(figure(a, 'percent') ?? 80, 0)} % of this week's GPU hours are used`,
    lines: budget(a, s),
  }),
  'budget-spent': (a, s) => ({
    headline: `${a.about}: this week's GPU hours are spent`,
    lines: budget(a, s),
  }),
  'budget-reset': (a, s) => ({
    headline: `${a.about}: a new week of GPU hours has begun`,
    lines: budget(a, s),
  }),
  'quota-low': (a) => ({
    headline: `${a.about}: a provider's quota is nearly used up`,
    lines: lines(word(a, 'words')),
  }),
  'checkpoint-damaged': (a) => ({
    headline: `${a.about}: the checkpoint at step ${word(a, 'step')} is damaged`,
    lines: lines('It is skipped, and the one before it is used.'),
  }),
  'store-nearly-full': (a, s) => ({
    headline: `${a.about} is nearly full`,
    lines: lines(
      figure(a, 'freeBytes') !== null &&
        `${s.number((figure(a, 'freeBytes') ?? 0) / 1e9)} GB are free, ${s.number(figure(a, 'freePercent') ?? 0)} %.`,
      'What nobody needs goes with: rodizio store gc',
    ),
  }),
  'backup-failed': (a, s) => ({
    headline: `${a.about}: ${trouble[word(a, 'what')] ?? 'the backup failed'}`,
    lines: lines(
      word(a, 'words') && `Why: ${word(a, 'words')}`,
      word(a, 'from') && `The last good one: ${s.time(word(a, 'from'))}`,
      'Try by hand: rodizio backup create, rodizio backup drill',
    ),
  }),
  'backup-recovered': (a) => ({
    headline: `${a.about}: ${word(a, 'what') === 'drill-good' ? 'a backup was restored on trial again' : 'there is a good backup again'}`,
    lines: lines('Look with: rodizio backup list'),
  }),
  'service-restored': (a, s) => ({
    headline: `${a.about} was restored from a backup`,
    lines: lines(
      word(a, 'from') && `As it was ${s.time(word(a, 'from'))}`,
      (figure(a, 'sessions') ?? 0) > 0 &&
        `${word(a, 'sessions')} sessions that were open then are ended; their runs go on with others.`,
      (figure(a, 'parked') ?? 0) > 0 &&
        `${word(a, 'parked')} messages may have been sent since, and are not sent again: rodizio alerts list --state parked`,
      'See to it that the old service stays off.',
    ),
  }),
  digest: (a, s) => {
    const d = digestOf(a.facts)
    return {
      headline: `Rodízio: ${a.about}`,
      lines: lines(
        ...d.nodes.map(
          ({ name, state, uptime }) =>
            `${name}: ${state}${uptime === null ? '' : `, ${s.number(uptime * 100, 2)} % up since yesterday`}`,
        ),
        d.gpuHours !== null && `GPU hours since yesterday: ${s.number(d.gpuHours)}`,
        d.steps !== null && `Training steps since yesterday: ${s.number(d.steps, 0)}`,
        d.sessions !== null && `Sessions that began: ${s.number(d.sessions, 0)}`,
        d.undelivered > 0 &&
          `${s.number(d.undelivered, 0)} messages could not be delivered; look with: rodizio alerts list --state parked`,
      ),
    }
  },
}

const budget = (a: Alert, s: Shown): string[] =>
  lines(
    figure(a, 'leftHours') !== null &&
      `${s.number(figure(a, 'leftHours') ?? 0)} of ${s.number(figure(a, 'weeklyHours') ?? 0)} hours may still be planned.`,
    word(a, 'resetsAt') && `The next week begins ${s.time(word(a, 'resetsAt'))}`,
  )

const plural: Readonly<Record<AlertKind, (count: number) => string>> = {
  'node-down': (n) => `${n} nodes are down`,
  'node-unstable': (n) => `${n} nodes are unstable`,
  'node-recovered': (n) => `${n} nodes are back`,
  'node-limited': (n) => `${n} nodes have reached a limit`,
  'certificate-ending': (n) => `${n} certificates end soon`,
  'own-network': (n) => `own network down ${n} times`,
  'action-needed': (n) => `${n} links wait for you`,
  'session-lost': (n) => `${n} sessions were lost`,
  'run-finished': (n) => `${n} runs are finished`,
  'run-failed': (n) => `${n} runs have failed`,
  'run-stalled': (n) => `${n} runs have not moved for a day`,
  'adapter-promoted': (n) => `${n} adapters were promoted`,
  'adapter-rejected': (n) => `${n} candidates were not promoted`,
  'budget-low': (n) => `${n} accounts have little left of their week`,
  'budget-spent': (n) => `${n} accounts have spent their week`,
  'budget-reset': (n) => `${n} accounts begin a new week`,
  'quota-low': (n) => `${n} quotas are nearly used up`,
  'checkpoint-damaged': (n) => `${n} checkpoints are damaged`,
  'store-nearly-full': (n) => `${n} stores are nearly full`,
  'backup-failed': (n) => `${n} backups or drills are missing`,
  'backup-recovered': (n) => `${n} backups are good again`,
  'service-restored': (n) => `restored ${n} times`,
  digest: (n) => `${n} digests`,
}

export const english: Phrases = {
  tell: (alert, shown) => tellers[alert.kind](alert, shown),
  many: (kind, count, names) => `${plural[kind](count)}: ${names}`,
  account: (account, count, names) =>
    `Tunnel account ${account}: all its ${count} nodes are down: ${names}`,
  summary: (count) => `Rodízio: ${count} more alerts of the last hour`,
  andMore: (count) => `and ${count} more`,
  footer: 'Sent by Rodízio. Who is told what: rodizio alerts channels list',
  test: {
    headline: 'Rodízio: a trial message',
    lines: [
      'Somebody asked for it with: rodizio alerts test',
      'Alerts will arrive where this one did.',
    ],
  },
  units: { day: 'd', hour: 'h', minute: 'min', second: 's' },
  locale: 'en-GB',
}
