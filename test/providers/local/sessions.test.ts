import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { resolvePython } from '../../../src/providers/local/python.ts'
import { localSessions } from '../../../src/providers/local/sessions.ts'
import { notebook, runnerPath, temporaryFolder, until } from '../../emulators/kaggle-fixture.ts'
import { accountOf } from '../../store/fixture.ts'

const account = accountOf('local', { provider: 'local' })
const source = "import os, sys\nprint(sys.executable, os.environ['OMP_NUM_THREADS'])"

it('runs each notebook with the Python for it, in one thread, and is told why where there is none', async () => {
  using folder = temporaryFolder()
  const provider = localSessions({
    root: folder.path,
    runnerPath,
    now: () => new Date(),
    python: (text) => {
      if (text.includes('never')) throw new Error('no Python for this one')
      return resolvePython('python3')
    },
  })
  const order = { account, timeoutSeconds: 60, outputsOf: [], models: [] }
  const launched = await provider.launch({ ...order, name: 'one', notebook: notebook(source) })
  expect(launched.kind).toBe('started')
  await until(
    'its end',
    async () => (await provider.observe(account, 'one', null)).kind === 'ended',
  )
  const log = readFileSync(join(folder.path, 'one', 'output.log'), 'utf8')
  expect(log).toBe(`${resolvePython('python3')} 1\n`)
  const refused = await provider.launch({ ...order, name: 'two', notebook: notebook('never') })
  expect(refused).toMatchObject({ kind: 'refused', reason: 'no Python for this one' })
})
