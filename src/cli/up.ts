import { spawn } from 'node:child_process'
import { closeSync, mkdirSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import type { Command } from 'commander'
import { rodizioClient } from '../api/client.ts'
import { readServiceFile, type ServiceFile } from '../config/service-file.ts'
import { systemClock } from '../lib/clock.ts'
import { AppError, systemCode } from '../lib/errors.ts'
import { type Log, silentLog } from '../lib/log.ts'
import { ago } from './backup-checks.ts'
import type { Context } from './context.ts'
import { fromOutside, greeting, whereNext } from './greeting.ts'
import { sentence, wallTime } from './narrate.ts'
import { bar } from './table.ts'

interface UpFlags {
  detach?: boolean
  acceptClock?: boolean
  tunnel?: boolean
  real?: boolean
}

/** `rodizio up`, `status` and `down`: the service itself. */
export function upCommands(program: Command, context: Context): void {
  program
    .command('up')
    .description('start the service; without any configuration it shows a whole rotation, emulated')
    .option('--detach', 'go on in the background')
    .option('--accept-clock', 'start although the clock is behind what the data folder has seen')
    .option('--tunnel', 'make it reachable from outside by a quick tunnel of cloudflared')
    .option(
      '--real',
      'over the emulators, begin a run that really trains: 4-bit LoRA of a tiny model on the CPU; wants npm run setup:notebooks once',
    )
    .addHelpText(
      'after',
      '\nExamples:\n  rodizio up\n  rodizio up --real\n  rodizio up --tunnel\n  RODIZIO_DATA_DIR=/var/lib/rodizio rodizio up --detach\n  RODIZIO_LOG=json rodizio up',
    )
    .action(async (flags: UpFlags) => {
      refuseTwoAddresses(context, flags)
      if (flags.real) await refuseUnprepared(context)
      if (flags.detach) await startDetached(context, flags)
      else await serve(context, flags)
    })

  program
    .command('status')
    .description('whether the service runs, and where')
    .addHelpText('after', '\nExample:\n  rodizio status --json')
    .action(async () => {
      const service = readServiceFile(context.config().RODIZIO_DATA_DIR)
      const health = await context.client().health()
      const backups = await lastBackup(context)
      const told =
        backups && (backups.at === null ? 'none yet' : ago(backups.at, systemClock.now()))
      context.answer(
        {
          ...health,
          url: context.client().base,
          pid: service?.pid ?? null,
          ...(backups ? { lastBackupAt: backups.at } : {}),
        },
        () =>
          `Rodízio ${health.version} serves at ${context.client().base}${service ? ` (pid ${service.pid})` : ''}` +
          (health.emulated.length > 0 ? `; emulated: ${health.emulated.join(', ')}` : '') +
          (told ? `; last backup: ${told}` : ''),
      )
    })

  program
    .command('down')
    .description('stop the service on this machine; local sessions save a checkpoint first')
    .addHelpText('after', '\nExample:\n  rodizio down')
    .action(async () => {
      const service = readServiceFile(context.config().RODIZIO_DATA_DIR)
      if (!service || !(await answers(service, context))) {
        throw new AppError('not-found', `no service runs on ${context.config().RODIZIO_DATA_DIR}`, {
          code: 'no_service',
          next: 'rodizio status says where one runs',
        })
      }
      process.kill(service.pid, 'SIGTERM')
      for (let waited = 0; waited < 40_000 && isAlive(service.pid); waited += 100) {
        await systemClock.sleep(100)
      }
      if (isAlive(service.pid)) {
        throw new AppError('unavailable', `the service (pid ${service.pid}) has not ended yet`, {
          next: 'It may still be waiting for a checkpoint; look again with: rodizio status',
        })
      }
      context.answer(
        { stopped: service.pid },
        () => 'The service has stopped. Runs go on at its next start.',
      )
    })
}

/** When the last backup was made; null for who may not know. */
async function lastBackup(context: Context): Promise<{ readonly at: string | null } | null> {
  try {
    return { at: (await context.client().backupState()).lastBackup?.at ?? null }
  } catch (error) {
    if (error instanceof AppError && error.kind === 'not-allowed') return null
    throw error
  }
}

/** A dead service's pid may belong to another program by now: only one that answers is ours. */
async function answers(service: ServiceFile, context: Context): Promise<boolean> {
  const { token } = context.client()
  return rodizioClient({ url: service.url, token, timeoutMs: 3000 })
    .health()
    .then(
      () => isAlive(service.pid),
      () => false,
    )
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return systemCode(error) === 'EPERM'
  }
}

/** Which of two addresses sessions should go by would be a guess. */
function refuseTwoAddresses(context: Context, flags: UpFlags): void {
  const { RODIZIO_PUBLIC_URL: fixed, sources } = context.config()
  if (!flags.tunnel || fixed === undefined) return
  const where = sources.RODIZIO_PUBLIC_URL === 'file' ? context.config().file : 'the environment'
  throw new AppError('invalid', `--tunnel, and RODIZIO_PUBLIC_URL is ${fixed} already`, {
    code: 'two_addresses',
    next: `Leave out --tunnel, or take RODIZIO_PUBLIC_URL out of ${where}`,
  })
}

/** Said here already: a service in the background could say it in its log alone. */
async function refuseUnprepared(context: Context): Promise<void> {
  const { trlPythons } = await import('../app.ts')
  trlPythons(context.config(), context.root).required()
}

/** How long a service that was started in the background may take: a tunnel's name has to spread first, a tiny base to be made. */
const startMs = { plain: 20_000, withTunnel: 160_000, real: 240_000 }

async function startDetached(context: Context, flags: UpFlags): Promise<void> {
  const dataDir = context.config().RODIZIO_DATA_DIR
  mkdirSync(dataDir, { recursive: true, mode: 0o700 })
  const logFile = join(dataDir, 'service.log')
  const log = openSync(logFile, 'a', 0o600)
  const args = [...process.execArgv, context.entry, 'up']
  if (flags.acceptClock) args.push('--accept-clock')
  if (flags.tunnel) args.push('--tunnel')
  if (flags.real) args.push('--real')
  const child = spawn(process.execPath, args, { detached: true, stdio: ['ignore', log, log] })
  closeSync(log)
  child.unref()
  const longest =
    (flags.tunnel ? startMs.withTunnel : startMs.plain) + (flags.real ? startMs.real : 0)
  for (let waited = 0; waited < longest; waited += 100) {
    const service = readServiceFile(dataDir)
    const isOpen = !flags.tunnel || service?.publicUrl != null
    if (service?.pid === child.pid && service && isOpen && (await answers(service, context))) {
      context.answer(service, () =>
        [
          `The service runs at ${service.url} (pid ${service.pid}); its log: ${logFile}`,
          ...(flags.tunnel && service.publicUrl ? fromOutside(service.publicUrl) : []),
        ].join('\n'),
      )
      return
    }
    if (child.exitCode !== null) break
    await systemClock.sleep(100)
  }
  throw new AppError('unavailable', 'the service did not come up', {
    code: 'service_silent',
    next: `Read why in ${logFile}`,
  })
}

/**
 * Takes the engine's optimizing compilers away: their own code is some 6 MB of the program that this process would otherwise
 * never touch (`npm run bench -- checkpoints`), and a service that sleeps most of its time needs no faster code.
 */
function staySmall(): void {
  setFlagsFromString('--no-turbofan')
  setFlagsFromString('--no-maglev')
}

async function serve(context: Context, flags: UpFlags): Promise<void> {
  staySmall()
  const config = context.config()
  const teller = tellerFor(config.RODIZIO_LOG, context.isTerminal, await logFor(config.RODIZIO_LOG))
  const { startService } = await import('../app.ts')
  const stop = new AbortController()
  const signalled = () => stop.abort()
  process.once('SIGTERM', signalled).once('SIGINT', signalled)
  if (flags.tunnel) teller.line('Opening a tunnel; until its address answers may take a minute.')
  if (flags.real)
    teller.line('Making ready for real training: a tiny base model, once, in some ten seconds.')
  const service = await startService({
    config,
    root: context.root,
    program: [process.execPath, context.entry],
    path: process.env.PATH ?? '',
    log: teller.log,
    version: context.version,
    acceptClock: flags.acceptClock ?? false,
    tunnel: flags.tunnel ?? false,
    real: flags.real ?? false,
    stop: stop.signal,
  })
  teller.greet(service)
  // Events are told from where the data folder stands now: a restart does not repeat history.
  let told = service.newestEvent
  while (!stop.signal.aborted) {
    for (const event of await service.events(told)) {
      teller.event({ ...event, at: event.at.toISOString(), data: { ...event.data } })
      told = event.id
    }
    teller.progress(await service.progress())
    await systemClock.sleep(500, stop.signal)
  }
  teller.line(
    'Stopping: sessions on this machine save a checkpoint first. Runs go on at the next start.',
  )
  for (const event of await service.stop(told)) {
    teller.event({ ...event, at: event.at.toISOString(), data: { ...event.data } })
  }
}

type Service = Awaited<ReturnType<typeof import('../app.ts')['startService']>>
type Told = Parameters<typeof sentence>[0] & { at: string; runId: string | null }

/** The JSON log's library is loaded only where it is asked for: it is a tenth of the start. */
async function logFor(form: 'text' | 'json' | 'silent'): Promise<Log> {
  if (form !== 'json') return silentLog
  return (await import('../lib/json-log.ts')).jsonLog(process.stdout)
}

/** How the service speaks on standard output: sentences, JSON lines, or not at all. */
function tellerFor(form: 'text' | 'json' | 'silent', isTerminal: boolean, log: Log) {
  let barShown = false
  const line = (text: string) => {
    if (form !== 'text') return
    process.stdout.write(`${barShown ? '\r\u001b[2K' : ''}${text}\n`)
    barShown = false
  }
  const texts: Log = {
    info: () => undefined,
    warn: (entry) => line(`  ! ${String(entry.message ?? entry.event)}`),
    error: (entry) => line(`  ! ${String(entry.message ?? entry.event)}`),
  }
  return {
    log: form === 'text' ? texts : log,
    line,
    event(event: Told) {
      if (form === 'json')
        log.info({ event: event.kind, at: event.at, runId: event.runId, ...event.data })
      line(`${wallTime(event.at)}  ${sentence(event)}`)
      if (event.kind === 'run.completed' && event.data.sample === true) line(whereNext(event.data))
    },
    progress(runs: readonly { name: string; step: number; targetSteps: number }[]) {
      const [run] = runs
      if (form !== 'text' || !isTerminal) return
      if (!run) {
        if (barShown) process.stdout.write('\r\u001b[2K')
        barShown = false
        return
      }
      process.stdout.write(
        `\r\u001b[2K  ${run.name} ${bar(run.step, run.targetSteps)}  step ${run.step} of ${run.targetSteps}`,
      )
      barShown = true
    },
    greet(service: Service) {
      if (form === 'json') {
        log.info({
          event: 'service.started',
          url: service.url,
          pid: process.pid,
          emulated: service.emulated,
          ...(service.tunnel ? { tunnel: service.tunnel } : {}),
          ...(service.real ? { real: service.real } : {}),
        })
        return
      }
      for (const text of greeting(service)) line(text)
    },
  }
}
