import { describe, expect, it } from 'vitest'
import { alertsFromEvent, type Happened, toldEvents } from '../../src/alerts/from-event.ts'
import type { EventKind } from '../../src/rotation/event.ts'
import { insertEvent, type NewEvent } from '../../src/store/event-rows.ts'
import { freshDatabase, runOf, seed, start } from '../store/fixture.ts'

const run = { name: 'support', isSample: false }
const event = (kind: EventKind, data: Happened['data'] = {}, second = 0): Happened => ({
  kind,
  at: new Date(Date.parse(start) + second * 1000),
  runId: 'run_1',
  sessionId: 'ses_1',
  data,
})
const kindsOf = (happened: Happened, of = run) =>
  alertsFromEvent(happened, of).alerts.map(({ kind }) => kind)

describe('an event', () => {
  it.each<[EventKind, Happened['data'], string[]]>([
    ['session.awaiting_person', { link: 'https://colab/x', emulated: false }, ['action-needed']],
    ['session.awaiting_person', { link: 'https://colab/x', emulated: true }, []],
    ['session.reminder', { link: 'https://colab/x' }, ['action-needed']],
    ['session.ended', { outcome: 'lost' }, ['session-lost']],
    ['session.ended', { outcome: 'failed' }, ['session-lost']],
    ['session.ended', { outcome: 'lost', staged: true }, []],
    ['session.ended', { outcome: 'lost', serves: true, answered: false }, ['session-lost']],
    ['session.ended', { outcome: 'lost', serves: true, answered: true }, []],
    ...(
      ['finished', 'budget', 'limit', 'preempted', 'cancelled', 'superseded', 'expired'] as const
    ).map((outcome): [EventKind, Happened['data'], string[]] => ['session.ended', { outcome }, []]),
    ['run.waiting', { why: 'no account' }, ['run-stalled']],
    ['run.completed', { step: 100, sessions: 3 }, ['run-finished']],
    ['run.failed', { failure: 'bad data' }, ['run-failed']],
    ['run.stopped', {}, []],
    ['checkpoint.damaged', { step: 40 }, ['checkpoint-damaged']],
    ['google.signed_out', {}, ['action-needed']],
    ['google.signed_out', { asked: true }, []],
    ['hub.signed_out', {}, ['action-needed']],
    ['session.launched', {}, []],
    ['checkpoint.committed', {}, []],
  ])('%s %j leads to %j', (kind, data, alerts) =>
    expect(kindsOf(event(kind, data))).toEqual(alerts),
  )

  it('of the sample run tells of its end alone', () => {
    const sample = { name: 'sample', isSample: true }
    for (const kind of toldEvents) {
      const told = kindsOf(event(kind, { outcome: 'lost', link: 'x', why: 'x' }), sample)
      expect(told).toEqual(kind === 'run.completed' ? ['run-finished'] : [])
    }
  })

  it('that is written twice is one alert, and two are two', () => {
    const ids = (second: number) =>
      alertsFromEvent(event('run.failed', { failure: 'x' }, second), run).alerts.map(({ id }) => id)
    expect(ids(0)).toEqual(ids(0))
    expect(ids(0)).not.toEqual(ids(1))
  })

  it('asks for what a person does with the link and its end', () => {
    const data = { link: 'https://colab/x', owner: 'Ana', account: 'ana', expiresAt: start }
    const [alert] = alertsFromEvent(event('session.reminder', data), run).alerts
    expect(alert).toMatchObject({
      about: 'support',
      thread: 'ses_1',
      facts: { ...data, reminder: 1 },
    })
  })
})

describe('the store', () => {
  async function world() {
    const fresh = await freshDatabase()
    await seed(fresh.db, [], [runOf('one'), runOf('two', { sample: true })])
    const at = (second: number) => new Date(Date.parse(start) + second * 1000).toISOString()
    return {
      write: (written: NewEvent, second = 0) =>
        fresh.db.transaction((tx) => insertEvent(tx, written, at(second))),
      alerts: async () =>
        (await fresh.db.all('select kind, about, state, due_at from alerts order by at, id')).map(
          (row) => `${row.kind} ${row.about} ${row.state} ${row.due_at}`,
        ),
      [Symbol.asyncDispose]: () => fresh[Symbol.asyncDispose](),
    }
  }
  const due = '2026-03-11T12:00:00.000Z'

  it('writes the alert in the transaction of its event, by the name of the run', async () => {
    await using store = await world()
    await store.write({ kind: 'run.failed', runId: 'run_one', data: { failure: 'x' } })
    await store.write({ kind: 'run.failed', runId: 'run_two', data: { failure: 'x' } })
    expect(await store.alerts()).toEqual([`run-failed one waiting ${start}`])
  })

  it('tells of a run that waits when it has waited for a day, once, and not of one that goes on', async () => {
    await using store = await world()
    const waits = (why: string): NewEvent => ({
      kind: 'run.waiting',
      runId: 'run_one',
      data: { why },
    })
    await store.write(waits('asleep'))
    await store.write(waits('spent'), 3600)
    expect(await store.alerts()).toEqual([`run-stalled one waiting ${due}`])
    await store.write({ kind: 'session.launched', runId: 'run_one', sessionId: 'ses_1' }, 7200)
    expect(await store.alerts()).toEqual([`run-stalled one withdrawn ${due}`])
    await store.write(waits('spent'), 9000)
    expect(await store.alerts()).toEqual([
      `run-stalled one withdrawn ${due}`,
      'run-stalled one waiting 2026-03-11T14:30:00.000Z',
    ])
  })

  it('takes a link back that nobody was told of when its session has begun', async () => {
    await using store = await world()
    const of = { runId: 'run_one', sessionId: 'ses_1' }
    await store.write({ kind: 'session.awaiting_person', ...of, data: { link: 'https://colab/x' } })
    await store.write({ kind: 'session.enrolled', ...of }, 10)
    expect(await store.alerts()).toEqual([`action-needed one withdrawn ${start}`])
  })
})
