import { expect, it } from 'vitest'
import { colabSessions } from '../../../src/providers/colab/sessions.ts'
import type { SessionProvider } from '../../../src/rotation/session-provider.ts'
import { scriptedProvider } from '../../rotation/scripted-provider.ts'
import { accountOf } from '../../store/fixture.ts'

const now = () => new Date('2026-03-10T12:00:00.000Z')
const linked = accountOf('ana', { provider: 'colab', driver: 'link', automation: 'person' })
const driven = accountOf('rui', { provider: 'colab', driver: 'cli' })
const orderOf = (account: typeof driven) => ({
  account,
  name: `of-${account.name}`,
  notebook: '',
  timeoutSeconds: 60,
  outputsOf: [],
  models: [],
})

const both = (link: SessionProvider | undefined) => {
  const cli = scriptedProvider('local')
  return { cli, colab: colabSessions({ link, cli: cli.provider, now }) }
}

it('asks the driver of each account, and no other', async () => {
  const link = scriptedProvider('colab')
  const { cli, colab } = both(link.provider)
  expect(await colab.launch(orderOf(linked))).toMatchObject({ kind: 'awaits-person' })
  expect(await colab.launch(orderOf(driven))).toMatchObject({ kind: 'started' })
  await colab.kill(driven, 'of-rui')
  await colab.observe(linked, 'of-ana', null)
  expect([colab.tells(linked), colab.tells(driven)]).toEqual([false, true])
  expect(link.launches.map(({ name }) => name)).toEqual(['of-ana'])
  expect(cli.launches.map(({ name }) => name)).toEqual(['of-rui'])
  expect([link.killed, cli.killed]).toEqual([[], ['of-rui']])
  expect([link.asked, cli.asked]).toEqual([['of-ana'], []])
})

it('refuses a link without a Google client, and says what to set', async () => {
  const { cli, colab } = both(undefined)
  expect(await colab.observe(linked, 'of-ana', null)).toEqual({ kind: 'absent' })
  expect(await colab.launch(orderOf(linked))).toMatchObject({
    kind: 'refused',
    reason: expect.stringContaining('GOOGLE_CLIENT_ID'),
  })
  expect(cli.launches).toEqual([])
})
