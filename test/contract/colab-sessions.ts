import { describe, expect, it } from 'vitest'
import type { Observed, SessionProvider } from '../../src/rotation/session-provider.ts'
import { accountOf } from '../store/fixture.ts'

/** What the person does with the next links, one after the other; the last stays. */
export interface PersonManner {
  /** Seconds until they open it; null for never. */
  readonly opensAfter: number | null
  /** Seconds after that until they press Run all once more. */
  readonly againAfter?: number
}

/** What a notebook does: run until it is ended, or end at once. */
export type Behaviour = 'runs' | 'ends'

/** One Colab with one person, whatever it is made of. */
export interface ColabWorld extends AsyncDisposable {
  readonly provider: SessionProvider
  advance(seconds: number): Promise<void>
  /** Waits, by as little as it takes, until that is so. */
  until(what: string, is: () => boolean): Promise<void>
  behave(...manners: PersonManner[]): void
  notebook(behaviour: Behaviour): string
  /** Processes of that notebook that run now. */
  running(name: string): number
  /** Processes of it that have run, those that run still included. */
  started(name: string): number
  /** How often Colab has refused the person a machine. */
  denials(): number
}

export interface ColabWorldSettings {
  /** Hours of GPU that Colab grants in a day that is its week, too. */
  readonly gpuHours: number
}

const HOUR = 3600
const cris = accountOf('cris', { provider: 'colab', automation: 'person', driver: 'link' })

/** What every Colab does with links, through the port that the rotation knows: it tells of none that was opened. */
export function colabSessionsContract(
  kind: string,
  open: (settings: ColabWorldSettings) => Promise<ColabWorld>,
): void {
  const opened = async (...manners: PersonManner[]) => {
    const world = await open({ gpuHours: 12 })
    world.behave(...manners)
    const { provider } = world
    return {
      ...world,
      observe: (name: string): Promise<Observed> => provider.observe(cris, name, null),
      async launch(name: string, behaviour: Behaviour = 'runs') {
        const order = { account: cris, name, timeoutSeconds: 12 * HOUR, outputsOf: [], models: [] }
        const answer = await provider.launch({ ...order, notebook: world.notebook(behaviour) })
        if (answer.kind !== 'awaits-person') throw new Error(`it does not wait: ${answer.kind}`)
        return answer.link
      },
      reaches: (name: string, running: number) =>
        world.until(`${running} of ${name}`, () => world.running(name) === running),
      [Symbol.asyncDispose]: () => world[Symbol.asyncDispose](),
    }
  }

  describe(`links at ${kind}`, () => {
    it('wait for a person, who starts the notebook when they come; it says queued all along', async () => {
      await using world = await opened({ opensAfter: 1800 })
      const link = await world.launch('a-lesson')
      expect(link).toMatch(/^https?:\/\/\S+/)
      const queued = { kind: 'queued', handle: link }
      expect(await world.observe('a-lesson')).toEqual(queued)
      await world.advance(1700)
      expect([world.started('a-lesson'), await world.observe('a-lesson')]).toEqual([0, queued])
      await world.advance(110)
      await world.reaches('a-lesson', 1)
      expect(await world.observe('a-lesson')).toEqual(queued)
    })

    it('wait on for a person who never comes', async () => {
      await using world = await opened({ opensAfter: null })
      const link = await world.launch('a-lesson')
      await world.advance(1000 * HOUR)
      expect(await world.observe('a-lesson')).toEqual({ kind: 'queued', handle: link })
      expect(world.started('a-lesson')).toBe(0)
    })

    it('are absent by a name that nobody launched', async () => {
      await using world = await opened({ opensAfter: 0 })
      expect(await world.observe('never-launched')).toEqual({ kind: 'absent' })
    })

    it('say nothing of a notebook that is over', async () => {
      await using world = await opened({ opensAfter: 0 })
      const link = await world.launch('a-lesson', 'ends')
      await world.advance(2)
      await world.until('its end', () => world.started('a-lesson') === 1)
      await world.reaches('a-lesson', 0)
      expect(await world.observe('a-lesson')).toEqual({ kind: 'queued', handle: link })
    })

    it('lead to a second process of the notebook when Run all is pressed again', async () => {
      await using world = await opened({ opensAfter: 0, againAfter: 600 })
      await world.launch('a-lesson')
      await world.advance(1)
      await world.reaches('a-lesson', 1)
      await world.advance(601)
      await world.reaches('a-lesson', 2)
    })

    it('give a machine for twelve hours at most, and none once the hours are used up', async () => {
      await using world = await opened({ opensAfter: 0 })
      await world.launch('a-lesson')
      await world.advance(1)
      await world.reaches('a-lesson', 1)
      await world.advance(12 * HOUR - 60)
      expect(world.running('a-lesson')).toBe(1)
      await world.advance(61)
      await world.reaches('a-lesson', 0)
      const link = await world.launch('the-second')
      await world.advance(1)
      await world.until('a denial', () => world.denials() === 1)
      expect(world.started('the-second')).toBe(0)
      expect(await world.observe('the-second')).toEqual({ kind: 'queued', handle: link })
    })

    it('give one machine at a time', async () => {
      await using world = await opened({ opensAfter: 0 })
      await world.launch('a-lesson')
      await world.advance(1)
      await world.reaches('a-lesson', 1)
      await world.launch('the-second')
      await world.advance(1)
      await world.until('a denial', () => world.denials() === 1)
      expect([world.started('the-second'), world.running('a-lesson')]).toEqual([0, 1])
    })

    it('cannot be followed, nor ended by force; no book is kept', async () => {
      await using world = await opened({ opensAfter: 0 })
      const { provider } = world
      expect(provider.tells(cris)).toBe(false)
      expect(await provider.kill(cris, 'a-lesson')).toBe(false)
      expect(await provider.quota(cris)).toBeNull()
    })
  })
}
