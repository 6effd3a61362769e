import type { AlertKind } from '../alerts/alert.ts'
import { type Channel, ownNames, type Preset, usualRules } from '../alerts/channel.ts'
import type { ChannelCounts, ChannelRows } from '../alerts/outbox.ts'
import { minuteOf } from '../alerts/quiet-hours.ts'
import { AppError } from '../lib/errors.ts'
import { checkZone } from './people.ts'

/** When a channel says nothing, as people write it. */
export interface WantedQuiet {
  /** `23:00-07:00`. */
  readonly hours: string
  readonly zone: string
  readonly except: readonly AlertKind[]
}

export interface RuleChange {
  readonly quiet?: WantedQuiet | 'none' | undefined
  readonly perHour?: number | undefined
  readonly digest?: boolean | undefined
}

export interface NewWebhook extends RuleChange {
  readonly name: string
  readonly url: string
  readonly preset: Preset
  readonly secret?: string | undefined
}

export interface ChannelView extends Channel {
  readonly counts: ChannelCounts
}

export interface ChannelDeskPorts {
  readonly rows: ChannelRows
  /** @throws AppError `invalid` (`url_refused`) for an address that must not be asked */
  readonly admit: (url: string) => void
}

const none: ChannelCounts = { waiting: 0, refused: 0, parked: 0 }

/** Channels as people add, change and remove them. */
export function channelDesk({ rows, admit }: ChannelDeskPorts) {
  const viewed = async (channel: Channel): Promise<ChannelView> => ({
    ...channel,
    counts: (await rows.counts()).get(channel.name) ?? none,
  })
  return {
    async list(): Promise<ChannelView[]> {
      const counts = await rows.counts()
      return (await rows.all()).map((channel) => ({
        ...channel,
        counts: counts.get(channel.name) ?? none,
      }))
    },
    /** @throws AppError `invalid` that names what is wrong, `conflict` (`channel_taken`) */
    async add({ name, url, preset, secret, ...rules }: NewWebhook): Promise<ChannelView> {
      checkName(name)
      admit(url)
      const address = new URL(url)
      if (preset === 'telegram' && !address.searchParams.get('chat_id')) {
        throw new AppError('invalid', 'webhook: a telegram address names no chat', {
          code: 'webhook_chat',
          next: 'Write https://api.telegram.org/bot<token>/sendMessage?chat_id=<id>',
        })
      }
      if (secret !== undefined && preset !== 'generic' && preset !== 'ntfy') {
        throw new AppError('invalid', `webhook: ${preset} takes no secret beside its address`, {
          code: 'webhook_secret',
          next: 'Leave the secret out: the address itself is stored encrypted',
        })
      }
      const wanted = { ...usualRules, ...rulesOf(rules) }
      // The way to a hook is its secret: only whose it is is shown.
      const shown = `${preset} at ${address.host}/…`
      return viewed(await rows.add({ ...wanted, name, preset, url, secret: secret ?? null, shown }))
    },
    /** @throws AppError `not-found` (`channel_unknown`), `invalid` */
    change: async (name: string, change: RuleChange): Promise<ChannelView> =>
      viewed(await rows.change(name, rulesOf(change))),
    /** @throws AppError `not-found` (`channel_unknown`), `invalid` (`channel_of_settings`) */
    remove: async (name: string): Promise<ChannelView> => {
      const counts = (await rows.counts()).get(name) ?? none
      return { ...(await rows.remove(name)), counts }
    },
  }
}

export type ChannelDesk = ReturnType<typeof channelDesk>

function checkName(name: string): void {
  const isOwn = name === ownNames.mail || name === ownNames.inbox
  if (/^[a-z0-9][a-z0-9-]{0,39}$/.test(name) && !isOwn) return
  throw new AppError('invalid', `name: ${JSON.stringify(name)} is no name for a channel`, {
    code: 'channel_name',
    next: isOwn
      ? 'That one comes from the settings; choose another'
      : 'Use small letters, digits and hyphens, 40 at most',
  })
}

function rulesOf({ quiet, perHour, digest }: RuleChange) {
  return {
    ...(quiet === undefined ? {} : { quiet: quiet === 'none' ? null : quietOf(quiet) }),
    ...(perHour === undefined ? {} : { perHour }),
    ...(digest === undefined ? {} : { digest }),
  }
}

function quietOf({ hours, zone, except }: WantedQuiet) {
  checkZone(zone)
  const [first = '', last = '', more] = hours.split('-')
  const [from, to] = [minuteOf(first.trim()), minuteOf(last.trim())]
  if (from !== undefined && to !== undefined && from !== to && from < 1440 && more === undefined)
    return { from, to: to % 1440, zone, except }
  throw new AppError('invalid', `quiet: ${JSON.stringify(hours)} is no span of a day`, {
    code: 'quiet_hours',
    next: 'Write two times of the day, such as 23:00-07:00, which goes over midnight',
  })
}
