import { execFileSync } from 'node:child_process'
import { existsSync, statfsSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Command } from 'commander'
import { rodizioClient } from '../api/client.ts'
import { readServiceFile, readToken } from '../config/service-file.ts'
import { systemClock } from '../lib/clock.ts'
import { messageOf } from '../lib/errors.ts'
import { howToBeReached } from '../rotation/reach.ts'
import { backupChecks } from './backup-checks.ts'
import { bad, type Check, good } from './check.ts'
import type { Context } from './context.ts'
import { googleClient, googleSignIn } from './google-checks.ts'
import { hubToken } from './hub-checks.ts'
import { bound, memory, memoryLimit } from './machine-checks.ts'
import { brokenChannels, deepRefused, nodesDown, tunnelBudgets } from './node-checks.ts'

/** `rodizio doctor`: everything a rotation needs, each with its fix in one line. */
export function doctorCommand(program: Command, context: Context): void {
  program
    .command('doctor')
    .description(
      'check configuration, python, disk, memory, clock, service, accounts and reachability',
    )
    .addHelpText('after', '\nExample:\n  rodizio doctor --json')
    .action(async () => {
      const config = context.config()
      const checks: Check[] = [
        good('configuration', existsSync(config.file) ? config.file : 'defaults and environment'),
        python(config.RODIZIO_PYTHON),
        disk(config.RODIZIO_DATA_DIR),
        ...memory(),
        ...memoryLimit(readServiceFile(config.RODIZIO_DATA_DIR)?.pid),
        ...bound(config.RODIZIO_HOST, config.RODIZIO_PUBLIC_URL),
        ...googleClient(config),
        ...(await serviceChecks(context)),
      ]
      const failed = checks.filter(({ ok }) => !ok)
      context.answer({ ok: failed.length === 0, checks }, () =>
        checks
          .map(
            ({ name, ok, found, fix }) =>
              `${ok ? 'ok ' : 'BAD'}  ${name}: ${found}${fix ? `\n       ${fix}` : ''}`,
          )
          .join('\n'),
      )
      if (failed.length > 0) process.exitCode = 1
    })
}

/** The session agent is written for Python 3.8 and newer. */
const oldestMinor = 8

function python(name: string): Check {
  try {
    const version = execFileSync(name, ['--version'], { encoding: 'utf8' }).trim()
    const [, minor] = /^Python 3\.(\d+)/.exec(version) ?? []
    if (minor === undefined || Number(minor) < oldestMinor) {
      const fix = `Install Python 3.${oldestMinor} or newer, or set RODIZIO_PYTHON to one`
      return bad('python', `${name} is ${version}`, fix)
    }
    return good('python', `${name} is ${version}`)
  } catch (error) {
    return bad(
      'python',
      messageOf(error),
      'Install Python 3, or set RODIZIO_PYTHON to the interpreter',
    )
  }
}

/** A checkpoint of a 7B adapter with its optimizer is about 250 MB; three are kept. */
const wantedFreeBytes = 1_000_000_000

function disk(folder: string): Check {
  const place = existsSync(folder) ? folder : dirname(folder)
  try {
    const { bavail, bsize } = statfsSync(place)
    const free = bavail * bsize
    const found = `${(free / 1e9).toFixed(1)} GB free at ${place}`
    return free > wantedFreeBytes
      ? good('disk', found)
      : bad('disk', found, 'Free space, or set RODIZIO_DATA_DIR to a larger disk')
  } catch (error) {
    return bad('disk', messageOf(error), 'Set RODIZIO_DATA_DIR to a folder on a disk that exists')
  }
}

async function serviceChecks(context: Context): Promise<Check[]> {
  const config = context.config()
  const token = config.RODIZIO_TOKEN ?? readToken(config.RODIZIO_DATA_DIR)
  const url = config.RODIZIO_URL ?? readServiceFile(config.RODIZIO_DATA_DIR)?.url
  if (token === undefined || url === undefined) {
    return [
      bad(
        'service',
        `none has been started on ${config.RODIZIO_DATA_DIR}`,
        'Start it with: rodizio up',
      ),
    ]
  }
  const client = rodizioClient({ url, token })
  try {
    const health = await client.health()
    const checks = [good('service', `version ${health.version} at ${url}`)]
    const accounts = await client.accounts()
    if (accounts.length === 0)
      checks.push(bad('accounts', 'none', 'Add one with: rodizio accounts add'))
    for (const { name } of accounts) {
      const { ok, message, next, emulated } = await client.testAccount(name)
      const found = `${message}${emulated ? ' (emulated)' : ''}`
      checks.push(
        ok
          ? good(`account ${name}`, found)
          : bad(
              `account ${name}`,
              found,
              next ?? `Renew its credentials: rodizio accounts add ${name} --provider kaggle`,
            ),
      )
    }
    if (config.GOOGLE_CLIENT_ID) checks.push(await googleSignIn(client))
    checks.push(await hubToken(client))
    const nodes = await client.nodes()
    checks.push(...tunnelBudgets(nodes), ...nodesDown(nodes), ...deepRefused(nodes))
    checks.push(...brokenChannels(await client.alertChannels()))
    const since = readServiceFile(config.RODIZIO_DATA_DIR)?.startedAt
    const startedAt = since === undefined ? null : new Date(since)
    checks.push(...backupChecks(await client.backupState(), startedAt, systemClock.now()))
    if (health.emulated.length === 0) checks.push(await clock(config.RODIZIO_KAGGLE_URL))
    const away = accounts.filter(({ provider, emulated }) => provider !== 'local' && !emulated)
    const publicUrl =
      config.RODIZIO_PUBLIC_URL ?? readServiceFile(config.RODIZIO_DATA_DIR)?.publicUrl ?? undefined
    const places = [...new Set(away.map(({ provider }) => provider))]
    if (away.length > 0) checks.push(await reachable(publicUrl, places, config.RODIZIO_STORE))
    return checks
  } catch (error) {
    return [bad('service', messageOf(error), 'Start it with: rodizio up')]
  }
}

/** Deadlines are counted, not compared, but weeks and their resets go by this machine's clock. */
const toleratedClockSeconds = 60

/** This machine's clock against the `Date` header of a server that keeps good time. */
async function clock(url: string): Promise<Check> {
  const { serverTime } = await import('../app.ts')
  try {
    const theirs = await serverTime(url)
    if (!theirs) return good('clock', `${url} does not tell the time: not compared`)
    const off = Math.round((systemClock.now().getTime() - theirs.getTime()) / 1000)
    const found = `${Math.abs(off)} s ${off < 0 ? 'behind' : 'ahead of'} ${url}`
    return Math.abs(off) <= toleratedClockSeconds
      ? good('clock', found)
      : bad('clock', found, 'Set the clock right: timedatectl set-ntp true')
  } catch (error) {
    return bad(
      'clock',
      `${url} cannot be reached: ${messageOf(error)}`,
      'Check the network of this machine',
    )
  }
}

async function reachable(
  publicUrl: string | undefined,
  places: readonly string[],
  store: 'folder' | 'drive',
): Promise<Check> {
  if (publicUrl === undefined) {
    // Over Drive a notebook at Kaggle brings its order along and is followed through its log.
    const lost = store === 'drive' ? places.filter((place) => place !== 'kaggle') : places
    if (lost.length === 0) {
      return good(
        'reachability',
        'no public address: sessions at Kaggle bring their orders along and take no others',
      )
    }
    const found = `no public address, and notebooks at ${lost.join(' and ')} report to one`
    return bad('reachability', found, howToBeReached)
  }
  try {
    await rodizioClient({ url: publicUrl, token: '' }).health()
    return good('reachability', `${publicUrl} answers`)
  } catch (error) {
    return bad('reachability', messageOf(error), `Check that ${publicUrl} leads to this service`)
  }
}
