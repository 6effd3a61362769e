import { colabLink } from '../../src/providers/colab/link.ts'
import { type Behaviour, colabSessionsContract } from '../contract/colab-sessions.ts'
import { freshColab } from './colab-fixture.ts'
import { FOREVER, notebook, until } from './kaggle-fixture.ts'

const sources: Readonly<Record<Behaviour, string>> = { runs: FOREVER, ends: 'print("fim")' }

const forGpu = (source: string): string => {
  const parsed = JSON.parse(notebook(source))
  return JSON.stringify({ ...parsed, metadata: { ...parsed.metadata, accelerator: 'GPU' } })
}

// The emulated Colab and its person; Drive is a shelf of which the person is told.
colabSessionsContract('the emulated Colab', async ({ gpuHours }) => {
  const emulator = await freshColab({ gpuHoursPerDay: gpuHours })
  const shelf = new Map<string, string>()
  const views = (name: string) =>
    emulator.admin.state().notebooks.filter((view) => view.name === name)
  return {
    provider: colabLink({
      shelf: async () => ({
        find: async (name) => shelf.get(name),
        async put(name, text) {
          emulator.admin.giveLink({ name, notebook: text })
          shelf.set(name, name)
          return name
        },
      }),
      colabUrl: () => emulator.url,
      now: () => new Date(emulator.admin.state().now),
      reachable: () => true,
    }),
    advance: async (seconds) => emulator.admin.advanceClock(seconds),
    until: async (what, is) => {
      await until(what, is)
    },
    behave: (...manners) =>
      emulator.admin.behave(
        ...manners.map(({ opensAfter, againAfter }) =>
          opensAfter === null
            ? { behaviour: 'never' as const }
            : {
                behaviour: 'late' as const,
                delaySeconds: opensAfter,
                ...(againAfter === undefined ? {} : { againSeconds: againAfter }),
              },
        ),
      ),
    notebook: (behaviour) => forGpu(sources[behaviour]),
    running: (name) => views(name).filter(({ state }) => state === 'running').length,
    started: (name) => views(name).filter(({ pid }) => pid !== null).length, // a machine that is denied runs none
    denials: () =>
      emulator.admin
        .state()
        .notebooks.filter(({ message }) => /usage limits|Too many/.test(message ?? '')).length,
    [Symbol.asyncDispose]: () => emulator[Symbol.asyncDispose](),
  }
})
