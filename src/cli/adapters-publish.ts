import type { Command } from 'commander'
import type { AdapterDetails, Publication, PublicationStep } from '../api/adapter-schemas.ts'
import { systemClock } from '../lib/clock.ts'
import { AppError } from '../lib/errors.ts'
import type { Context } from './context.ts'
import { bytes, printable } from './narrate.ts'
import { localZone, momentOf } from './wall-time.ts'

/** Addresses that were over are asked for anew so often. */
const mostRounds = 4

/** `rodizio adapters publish` and `card`. */
export function publishCommands(adapters: Command, context: Context): void {
  adapters
    .command('publish <version>')
    .description('put an adapter elsewhere too: a private repository of the Hub, Drive, a folder')
    .option(
      '--to <target>',
      'hub:OWNER/NAME, drive or folder:/PATH; where its line goes when left out',
    )
    .addHelpText(
      'after',
      `
Large files go to the Hub from this machine, not through the service. Repeated it goes on where it was cut, and
changes nothing of what is there.

Examples:
  rodizio adapters publish v3 --to hub:ana/house
  rodizio adapters publish v3 --to folder:/srv/adapters
  rodizio adapters publish v3`,
    )
    .action(async (version: string, { to }: { to?: string }) => {
      const step = await published(context, version, to)
      const { publication } = step
      if (publication.state !== 'done') throw notDone(version, publication)
      context.answer(publication, () => `${version} is published: ${publication.place}`)
    })

  adapters
    .command('card <version>')
    .description('the card of an adapter, as it is published (README.md)')
    .addHelpText('after', '\nExample:\n  rodizio adapters card v3 > README.md')
    .action(async (version: string) => {
      const found = await context.client().adapterCard(version)
      context.answer(found, () => printable(found.card))
    })
}

async function published(
  context: Context,
  version: string,
  to: string | undefined,
): Promise<PublicationStep> {
  const client = context.client()
  const ask = () => client.publishAdapter(version, { ...(to ? { to } : {}), carry: true })
  let step = await ask()
  for (let round = 1; step.uploads.length > 0; round += 1) {
    const all = step.uploads.reduce((sum, upload) => sum + upload.bytes, 0)
    context.say(`${bytes(all)} go out from this machine to ${step.publication.target}`)
    const { carry } = await import('../app/publish.ts')
    const bar = progressLine(context)
    try {
      await carry(step.uploads, step.sources, {
        service: { base: client.base, token: client.token },
        clock: systemClock,
        progress: bar.show,
      })
    } catch (error) {
      const isOver = error instanceof AppError && error.code === 'address_over'
      if (!isOver || round >= mostRounds) throw error
    } finally {
      bar.end()
    }
    step = await ask()
    if (round >= mostRounds && step.uploads.length > 0) break
  }
  return step
}

const notDone = (version: string, { target, why, next, code }: Publication): AppError =>
  new AppError('unavailable', `${version} is not at ${target} yet: ${why ?? 'it is on its way'}`, {
    code: code ?? 'publication_pending',
    next: next ?? `The service goes on by itself: rodizio adapters show ${version}`,
  })

/** A line at a terminal that tells how much has gone, a few times a second. */
function progressLine({ isTerminal, isJson }: Context) {
  let shownAt = 0
  let isShown = false
  return {
    show: (gone: number, all: number) => {
      const now = systemClock.monotonicMs()
      if (!isTerminal || isJson() || (now - shownAt < 250 && gone < all)) return
      shownAt = now
      isShown = true
      process.stderr.write(`\r${bytes(gone)} of ${bytes(all)} `)
    },
    end: () => {
      if (isShown) process.stderr.write('\n')
    },
  }
}

/** Where an adapter is, or what keeps it from there, a line or two each. */
export const publicationLines = ({ publications }: AdapterDetails): string[] =>
  publications.flatMap(({ target, state, place, why, next, doneAt }) => {
    if (state === 'done') {
      const since = doneAt === null ? '' : `, ${momentOf(new Date(doneAt), localZone())}`
      return [`  published:     ${place ?? target}${since}`]
    }
    const word = state === 'blocked' ? 'cannot be published' : 'on its way'
    return [`  ${word} to ${target}${why ? `: ${why}` : ''}`, ...(next ? [`    ${next}`] : [])]
  })
