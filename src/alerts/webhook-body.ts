import type { Alert, AlertKind } from './alert.ts'
import type { EnvelopeKind, Preset } from './channel.ts'
import type { Message } from './texts/message.ts'

/** What a webhook is sent: fixed when the message is made, so that a resend is the same. */
export interface WebhookBody {
  readonly body: string
  readonly headers: Readonly<Record<string, string>>
}

interface Sent extends Message {
  readonly id: string
  readonly kind: EnvelopeKind
  readonly alerts: readonly Alert[]
  readonly at: Date
}

/** So long a message may be, in characters (discord.com/developers/docs/resources/message, core.telegram.org/bots/api; 2026-11). */
const most = { discord: 2000, telegram: 4096, slack: 40_000, ntfy: 3500 } as const

/** A message in the form that a preset wants. */
export function webhookBody(preset: Preset, sent: Sent): WebhookBody {
  const whole = `${sent.text.replace(/\n\n-- \n[\s\S]*$/, '')}`
  const json = (value: unknown): WebhookBody => ({
    body: JSON.stringify(value),
    headers: { 'content-type': 'application/json' },
  })
  switch (preset) {
    case 'generic':
      return json({
        id: sent.id,
        kind: sent.kind,
        subject: sent.subject,
        text: whole,
        createdAt: sent.at.toISOString(),
        alerts: sent.alerts.map(({ id, kind, about, at, thread, facts }) => ({
          id,
          kind,
          about,
          at: at.toISOString(),
          thread,
          facts,
        })),
      })
    case 'discord':
      // Names are untrusted: nobody is called by a message.
      return json({ content: cut(whole, most.discord), allowed_mentions: { parse: [] } })
    case 'slack':
      return json({ text: cut(slackText(whole), most.slack) })
    case 'telegram':
      return json({ text: cut(whole, most.telegram), disable_web_page_preview: true })
    case 'ntfy':
      return {
        body: cut(whole, most.ntfy),
        headers: {
          'content-type': 'text/plain; charset=utf-8',
          title: headerText(sent.subject),
          priority: urgent.has(sent.kind as AlertKind) ? 'high' : 'default',
          tags: tags[sent.kind as AlertKind] ?? 'information_source',
        },
      }
  }
}

const urgent: ReadonlySet<AlertKind> = new Set([
  'node-down',
  'action-needed',
  'run-failed',
  'backup-failed',
])

const tags: Partial<Readonly<Record<AlertKind, string>>> = {
  'node-down': 'rotating_light',
  'node-recovered': 'white_check_mark',
  'node-unstable': 'warning',
  'action-needed': 'point_right',
  'run-finished': 'tada',
  'run-failed': 'x',
}

/** Cut by characters as the receiver counts them (UTF-16), never within one. */
function cut(text: string, length: number): string {
  if (text.length <= length) return text
  const kept = text.slice(0, length - 1)
  return `${/[\ud800-\udbff]$/.test(kept) ? kept.slice(0, -1) : kept}…`
}

/** Slack's own markup needs these three as entities (api.slack.com/reference/surfaces/formatting, 2026-11). */
const slackText = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')

/** Beyond ASCII as RFC 2047 has it, which ntfy reads (docs.ntfy.sh/publish, 2026-11). */
const headerText = (text: string): string =>
  /^[\x20-\x7e]*$/.test(text) ? text : `=?UTF-8?B?${Buffer.from(text, 'utf8').toString('base64')}?=`
