import { expect, it } from 'vitest'
import { colabLink, type NotebookShelf } from '../../../src/providers/colab/link.ts'
import { howToBeReached } from '../../../src/rotation/reach.ts'
import { accountOf } from '../../store/fixture.ts'

const order = {
  account: accountOf('cris', { provider: 'colab', automation: 'person' }),
  name: 'rodizio-r-g1',
  notebook: '{}',
  timeoutSeconds: 3600,
  outputsOf: [],
  models: [],
}

function linkWith(reachable: boolean) {
  const put: string[] = []
  const shelf: NotebookShelf = {
    find: async () => undefined,
    put: async (name) => {
      put.push(name)
      return 'a b'
    },
  }
  const provider = colabLink({
    shelf: async () => shelf,
    colabUrl: () => 'https://colab.example/',
    now: () => new Date(0),
    reachable: () => reachable,
  })
  return { put, provider }
}

it('puts the notebook on Drive and gives the link to it', async () => {
  const { put, provider } = linkWith(true)
  expect(await provider.launch(order)).toEqual({
    kind: 'awaits-person',
    link: 'https://colab.example/drive/a%20b',
  })
  expect(put).toEqual(['rodizio-r-g1'])
})

it('offers nothing while sessions could not report here, and says what Colab needs and how to get it', async () => {
  const { put, provider } = linkWith(false)
  const answer = await provider.launch(order)
  expect(answer).toMatchObject({ kind: 'refused', retryAt: new Date(3_600_000) })
  expect(answer).toMatchObject({ reason: expect.stringContaining('Colab could not reach') })
  expect(answer).toMatchObject({ reason: expect.stringContaining(howToBeReached) })
  for (const way of ['Caddy', 'RODIZIO_PUBLIC_URL', 'rodizio up --tunnel', 'cloudflared']) {
    expect(howToBeReached).toContain(way)
  }
  expect(put).toEqual([])
})
