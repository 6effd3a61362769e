import type { Plan } from '../../src/api/schemas.ts'

const at = (text: string): string => new Date(`2026-11-${text}Z`).toISOString()

const weeks = (reset: string, next: string, ...left: readonly number[]) => [
  { startsAt: at('16T00:00'), endsAt: at(reset), leftHours: left[0] ?? 0 },
  { startsAt: at(reset), endsAt: new Date(`2026-${next}Z`).toISOString(), leftHours: left[1] ?? 0 },
]

const stay = (
  account: string,
  work: string,
  from: string,
  hours: number,
  more: Partial<Plan['stays'][number]> = {},
): Plan['stays'][number] => ({
  account,
  kind: 'run',
  work,
  state: 'planned',
  startsAt: at(from),
  endsAt: new Date(Date.parse(at(from)) + hours * 3_600_000).toISOString(),
  hours,
  steps: Math.round(hours * 50),
  bound: null,
  runnerUp: null,
  ...more,
})

/** A Sunday afternoon with two runs, a policy, three accounts of two people, and an account without anything. */
export const week: Plan = {
  madeAt: at('22T14:20'),
  until: at('29T14:20'),
  accounts: [
    {
      name: 'ana',
      provider: 'kaggle',
      owner: 'ana',
      emulated: true,
      weeks: weeks('28T00:00', '12-05T00:00', 11.25, 28.5),
    },
    {
      name: 'ana-colab',
      provider: 'colab',
      owner: 'ana',
      emulated: true,
      weeks: weeks('23T00:00', '11-30T00:00', 3, 38),
    },
    {
      name: 'here',
      provider: 'local',
      owner: 'rui',
      emulated: false,
      weeks: weeks('23T00:00', '11-30T00:00', 20, 168),
    },
  ],
  stays: [
    stay('ana', 'support', '22T10:00', 9, { state: 'live' }),
    stay('ana-colab', 'pira', '22T14:20', 2, { state: 'awaiting_person' }),
    stay('here', 'node', '22T18:00', 6, { kind: 'policy', steps: 0 }),
    stay('ana', 'support', '22T19:00', 8.9, {
      bound: 'the longest session that ana takes',
      runnerUp: 'here',
    }),
    stay('here', 'pira', '23T00:00', 12, { bound: 'the steps that run pira still needs' }),
    stay('here', 'node', '23T11:30', 0.5, { kind: 'policy', steps: 0 }),
    stay('ana', 'support', '28T00:00', 9),
  ],
  waits: [
    { kind: 'run', work: 'later', why: 'ana: busy with another session', until: at('23T04:00') },
    { kind: 'run', work: 'gated', why: 'its base wants a licence to be accepted', until: null },
  ],
  finishes: {
    support: { likely: at('28T08:40'), earliest: at('27T09:00'), latest: at('29T12:00') },
    pira: { likely: at('23T11:40'), earliest: at('23T08:00'), latest: at('23T14:30') },
    later: null,
  },
  unservedHours: { node: 2.5, other: 0 },
}
