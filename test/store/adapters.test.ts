import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type AdapterDesk, adapterDesk } from '../../src/control/adapters.ts'
import { adapterRows } from '../../src/store/adapter-book.ts'
import { type Database, text } from '../../src/store/database.ts'
import { freshDatabase } from './fixture.ts'
import { insertDatasetVersion, type Left, leaveAdapter } from './left-adapter.ts'

let opened: Awaited<ReturnType<typeof freshDatabase>>
let db: Database
let desk: AdapterDesk
let now: Date

beforeEach(async () => {
  opened = await freshDatabase()
  db = opened.db
  now = new Date('2026-03-10T12:00:00Z')
  desk = adapterDesk(adapterRows(db, () => now))
  await dataset('ds_one', 'split-a')
})
afterEach(() => opened[Symbol.asyncDispose]())

const dataset = (version: string, split: string) => insertDatasetVersion(db, version, split, now)
const left = (name: string, found: Left = {}) => {
  now = new Date(now.getTime() + 60_000)
  return leaveAdapter(db, name, now, found)
}

const states = async () =>
  (await desk.list(null, null, 50)).items
    .map(
      ({ adapter, isServed }) =>
        `v${adapter.number} ${adapter.runName} ${adapter.state}${isServed ? ' served' : ''}`,
    )
    .toReversed()
const alerts = async () =>
  (await db.all('select kind, about, facts from alerts order by at')).map(
    (row) => `${text(row, 'kind')} ${text(row, 'about')} ${JSON.parse(text(row, 'facts')).words}`,
  )

describe('what runs leave', () => {
  it('is judged in the line of what it began with, and told of', async () => {
    await left('one', { loss: 2 })
    await left('two', { loss: 1.9, from: 'one', fromLoss: 2 })
    await left('three', { loss: 2.1, from: 'two', fromLoss: 1.9 })
    await left('other', { loss: 5 })
    expect(await states()).toEqual([
      'v1 one promoted',
      'v2 two promoted served',
      'v3 three rejected',
      'v4 other promoted served',
    ])
    expect((await desk.must('v3')).line).toBe('one')
    expect((await desk.must('v3')).why).toBe(
      'its held-out loss is 10.53 % above that of v2, the best so far; at most 1.00 % above is let through',
    )
    expect(await alerts()).toEqual([
      'adapter-promoted one v1: it is the first of its line',
      'adapter-promoted one v2: its held-out loss is 5.00 % below that of v1, the best so far',
      expect.stringContaining('adapter-rejected one v3: its held-out loss is 10.53 % above'),
      'adapter-promoted other v4: it is the first of its line',
    ])
  })

  it('is no candidate when it is a rehearsal, and a person’s matter without a judgement', async () => {
    await left('dry', { label: 'dry' })
    await left('plain')
    await left('few', { loss: 1, rows: 12 })
    expect(await states()).toEqual(['v1 plain candidate', 'v2 few candidate'])
    expect((await desk.must('v1')).why).toBe('its run has left no judgement of it')
    expect(await alerts()).toEqual([])
    await expect(desk.served(undefined)).rejects.toMatchObject({ code: 'none_promoted' })
  })

  it('waits for a person where its line says so', async () => {
    await left('one', { loss: 2 })
    await desk.setPolicy('one', 'manual')
    await left('two', { loss: 1, from: 'one', fromLoss: 2 })
    expect(await states()).toEqual(['v1 one promoted served', 'v2 two candidate'])
    await desk.promote('v2', 'ana', undefined)
    expect(await states()).toEqual(['v1 one promoted', 'v2 two promoted served'])
    expect((await desk.must('v2')).decidedBy).toBe('ana')
  })

  it('is written down once, however often its commit is', async () => {
    await left('one', { loss: 2 })
    await left('one', { loss: 2 })
    expect(await states()).toEqual(['v1 one promoted served'])
    expect(await alerts()).toHaveLength(1)
  })
})

describe('a person', () => {
  it('goes back to what was served before, and again, and no further', async () => {
    await left('one', { loss: 2 })
    await left('two', { loss: 1.9, from: 'one', fromLoss: 2 })
    await left('three', { loss: 1.8, from: 'two', fromLoss: 1.9 })
    const back = await desk.rollBack(undefined, undefined, 'ana', 'it talks\nnonsense')
    expect([back.from, back.to.number]).toEqual(['v3', 2])
    expect((await desk.must('v3')).why).toBe('it talks nonsense')
    expect(await states()).toEqual([
      'v1 one promoted',
      'v2 two promoted served',
      'v3 three rejected',
    ])
    await desk.rollBack('one', undefined, 'ana', undefined)
    expect((await desk.served('one')).number).toBe(1)
    await expect(desk.rollBack('one', undefined, 'ana', undefined)).rejects.toMatchObject({
      code: 'nothing_before',
    })
    // What was left is no bar: the next one is held against what is served.
    await left('four', { loss: 2.01, from: 'one', fromLoss: 2 })
    expect((await desk.served('one')).number).toBe(4)
    expect((await desk.moves('one')).map(({ version, kind }) => `${kind} ${version}`)).toEqual([
      'promoted v4',
      'rolled-back v1',
      'rolled-back v2',
      'promoted v3',
      'promoted v2',
      'promoted v1',
    ])
  })

  it('promotes what the judge would not, without lowering the bar', async () => {
    await left('one', { loss: 1 })
    await left('two', { loss: 1.05, from: 'one', fromLoss: 1 })
    await desk.promote('v2', 'ana', 'it answers better')
    expect((await desk.served('one')).number).toBe(2)
    await left('three', { loss: 1.05, from: 'two', fromLoss: 1.05 })
    expect((await desk.must('v3')).state).toBe('rejected')
    await dataset('ds_two', 'split-b')
    await left('apart', { loss: 3, data: 'ds_two', from: 'two' })
    await desk.promote('v4', 'ana', undefined)
    expect((await desk.must('v4')).score).toBe(1) // level with the best
  })

  it('rejects what is served only where there is nothing to go back to', async () => {
    await left('one', { loss: 1 })
    await left('one-2', { loss: 0.9, from: 'one', fromLoss: 1 })
    const refused = desk.reject('v2', 'ana', undefined)
    await expect(refused).rejects.toMatchObject({ code: 'adapter_served' })
    await expect(refused).rejects.toMatchObject({ next: expect.stringContaining('back to v1') })
    await desk.rollBack('one', undefined, 'ana', undefined)
    await desk.reject('v1', 'ana', 'no more of it')
    await expect(desk.served('one')).rejects.toMatchObject({ code: 'none_promoted' })
    await left('few', { loss: 1, rows: 3 })
    await desk.reject('v3', 'ana', 'too little data')
    expect((await desk.must('v3')).state).toBe('rejected')
  })

  it('has to name a line where there are several', async () => {
    await left('one', { loss: 1 })
    await left('other', { loss: 1 })
    await expect(desk.served(undefined)).rejects.toThrow(
      'several lines have a promoted adapter: one, other',
    )
    await expect(desk.rollBack('one', 'v2', 'ana', undefined)).rejects.toMatchObject({
      code: 'other_line',
    })
    await expect(desk.served('nobody')).rejects.toMatchObject({ code: 'none_promoted' })
    await expect(desk.must('v99')).rejects.toMatchObject({ code: 'adapter_unknown' })
    await expect(desk.must('current')).rejects.toMatchObject({ code: 'adapter_unknown' })
  })
})
