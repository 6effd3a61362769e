import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { systemClock } from '../../../src/lib/clock.ts'
import { kaggleClient } from '../../../src/providers/kaggle/client.ts'
import { kaggleSessions } from '../../../src/providers/kaggle/sessions.ts'
import {
  freshEmulator,
  KEY,
  notebook,
  reaches,
  temporaryFolder,
} from '../../emulators/kaggle-fixture.ts'
import { accountOf } from '../../store/fixture.ts'

const source = 'Mistral-AI/mistral/PyTorch/7b-instruct-v0.1-hf/1'
const mounts = join(import.meta.dirname, '../../../templates/session/mounts.py')

/** As a session looks for its base. */
const looks = notebook(
  `exec(open(${JSON.stringify(mounts)}).read())`,
  `print(mounted_base('kaggle:${source}'))`,
  `print((mounted_base('kaggle:${source}') / 'config.json').read_text())`,
)

it('is mounted into the session that asks for it, and found there by the agent', async () => {
  using folder = temporaryFolder()
  writeFileSync(join(folder.path, 'config.json'), 'the model')
  await using emulator = await freshEmulator({ baseModels: [{ source, folder: folder.path }] })
  const client = kaggleClient({
    baseUrl: emulator.url,
    credentials: { kind: 'key', username: 'ana', key: KEY },
    timeoutMs: 5000,
    clock: systemClock,
  })
  const sessions = kaggleSessions({
    clientOf: async () => client,
    clock: systemClock,
    reach: () => 'open',
  })
  const order = { account: accountOf('ana'), notebook: looks, timeoutSeconds: 60, outputsOf: [] }
  await sessions.launch({ ...order, name: 'with-model', models: [source] })
  const { logPath } = await reaches(emulator, 'with-model', 'COMPLETE')
  const [, text] = readFileSync(logPath, 'utf8').trim().split('\n')
  expect(text).toBe('the model')
  await sessions.launch({ ...order, name: 'without-model', models: [] })
  await reaches(emulator, 'without-model', 'ERROR')
})
