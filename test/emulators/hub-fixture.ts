import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { HubEmulatorOptions } from '../../src/emulators/hub/options.ts'
import { type HubEmulator, startHubEmulator } from '../../src/emulators/hub/server.ts'
import { type Clock, systemClock } from '../../src/lib/clock.ts'
import { temporaryFolder } from '../temporary-folder.ts'

/** The official base of the catalogue, as far as its name goes. */
export const gatedId = 'mistralai/Mistral-7B-Instruct-v0.3'
export const gatedRevision = 'c170c708c41dac9275d15a8fff4eca08d52bab71'

/** A read token of somebody who has accepted the licence, and one of somebody who has not. */
export const anaToken = 'hf_anaAnaAnaAnaAnaAnaAnaAnaAnaAnaAna'
export const biaToken = 'hf_biaBiaBiaBiaBiaBiaBiaBiaBiaBiaBia'

/** Files from so many bytes on are given out by signed addresses here. */
export const largeBytes = 1000

/** A base as its repository holds it: what is fetched, and what is not. */
export const baseFiles: Readonly<Record<string, string>> = {
  'README.md': 'a card',
  'config.json': '{"model_type": "mistral"}\n',
  'generation_config.json': '{}\n',
  'model.safetensors.index.json': '{"weight_map": {}}\n',
  'model-00001-of-00002.safetensors': 'w'.repeat(5000),
  'model-00002-of-00002.safetensors': 'v'.repeat(3000),
  'consolidated.safetensors': 'c'.repeat(8000),
  'tokenizer.json': '{"tokens": []}\n',
  'tokenizer.model': 't'.repeat(1500),
  'tokenizer_config.json': '{}\n',
  'original/params.json': '{}\n',
}

/** An emulated hub with one gated base, in a folder of its own; both are gone at the end of the block. */
export async function freshHub(
  options: Partial<HubEmulatorOptions> = {},
  files: Readonly<Record<string, string>> = baseFiles,
  clock: Clock = systemClock,
): Promise<HubEmulator> {
  const folder = temporaryFolder()
  const models = join(folder.path, 'models')
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(models, name)), { recursive: true })
    writeFileSync(join(models, name), content)
  }
  const emulator = await startHubEmulator({
    stateDir: folder.path,
    clock,
    repositories: [{ id: gatedId, folder: models, revision: gatedRevision, isGated: true }],
    users: {
      [anaToken]: { name: 'ana', accepted: [gatedId] },
      [biaToken]: { name: 'bia', accepted: [] },
    },
    largeBytes,
    ...options,
  })
  return {
    ...emulator,
    [Symbol.asyncDispose]: async () => {
      await emulator.close()
      folder[Symbol.dispose]()
    },
  }
}
