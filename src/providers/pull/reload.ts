import { spawn } from 'node:child_process'
import http from 'node:http'
import https from 'node:https'
import { AppError } from '../../lib/errors.ts'
import { hostOf, networkFailure } from './get.ts'

/** A version that stands whole in its folder. */
export interface Version {
  readonly name: string
  /** Absolute. */
  readonly path: string
  readonly manifestSha256: string
}

/** How whoever serves is told to take a version. */
export type ReloadBy =
  /** Rodízio's own server: `POST /adapters/load`. */
  | { readonly kind: 'server'; readonly url: string; readonly key: string | null }
  /** vLLM with VLLM_ALLOW_RUNTIME_LORA_UPDATING=True: `POST /v1/load_lora_adapter`; `name` is what requests name as their model. */
  | {
      readonly kind: 'vllm'
      readonly url: string
      readonly key: string | null
      readonly name: string
    }
  /** A command of the shell, told by RODIZIO_VERSION, RODIZIO_VERSION_DIR and RODIZIO_MANIFEST_SHA256. */
  | {
      readonly kind: 'exec'
      readonly command: string
      readonly environment: Readonly<Record<string, string | undefined>>
    }

/** A server that reads 170 MB from a slow disk has its time. */
const reloadMs = 120_000

/**
 * Has a version taken, and returns when it is.
 * @throws AppError `conflict` (`reload_refused`) with what was answered, `unavailable` (`network`, `reload_late`)
 */
export async function reload(by: ReloadBy, version: Version, timeoutMs = reloadMs): Promise<void> {
  if (by.kind === 'exec') return await command(by, version, timeoutMs)
  if (by.kind === 'server') {
    const asked = { version: version.name, sha256: version.manifestSha256 }
    const answer = await post(by, '/adapters/load', asked, timeoutMs)
    if (answer.status !== 200) throw refused(by.url, answer)
    return
  }
  const asked = { lora_name: by.name, lora_path: version.path }
  const first = await post(by, '/v1/load_lora_adapter', { ...asked, load_inplace: true }, timeoutMs)
  if (first.status === 200) return
  // Versions that know no `load_inplace` take a name once: the old one is let go first.
  if (!/already been loaded/.test(first.text)) throw refused(by.url, first)
  const gone = await post(by, '/v1/unload_lora_adapter', { lora_name: by.name }, timeoutMs)
  if (gone.status !== 200) throw refused(by.url, gone)
  const second = await post(by, '/v1/load_lora_adapter', asked, timeoutMs)
  if (second.status !== 200) throw refused(by.url, second)
}

interface Answered {
  readonly status: number
  /** The first part of its body. */
  readonly text: string
}

function post(
  { url, key }: { readonly url: string; readonly key: string | null },
  path: string,
  body: unknown,
  timeoutMs: number,
): Promise<Answered> {
  const target = `${url.replace(/\/$/, '')}${path}`
  const text = JSON.stringify(body)
  return new Promise((resolve, reject) => {
    const request = (target.startsWith('https:') ? https : http).request(
      target,
      {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          'content-length': Buffer.byteLength(text),
          ...(key === null ? {} : { authorization: `Bearer ${key}` }),
        },
      },
      (answer) => {
        let said = ''
        answer.setEncoding('utf8')
        answer.on('data', (part: string) => {
          if (said.length < 10_000) said += part
        })
        answer.on('end', () => {
          clearTimeout(timer)
          resolve({ status: answer.statusCode ?? 0, text: said })
        })
        answer.on('error', (error) => reject(networkFailure(error, target)))
      },
    )
    const timer = setTimeout(() => {
      reject(late(hostOf(target), timeoutMs))
      request.destroy()
    }, timeoutMs)
    request.on('error', (error) => {
      clearTimeout(timer)
      reject(networkFailure(error, target))
    })
    request.end(text)
  })
}

/** The last lines of what a command says, for a person to read. */
const mostTold = 500

function command(
  { command: line, environment }: Extract<ReloadBy, { kind: 'exec' }>,
  version: Version,
  timeoutMs: number,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn('/bin/sh', ['-c', line], {
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
      env: {
        ...environment,
        RODIZIO_VERSION: version.name,
        RODIZIO_VERSION_DIR: version.path,
        RODIZIO_MANIFEST_SHA256: version.manifestSha256,
      },
    })
    let said = ''
    const hear = (part: Buffer) => {
      said = (said + part.toString('utf8')).slice(-mostTold)
    }
    child.stdout.on('data', hear)
    child.stderr.on('data', hear)
    const timer = setTimeout(() => {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
      reject(late('the command of --exec', timeoutMs))
    }, timeoutMs)
    child.on('error', (cause) => {
      clearTimeout(timer)
      reject(new AppError('unavailable', 'the command of --exec cannot be begun', { cause }))
    })
    child.on('close', (status, signal) => {
      clearTimeout(timer)
      if (status === 0) resolve()
      else reject(refusal(`the command of --exec ended with ${status ?? signal}`, said))
    })
  })
}

const refused = (url: string, { status, text }: Answered): AppError =>
  refusal(`${hostOf(url)} answered ${status}`, text)

const refusal = (what: string, said: string): AppError => {
  const words = said
    .replaceAll(/\p{C}+/gu, ' ')
    .trim()
    .slice(0, mostTold)
  return new AppError('conflict', words === '' ? what : `${what}: ${words}`, {
    code: 'reload_refused',
  })
}

const late = (who: string, timeoutMs: number): AppError =>
  new AppError('unavailable', `${who} was not done within ${Math.round(timeoutMs / 1000)} s`, {
    code: 'reload_late',
  })
