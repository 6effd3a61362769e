import type { Command } from 'commander'
import type { BackupMade, Backups } from '../api/backup-schemas.ts'
import type { OfflineBackups } from '../app/backups.ts'
import { missingOf } from '../config/s3-access.ts'
import { readServiceFile } from '../config/service-file.ts'
import { systemClock } from '../lib/clock.ts'
import { AppError } from '../lib/errors.ts'
import type { Context } from './context.ts'
import { bytes } from './narrate.ts'
import { table } from './table.ts'
import { localZone, momentOf } from './wall-time.ts'

/** `rodizio backup …`: copies of what the service remembers, and whether they are good. */
export function backupCommands(program: Command, context: Context): void {
  const backup = program
    .command('backup')
    .description('copies of what the service remembers, and whether they are good')

  backup
    .command('create')
    .description('make one, while the service goes on; without a service, of its data folder')
    .option(
      '--to <place>',
      'folder, folder:/path, drive or s3://bucket/prefix; as set when left out',
    )
    .option('--with-adapters', 'with the adapters that are served')
    .addHelpText(
      'after',
      '\nExamples:\n  rodizio backup create\n  rodizio backup create --to folder:/mnt/usb --with-adapters\n  rodizio backup create --to drive --json\n  rodizio backup create --to s3://my-backups/rodizio',
    )
    .action(async (flags: { to?: string; withAdapters?: boolean }) => {
      context.say('Copying; the service goes on meanwhile.')
      const made = await create(context, flags.to, flags.withAdapters ?? false)
      context.answer(made, () => describeMade(made))
    })

  backup
    .command('list')
    .description('backups that are whole, newest first')
    .option(
      '--from <place>',
      'folder, folder:/path, drive or s3://bucket/prefix; as set when left out',
    )
    .addHelpText(
      'after',
      '\nExamples:\n  rodizio backup list --from folder:/mnt/usb\n  rodizio backup list --from s3://my-backups/rodizio',
    )
    .action(async (flags: { from?: string }) => {
      const found = await list(context, flags.from)
      context.answer(found, () => describeList(found))
    })

  backup
    .command('verify <backup>')
    .description('read all of it: hashes, decryption, manifest')
    .option('--from <place>', 'where a backup that is named lies; as set when left out')
    .addHelpText(
      'after',
      '\nA backup is its name, or the path of its folder.\n\nExamples:\n  rodizio backup verify rodizio-20261122T033000000Z-4f1c\n  rodizio backup verify /mnt/usb/rodizio-20261122T033000000Z-4f1c',
    )
    .action(async (name: string, flags: { from?: string }) => {
      const here = await offline(context)
      const { files, ...manifest } = await here.verify(
        ...(await reachable(context, name, flags.from)),
      )
      const size = files.reduce((sum, file) => sum + file.bytes, 0)
      context.answer(
        { name: manifest.name, whole: true, files: files.length, bytes: size },
        () => `${manifest.name} is whole: ${files.length} files, ${bytes(size)}`,
      )
    })

  backup
    .command('drill [backup]')
    .description('restore one into a scratch folder, look through it, throw it away; the newest')
    .option('--from <place>', 'where a backup that is named lies; as set when left out')
    .addHelpText('after', '\nExample:\n  rodizio backup drill')
    .action(async (name: string | undefined, flags: { from?: string }) => {
      const here = await offline(context)
      const wanted = name ?? (await newestElsewhere(context, flags.from))
      const [which, from] =
        wanted === undefined
          ? [undefined, flags.from]
          : await reachable(context, wanted, flags.from)
      const { rows, ...manifest } = await here.drill(which, from)
      const count = Object.values(rows).reduce((sum, one) => sum + one, 0)
      context.answer(
        { name: manifest.name, good: true, tables: Object.keys(rows).length, rows: count },
        () =>
          `${manifest.name} can be restored: ${Object.keys(rows).length} tables with ${count} rows, every page, reference and line of the audit log looked at`,
      )
    })
}

/** `rodizio restore`: a data folder from a backup. */
export function restoreCommand(program: Command, context: Context): void {
  program
    .command('restore <backup>')
    .description('make a data folder from a backup; a service started on it goes on')
    .requiredOption('--into <folder>', 'the data folder to make')
    .option('--from <place>', 'where a backup that is named lies; as set when left out')
    .option('--force', 'put aside what stands there; never while a service works on it')
    .addHelpText(
      'after',
      '\nSessions that the backup has as open are ended, and no token, ticket or address of theirs is good any more.\n\nExamples:\n  rodizio restore rodizio-20261122T033000000Z-4f1c --into /var/lib/rodizio\n  rodizio restore /mnt/usb/rodizio-20261122T033000000Z-4f1c --into data --force\n  rodizio restore rodizio-20261122T033000000Z-4f1c --from s3://my-backups/rodizio --into data',
    )
    .action(async (name: string, flags: { into: string; from?: string; force?: boolean }) => {
      const { resolve } = await import('node:path')
      const into = resolve(flags.into)
      const here = await offline(context)
      const step = (words: string) => context.say(`  ${words} …`)
      const { manifest, restored } = await here.restore(
        ...(await reachable(context, name, flags.from)),
        into,
        flags.force ?? false,
        step,
      )
      const sealed = restored.hasKey ? [] : [...restored.sealed]
      const answer = {
        backup: manifest.name,
        madeAt: manifest.madeAt,
        into,
        aside: restored.aside,
        endedSessions: restored.endedSessions,
        runs: restored.runs,
        parkedMessages: restored.parkedMessages,
        enterAnew: sealed,
        leftOut: manifest.leftOut,
      }
      context.answer(answer, () => describeRestored(answer))
    })
}

export interface RestoredAnswer {
  readonly backup: string
  readonly madeAt: string
  readonly into: string
  readonly aside: string | null
  readonly endedSessions: number
  readonly runs: number
  readonly parkedMessages: number
  readonly enterAnew: readonly string[]
  readonly leftOut: readonly string[]
}

function describeRestored(done: RestoredAnswer): string {
  const { enterAnew } = done
  const key =
    enterAnew.length === 0
      ? []
      : [
          `Without secret.key these cannot be opened: ${enterAnew.join(', ')}`,
          '  Put the secret.key of the lost folder there before the first start, or enter them anew',
        ]
  return [
    `${done.into} is as it was at ${momentOf(new Date(done.madeAt), localZone())}, and past the time since.`,
    ...(done.aside ? [`What stood there lies in ${done.aside}`] : []),
    `Sessions that were open and are ended: ${done.endedSessions}. Runs that go on in a generation of their own: ${done.runs}`,
    ...(done.parkedMessages > 0
      ? [
          `${done.parkedMessages} messages may have been sent since, and are not sent again: rodizio alerts list --state parked`,
        ]
      : []),
    ...key,
    'Tokens that were revoked since are good again: look at rodizio token list',
    'Hours of sessions that began since are in no book but the provider’s: rodizio budget adjust',
    'See to it that the old service stays off, then: rodizio up',
  ].join('\n')
}

async function offline(context: Context): Promise<OfflineBackups> {
  const { offlineBackups } = await import('../app.ts')
  return offlineBackups({
    config: context.config(),
    root: context.root,
    version: context.version,
    clock: systemClock,
  })
}

/** Whether only a service gets at that place: Google Drive, and an S3 store whose key this process does not have. */
function isElsewhere(context: Context, from: string | undefined): boolean {
  const config = context.config()
  const place = from ?? config.RODIZIO_BACKUP_TO
  if (place === 'drive') return true
  return place.startsWith('s3://') && missingOf(config).length > 0 && hasService(context)
}

/** A backup as this process can read it: one that only the service gets at is fetched by it first. */
async function reachable(
  context: Context,
  nameOrPath: string,
  from: string | undefined,
): Promise<readonly [nameOrPath: string, from: string | undefined]> {
  if (!isElsewhere(context, from) || nameOrPath.includes('/')) return [nameOrPath, from]
  const place = from ?? context.config().RODIZIO_BACKUP_TO
  context.say(`Fetching it from ${place === 'drive' ? 'Google Drive' : place}.`)
  const { path } = await context.client().fetchBackup(nameOrPath, place)
  return [path, undefined]
}

/** The newest where a service has to say which that is. */
async function newestElsewhere(
  context: Context,
  from: string | undefined,
): Promise<string | undefined> {
  if (!isElsewhere(context, from)) return undefined
  return (await context.client().backups(from)).items[0]?.name
}

/** Whether a service is to be asked: one elsewhere, or one that may run on this folder. */
const hasService = (context: Context): boolean =>
  context.config().RODIZIO_URL !== undefined ||
  readServiceFile(context.config().RODIZIO_DATA_DIR) !== undefined

/** What a dead service has left is no service. */
async function orHere<T>(
  context: Context,
  ask: () => Promise<T>,
  here: () => Promise<T>,
): Promise<T> {
  if (!hasService(context)) return here()
  return ask().catch((error: unknown) => {
    const isGone = error instanceof AppError && error.code === 'service_unreachable'
    if (!isGone || context.config().RODIZIO_URL !== undefined) throw error
    return here()
  })
}

const create = (
  context: Context,
  to: string | undefined,
  withAdapters: boolean,
): Promise<BackupMade> =>
  orHere(
    context,
    () => context.client().createBackup({ ...(to === undefined ? {} : { to }), withAdapters }),
    async () => {
      const { manifest, place } = await (await offline(context)).create(to, withAdapters)
      return { ...summaryOf(manifest), place, leftOut: manifest.leftOut }
    },
  )

const list = (context: Context, from: string | undefined): Promise<Backups> =>
  orHere(
    context,
    () => context.client().backups(from),
    async () => {
      const { place, manifests } = await (await offline(context)).list(from)
      const items = manifests.map(summaryOf)
      const unknown = { dailyAt: null, lastBackup: null, lastDrill: null, failure: null }
      return { place, items, next: null, ...unknown, underWay: false }
    },
  )

type Manifest = Awaited<ReturnType<OfflineBackups['verify']>>

const summaryOf = (manifest: Manifest) => ({
  name: manifest.name,
  madeAt: manifest.madeAt,
  bytes: manifest.files.reduce((sum, file) => sum + file.bytes, 0),
  encrypted: manifest.encryption !== null,
  withAdapters: manifest.withAdapters,
  version: manifest.version,
  schema: manifest.schema,
})

const describeMade = (made: BackupMade): string =>
  [
    `${made.name} at ${made.place}: ${bytes(made.bytes)}, ${made.encrypted ? 'encrypted' : 'not encrypted'}`,
    'Not in it:',
    ...made.leftOut.map((line) => `  ${line}`),
  ].join('\n')

function describeList(found: Backups): string {
  const shown =
    found.items.length === 0
      ? [`There is no backup at ${found.place}.`]
      : [
          table(
            ['name', 'made', 'size', 'encrypted', 'adapters', 'version'],
            found.items.map((one) => [
              one.name,
              momentOf(new Date(one.madeAt), localZone()),
              bytes(one.bytes),
              one.encrypted ? 'yes' : 'no',
              one.withAdapters ? 'yes' : 'no',
              one.version,
            ]),
          ),
        ]
  return [...shown, ...(found.failure ? [`The newest try failed: ${found.failure}`] : [])].join(
    '\n',
  )
}
