import { execFile } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { downloadFile, HubApiError, listFiles, whoAmI } from '@huggingface/hub'
import { describe, expect, it } from 'vitest'
import { sha256Hex } from '../../src/lib/random.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import {
  anaToken,
  baseFiles,
  biaToken,
  freshHub,
  gatedId,
  gatedRevision,
  largeBytes,
} from './hub-fixture.ts'

const repo = { type: 'model', name: gatedId } as const
const resolve = (url: string, name: string) => `${url}/${gatedId}/resolve/${gatedRevision}/${name}`
const bearer = (token: string) => ({ authorization: `Bearer ${token}` })

/** Where the hub sends who asks for a large file. */
async function signedAddress(url: string): Promise<string> {
  const answer = await fetch(resolve(url, 'tokenizer.model'), {
    headers: bearer(anaToken),
    redirect: 'manual',
  })
  expect(answer.status).toBe(302)
  return answer.headers.get('location') ?? ''
}

describe('the official client for Node', () => {
  it('knows whose token it has', async () => {
    await using hub = await freshHub()
    const me = await whoAmI({ hubUrl: hub.url, accessToken: anaToken })
    expect([me.name, me.auth.accessToken?.role]).toEqual(['ana', 'read'])
  })

  it('lists every file over several pages, large ones with their SHA-256', async () => {
    await using hub = await freshHub({ pageFiles: 3 })
    const listed = await Array.fromAsync(
      listFiles({ repo, revision: gatedRevision, recursive: true, hubUrl: hub.url }),
    )
    const expected = Object.entries(baseFiles).map(([path, text]) => [
      path,
      text.length,
      text.length < largeBytes ? undefined : sha256Hex(text),
    ])
    expect(listed.map(({ path, size, lfs }) => [path, size, lfs?.oid]).toSorted()).toEqual(
      expected.toSorted(),
    )
    expect(hub.admin.requests().filter(({ rpc }) => rpc === 'tree')).toHaveLength(4)
  })

  it('downloads a small file and a large one of a gated repository', async () => {
    await using hub = await freshHub()
    for (const path of ['config.json', 'model-00001-of-00002.safetensors']) {
      const wanted = { repo, path, revision: gatedRevision, hubUrl: hub.url }
      const blob = await downloadFile({ ...wanted, accessToken: anaToken })
      expect(await blob?.text()).toBe(baseFiles[path])
    }
    const signed = hub.admin.requests().filter(({ rpc }) => rpc === 'signed')
    expect(signed.length).toBeGreaterThan(0)
    expect(signed.filter(({ headers }) => 'authorization' in headers)).toEqual([])
  })

  it.each([
    ['without a token', undefined, 401, 'Please log in'],
    ['without the accepted licence', biaToken, 403, 'not in the authorized list'],
    ['with a token that nobody has', 'hf_nobody', 401, 'Invalid credentials'],
  ])('is refused a gated file %s', async (_why, token, status, words) => {
    await using hub = await freshHub()
    const wanted = { repo, path: 'config.json', revision: gatedRevision, hubUrl: hub.url }
    const refused = await downloadFile({
      ...wanted,
      ...(token === undefined ? {} : { accessToken: token }),
    }).catch((error: unknown) => error)
    expect(refused).toBeInstanceOf(HubApiError)
    expect(refused).toMatchObject({ statusCode: status, message: expect.stringContaining(words) })
  })

  it('is let in once the licence is accepted, and shut out once the token is taken back', async () => {
    await using hub = await freshHub()
    hub.admin.accept({ user: 'bia', id: gatedId })
    const wanted = { repo, path: 'config.json', revision: gatedRevision, hubUrl: hub.url }
    const blob = await downloadFile({ ...wanted, accessToken: biaToken })
    expect(await blob?.text()).toBe(baseFiles['config.json'])
    hub.admin.revoke({ token: biaToken })
    const refused = downloadFile({ ...wanted, accessToken: biaToken })
    await expect(refused).rejects.toMatchObject({ statusCode: 401 })
  })
})

describe('a signed address', () => {
  it('gives out one file by range to whoever has it, until its hour is over', async () => {
    await using hub = await freshHub()
    const address = await signedAddress(hub.url)
    expect(new URL(address).origin).not.toBe(hub.url)
    const part = await fetch(address, { headers: { range: 'bytes=1400-' } })
    expect([part.status, (await part.text()).length]).toEqual([206, 100])
    expect((await fetch(address.replace('tokenizer.model', 'config.json'))).status).toBe(403)
    hub.admin.advanceClock(3601)
    expect((await fetch(address)).status).toBe(403)
    expect((await fetch(await signedAddress(hub.url))).status).toBe(200)
  })

  it('is cut and refused on demand', async () => {
    await using hub = await freshHub()
    const address = await signedAddress(hub.url)
    hub.admin.addFaults({ kind: 'cut', rpc: 'signed', afterBytes: 700 })
    await expect(fetch(address).then((answer) => answer.text())).rejects.toThrow()
    hub.admin.addFaults({ kind: 'rate_limit', rpc: 'signed', retryAfterSeconds: 7 })
    const limited = await fetch(address)
    expect([limited.status, limited.headers.get('retry-after')]).toEqual([429, '7'])
  })
})

const python = join(import.meta.dirname, '../../.venvs/notebooks-colab/bin/python')
const program = `
import sys
from huggingface_hub import HfApi, snapshot_download
from huggingface_hub.errors import GatedRepoError
url, repo, revision, folder, ana, bia = sys.argv[1:]
print(HfApi(endpoint=url, token=ana).whoami()['name'])
wanted = dict(repo_id=repo, revision=revision, endpoint=url, ignore_patterns=['consolidated*'])
try:
    snapshot_download(local_dir=folder + '/bia', token=bia, **wanted)
except GatedRepoError:
    print('gated')
snapshot_download(local_dir=folder + '/ana', token=ana, **wanted)
`

describe.skipIf(!existsSync(python))('the official client for Python', () => {
  it('takes a snapshot, and tells a licence that is not accepted', {
    timeout: 60_000,
  }, async () => {
    await using hub = await freshHub()
    using folder = temporaryFolder()
    const given = [hub.url, gatedId, gatedRevision, folder.path, anaToken, biaToken]
    const { stdout } = await promisify(execFile)(python, ['-c', program, ...given], {
      env: { PATH: '/usr/bin:/bin', HOME: folder.path, HF_HUB_DISABLE_TELEMETRY: '1' },
    })
    expect(stdout.trim().split('\n')).toEqual(['ana', 'gated'])
    for (const [name, text] of Object.entries(baseFiles)) {
      if (name.startsWith('consolidated')) continue
      expect(readFileSync(join(folder.path, 'ana', name), 'utf8')).toBe(text)
    }
  })
})
