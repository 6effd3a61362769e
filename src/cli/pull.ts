import { readFileSync } from 'node:fs'
import type { Command } from 'commander'
import type { ControlPlane, PullResult } from '../app/pull.ts'
import { type AdapterFormat, adapterFormats } from '../artifacts/adapter-format.ts'
import { systemClock } from '../lib/clock.ts'
import { AppError, messageOf } from '../lib/errors.ts'
import type { Context } from './context.ts'
import { wholeOf } from './flag-values.ts'
import { bytes } from './narrate.ts'

interface PullFlags {
  readonly to: string
  readonly from?: string
  readonly run?: string
  readonly version?: string
  readonly watch?: boolean
  readonly server?: string
  readonly serverKeyFile?: string
  readonly vllm?: string
  readonly vllmName?: string
  readonly exec?: string
  readonly format?: string
  readonly ollamaFrom?: string
  readonly llamaCpp?: string
  readonly baseFolder?: string
  readonly connections?: string
  readonly json?: boolean
  readonly quiet?: boolean
}

/** `rodizio pull`: the newest promoted adapter, whole, onto the box that serves it. */
export function pullCommand(program: Command, context: Context): void {
  program
    .command('pull')
    .description('bring the newest promoted adapter into a folder, and have it served')
    .requiredOption('--to <folder>', 'versions/NAME/… and the link current in it')
    .option(
      '--from <source>',
      'in place of the service: hub:OWNER/NAME[@REVISION], or drive:FOLDER',
    )
    .option('--run <name>', 'a line, or a run of it; the only line when left out')
    .option('--version <version>', 'that one, whatever its line serves')
    .option('--watch', 'go on: what is promoted later is brought within a minute')
    .option('--server <url>', 'our own server takes it: POST /adapters/load')
    .option('--vllm <url>', 'vLLM takes it: POST /v1/load_lora_adapter')
    .option('--vllm-name <name>', 'what requests to vLLM name as their model', 'rodizio')
    .option('--server-key-file <file>', 'the key to that server')
    .option('--exec <command>', 'a command has it taken; RODIZIO_VERSION_DIR says where it is')
    .option(
      '--format <format>',
      'peft; ollama: VERSION/ollama/Modelfile; gguf: VERSION/gguf/adapter.gguf',
      'peft',
    )
    .option(
      '--ollama-from <model>',
      'what the Modelfile builds upon; the library’s own when left out',
    )
    .option('--llama-cpp <folder>', 'where convert_lora_to_gguf.py is; on the PATH when left out')
    .option('--base-folder <folder>', 'the base’s config.json for it; from the Hub when left out')
    .option('--connections <n>', 'ranges of a file that are fetched at once; 8 when left out')
    .addHelpText(
      'after',
      `
What arrives is whole: every file by its hash, the weights by their shapes; nothing is unpickled. A reload
that fails leads current back to the version before. Three versions are kept.

Without the service: HF_TOKEN opens a private repository of the Hub; GOOGLE_APPLICATION_CREDENTIALS, the key of a
service account, a folder of Drive that is shared with it; GOOGLE_API_KEY one that is shared by link.

Examples:
  rodizio pull --to /srv/adapter
  rodizio pull --to /srv/adapter --run house --watch --server http://127.0.0.1:8000 --server-key-file key
  rodizio pull --to /srv/adapter --from hub:ana/house@v3
  rodizio pull --to /srv/adapter --from drive:1AbCdEfGhIjKlMnOp --watch
  rodizio pull --to /srv/adapter --vllm http://127.0.0.1:8000 --vllm-name house
  rodizio pull --to /srv/adapter --exec 'systemctl restart my-server'
  rodizio pull --to /srv/adapter --format ollama --exec 'ollama create house -f "$RODIZIO_VERSION_DIR/ollama/Modelfile"'`,
    )
    .action(async (flags: PullFlags) => {
      const { openPull } = await import('../app/pull.ts')
      const bar = progressBar(flags)
      const connections = wholeOf('--connections', flags.connections, [1, 64])
      const pull = openPull({
        client: await sourceOf(flags, context),
        to: flags.to,
        run: flags.run,
        version: flags.version,
        reloadBy: reloadBy(flags, context.environment),
        format: formatWanted(flags, context),
        clock: systemClock,
        progress: bar.show,
        ...(connections === undefined ? {} : { connections }),
      })
      const release = await pull.lock()
      try {
        if (flags.watch) await watch(pull.once, (result) => said(result, bar, context))
        else {
          const result = await pull.once(undefined, 0)
          if (result) said(result, bar, context)
        }
      } finally {
        bar.end()
        await release()
      }
    })
}

/** The service; or a repository of the Hub, or a folder of Drive, without one. */
async function sourceOf(
  { from, run, version }: PullFlags,
  context: Context,
): Promise<ControlPlane> {
  if (from === undefined) return context.client()
  const [, kind, name] = /^(hub|drive):(.*)$/s.exec(from) ?? []
  if (kind === undefined || name === undefined) {
    throw new AppError('invalid', `--from ${from} is no place to pull from`, {
      next: 'For example: --from hub:ana/house, or --from drive:FOLDER; left out, the service says what is served',
    })
  }
  if (run !== undefined || version !== undefined) {
    throw new AppError(
      'invalid',
      '--run and --version ask the service, and --from does without it',
      {
        next: 'Name a revision instead: --from hub:ana/house@v3; or the folder of that version',
      },
    )
  }
  const { driveFolderOf, driveServed, hubServed, hubSourceOf } = await import('../app/pull.ts')
  const config = context.config()
  const clock = systemClock
  if (kind === 'hub') {
    const { RODIZIO_HUB_URL: hub, RODIZIO_HUB_TOKEN: own, HF_TOKEN: usual } = config
    return hubServed({ hub, token: own ?? usual ?? null, source: hubSourceOf(name), clock })
  }
  const folder = driveFolderOf(name)
  const { RODIZIO_DRIVE_URL: drive, RODIZIO_GOOGLE_TOKEN_URL: tokenUrl } = config
  return driveServed({ drive, tokenUrl, folder, reader: await googleReader(context), clock })
}

async function googleReader(context: Context) {
  const { readerOf } = await import('../app/pull.ts')
  const { GOOGLE_APPLICATION_CREDENTIALS: file, GOOGLE_API_KEY: key } = context.config()
  if (file !== undefined) return readerOf(contentOf('GOOGLE_APPLICATION_CREDENTIALS', file))
  if (key !== undefined) return { kind: 'key' as const, key }
  throw new AppError('unauthorized', 'reading a folder of Drive wants a key', {
    code: 'access_refused',
    next: 'Set GOOGLE_APPLICATION_CREDENTIALS to the key of a service account with which it is shared, or GOOGLE_API_KEY for one that is shared by link',
  })
}

function contentOf(what: string, path: string): string {
  try {
    return readFileSync(path, 'utf8').trim()
  } catch (cause) {
    throw new AppError('invalid', `${what} ${path} cannot be read: ${messageOf(cause)}`, {
      code: 'file_unreadable',
      next: 'Name a file that this user may read',
    })
  }
}

function reloadBy(flags: PullFlags, environment: Context['environment']) {
  const ways = [flags.server, flags.vllm, flags.exec].filter((way) => way !== undefined)
  if (ways.length > 1) {
    throw new AppError('invalid', '--server, --vllm and --exec exclude each other', {
      next: 'Let --exec do the rest where two are to be told',
    })
  }
  const { serverKeyFile } = flags
  const key = serverKeyFile === undefined ? null : contentOf('--server-key-file', serverKeyFile)
  if (flags.server !== undefined) {
    return { kind: 'server' as const, url: webAddress('--server', flags.server), key }
  }
  if (flags.vllm !== undefined) {
    const url = webAddress('--vllm', flags.vllm)
    return { kind: 'vllm' as const, url, key, name: flags.vllmName ?? 'rodizio' }
  }
  if (flags.exec === undefined) return null
  return { kind: 'exec' as const, command: flags.exec, environment }
}

function formatWanted(flags: PullFlags, context: Context) {
  const format = adapterFormats.find((one): one is AdapterFormat => one === flags.format)
  if (format === undefined) {
    throw new AppError('invalid', `--format ${flags.format} is none`, {
      next: `Take one of: ${adapterFormats.join(', ')}`,
    })
  }
  return {
    format,
    ollamaFrom: flags.ollamaFrom ?? null,
    llamaCpp: flags.llamaCpp ?? null,
    baseFolder: flags.baseFolder ?? null,
    python: context.config().RODIZIO_PYTHON,
    environment: context.environment,
  }
}

function webAddress(flag: string, given: string): string {
  const url = URL.parse(given)
  if (url && /^https?:$/.test(url.protocol)) return given
  throw new AppError('invalid', `${flag} ${given} is no web address`, {
    next: `For example: ${flag} http://127.0.0.1:8000`,
  })
}

/** Within a minute of a promotion: a call that waits is answered at once. */
const waitSeconds = 50
const firstPauseMs = 2000
const longestPauseMs = 60_000
/** What could not be loaded is not tried again at once. */
const refusedPauseMs = 300_000

/** Goes on until the process is told to end. Trouble is said once until it changes, and outlasted. */
async function watch(
  once: (
    after: string | undefined,
    waitSeconds: number,
    signal: AbortSignal,
  ) => Promise<PullResult | null>,
  tell: (result: PullResult) => void,
): Promise<void> {
  const stop = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort())
  let has: string | undefined
  let said = ''
  let pauseMs = firstPauseMs
  while (!stop.signal.aborted) {
    try {
      const result = await once(has, has === undefined ? 0 : waitSeconds, stop.signal)
      if (result) tell(result)
      has = result?.version ?? has
      said = ''
      pauseMs = firstPauseMs
    } catch (error) {
      if (stop.signal.aborted) return
      if (!(error instanceof AppError) || error.kind === 'invalid') throw error
      if (messageOf(error) !== said) process.stderr.write(`rodizio: ${messageOf(error)}\n`)
      said = messageOf(error)
      await systemClock.sleep(
        error.code === 'reload_failed' ? refusedPauseMs : pauseMs,
        stop.signal,
      )
      pauseMs = Math.min(longestPauseMs, pauseMs * 2)
    }
  }
}

function said(result: PullResult, bar: ReturnType<typeof progressBar>, context: Context): void {
  bar.end()
  context.answer(result, () =>
    result.went === 'unchanged' && result.fetched === 0
      ? `${result.version} of ${result.line} is there already: ${result.path}`
      : `${result.version} of ${result.line} is live: ${result.path} (${bytes(result.fetched)} fetched)`,
  )
}

const barWidth = 30

/** On a terminal alone, on one line. */
function progressBar({ json, quiet }: PullFlags) {
  const isShown = process.stderr.isTTY === true && !json && !quiet
  let shownAt = Number.NEGATIVE_INFINITY
  let isOpen = false
  return {
    show({ version, bytes: all, done }: { version: string; bytes: number; done: number }): void {
      const now = systemClock.monotonicMs()
      if (!isShown || (now - shownAt < 100 && done < all)) return
      shownAt = now
      isOpen = true
      const full = Math.round((barWidth * done) / Math.max(1, all))
      const bar = '█'.repeat(full).padEnd(barWidth, '░')
      process.stderr.write(`\r${version} ${bar} ${bytes(done)} of ${bytes(all)} `)
    },
    end(): void {
      if (isOpen) process.stderr.write('\n')
      isOpen = false
    },
  }
}
