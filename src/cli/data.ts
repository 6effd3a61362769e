import { createReadStream, statSync } from 'node:fs'
import { request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { basename } from 'node:path'
import type { Command } from 'commander'
import { problemOf } from '../api/client.ts'
import { type ImportResult as Imported, ImportResult } from '../api/schemas.ts'
import { AppError, messageOf } from '../lib/errors.ts'
import type { Context } from './context.ts'
import { counted, describeDataRemoval } from './describe-removal.ts'
import { bytes } from './narrate.ts'
import { bar, table } from './table.ts'

/** `rodizio data …`: bring training data in, look at it, remove it. */
export function dataCommands(program: Command, context: Context): void {
  const data = program.command('data').description('import, look at and remove training data')

  data
    .command('import <file>')
    .description('import chat JSONL: {"messages": [{"role", "content"}, …]} on each line')
    .option('--name <name>', 'name of the data set; made from the file name when left out')
    .option('--strict', 'import nothing when one line is bad')
    .addHelpText(
      'after',
      '\nExamples:\n  rodizio data import conversations.jsonl --name support\n  rodizio data import conversations.jsonl --strict --json',
    )
    .action(async (file: string, flags: { name?: string; strict?: boolean }) => {
      const size = sizeOf(file)
      const name =
        flags.name ??
        basename(file)
          .replace(/\.[^.]*$/, '')
          .replaceAll(/[^A-Za-z0-9._-]+/g, '-')
          .slice(0, 40)
      const result = await sendFile(context, file, size, name, flags.strict === true)
      context.answer(result, () => describe(result))
    })

  data
    .command('list')
    .description('all data sets, newest first')
    .addHelpText('after', '\nExample:\n  rodizio data list')
    .action(async () => {
      const datasets = await context.client().datasets()
      context.answer({ items: datasets, next: null }, () =>
        datasets.length === 0
          ? 'No data yet. Import some with: rodizio data import FILE'
          : table(
              ['NAME', 'VERSION', 'TRAIN', 'VALIDATION', 'REJECTED', 'IMPORTED'],
              datasets.map((d) => [
                d.name,
                d.version,
                String(d.train.rows),
                String(d.validation.rows),
                String(d.rejected),
                d.importedAt.slice(0, 16).replace('T', ' '),
              ]),
            ),
      )
    })

  data
    .command('show <name>')
    .description('one data set, by name or version')
    .addHelpText('after', '\nExample:\n  rodizio data show support --json')
    .action(async (name: string) => {
      const d = await context.client().dataset(name)
      context.answer(d, () =>
        [
          `${d.name}, version ${d.version}`,
          `  train       ${d.train.rows} conversations, ${bytes(d.train.bytes)}, sha256 ${d.train.sha256}`,
          `  validation  ${d.validation.rows} conversations, ${bytes(d.validation.bytes)}, sha256 ${d.validation.sha256}`,
          `  imported ${d.importedAt}, ${d.rejected} lines set aside`,
        ].join('\n'),
      )
    })

  data
    .command('rm <name>')
    .description('remove a data set by name, or by version under all its names')
    .option('--dry-run', 'say what would go, and remove nothing')
    .addHelpText(
      'after',
      '\nA version that a run was trained on is not removed before the run is; one that has another name keeps it, and its content.\n\nExamples:\n  rodizio data rm support --dry-run\n  rodizio data rm support',
    )
    .action(async (name: string, flags: { dryRun?: boolean }) => {
      const removal = await context.client().removeDataset(name, flags.dryRun === true)
      context.answer(removal, () => describeDataRemoval(removal))
    })
}

function sizeOf(file: string): number {
  try {
    const found = statSync(file)
    if (found.isFile()) return found.size
  } catch (cause) {
    throw new AppError('not-found', `cannot read ${file}: ${messageOf(cause)}`, {
      code: 'file_unreadable',
      next: 'Name a file with one conversation on each line',
      cause,
    })
  }
  throw new AppError('invalid', `${file} is not a file`, { next: 'Name a file, not a folder' })
}

/** Streams the file to the service: neither side ever holds it whole. */
async function sendFile(
  context: Context,
  file: string,
  size: number,
  name: string,
  strict: boolean,
): Promise<Imported> {
  const { base, token } = context.client()
  const target = new URL(`${base}/v1/datasets?name=${encodeURIComponent(name)}&strict=${strict}`)
  const send = target.protocol === 'https:' ? httpsRequest : httpRequest
  const { status, text } = await new Promise<{ status: number; text: string }>(
    (resolve, reject) => {
      const request = send(
        target,
        {
          method: 'POST',
          headers: {
            authorization: `Bearer ${token}`,
            'content-type': 'application/jsonl',
            'content-length': size,
          },
        },
        (response) => {
          const parts: Buffer[] = []
          response.on('data', (part: Buffer) => parts.push(part))
          response.on('end', () =>
            resolve({
              status: response.statusCode ?? 0,
              text: Buffer.concat(parts).toString('utf8'),
            }),
          )
          response.on('error', reject)
        },
      )
      request.on('error', reject)
      const source = createReadStream(file)
      let sent = 0
      source.on('data', (part) => {
        sent += part.length
        if (context.isTerminal && !context.isJson() && size > 5_000_000) {
          process.stdout.write(`\r  ${bar(sent, size)}  ${bytes(sent)} of ${bytes(size)} `)
        }
      })
      source.on('error', reject)
      source.pipe(request)
    },
  ).catch((cause: unknown) => {
    throw new AppError('unavailable', `the import to ${base} broke off: ${messageOf(cause)}`, {
      code: 'service_unreachable',
      next: 'Nothing was imported; check that the service runs (rodizio status) and import again',
      cause,
    })
  })
  if (context.isTerminal && size > 5_000_000 && !context.isJson()) process.stdout.write('\n')
  if (status !== 200) throw problemOf(status, text)
  return ImportResult.parse(JSON.parse(text))
}

function describe({ dataset, rejects, rejectsPath }: Imported): string {
  const lines = [
    `Imported ${dataset.name}, version ${dataset.version}: ${counted(dataset.train.rows, 'conversation')} to train on, ${dataset.validation.rows} held out for validation.`,
  ]
  if (dataset.rejected > 0) {
    lines.push(
      `  ${counted(dataset.rejected, 'line')} set aside${rejectsPath ? ` in ${rejectsPath}` : ''}:`,
    )
    for (const { line, reason } of rejects.slice(0, 5)) lines.push(`    line ${line}: ${reason}`)
    if (dataset.rejected > 5) lines.push(`    … and ${dataset.rejected - 5} more`)
  }
  lines.push(`  Train on it: rodizio train start --data ${dataset.name}`)
  return lines.join('\n')
}
