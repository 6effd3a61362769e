import type { Alert } from '../alert.ts'
import { htmlText, oneLine } from '../plain-words.ts'
import { english } from './english.ts'
import { portuguese } from './portuguese.ts'
import { shownIn } from './shown.ts'
import { figure, type Language, type Phrases, type Told, word } from './told.ts'

/** A message in words, as mail and webhooks show it. */
export interface Message {
  readonly subject: string
  readonly text: string
  readonly html: string
}

export interface Voice {
  readonly language: Language
  /** The operator's, IANA. */
  readonly zone: string
}

const phrasesOf = (language: Language): Phrases => (language === 'pt' ? portuguese : english)

/** A line of a mail's header is read to about here on a phone and in a list of messages. */
const subjectLetters = 150
/** More names than these nobody reads in a subject. */
const shownNames = 3
/** More alerts than these nobody reads in one message. */
const mostTold = 100

/**
 * What a message says of its alerts, in one language: all of one kind, or the summary of an hour. Names, causes and links are
 * untrusted and become one line each, without characters that are not shown; in HTML none of them is markup.
 */
export function messageOfAlerts(
  alerts: readonly Alert[],
  isSummary: boolean,
  { language, zone }: Voice,
): Message {
  const phrases = phrasesOf(language)
  const shown = shownIn(phrases, zone)
  const told = alerts.slice(0, mostTold).map((alert) => cleaned(phrases.tell(plain(alert), shown)))
  const more = alerts.length > mostTold ? phrases.andMore(alerts.length - mostTold) : null
  // What looks like an encoded word (RFC 2047) would be decoded by who reads the mail.
  const subject = subjectOf(alerts, isSummary, phrases, told[0]).replaceAll('=?', '= ?')
  return written(subject, told, more, phrases)
}

/** A message that says no more than that messages arrive. */
export function trialMessage({ language }: Voice): Message {
  const phrases = phrasesOf(language)
  return written(phrases.test.headline, [phrases.test], null, phrases)
}

function subjectOf(
  alerts: readonly Alert[],
  isSummary: boolean,
  phrases: Phrases,
  first: Told | undefined,
): string {
  const [one] = alerts
  if (isSummary || !one) return phrases.summary(alerts.length)
  if (alerts.length === 1) return oneLine(first?.headline ?? '', subjectLetters)
  const names = [...new Set(alerts.map(({ about }) => oneLine(about, 40)))]
  const listed = names.slice(0, shownNames).join(', ')
  const left = names.length - shownNames
  const all = left > 0 ? `${listed} ${phrases.andMore(left)}` : listed
  const account = accountOf(alerts)
  const headline = account
    ? phrases.account(oneLine(account, 40), alerts.length, all)
    : phrases.many(one.kind, alerts.length, all)
  return oneLine(headline, subjectLetters)
}

/** The tunnel account that these alerts are all of, where they are of all its nodes; empty where they are not. */
function accountOf(alerts: readonly Alert[]): string {
  const [one] = alerts
  if (one?.kind !== 'node-down' || figure(one, 'accountNodes') !== alerts.length) return ''
  const account = word(one, 'account')
  return alerts.every((alert) => word(alert, 'account') === account) ? account : ''
}

/** Facts and name as they may stand in a line; what holds JSON is parsed first, and cleaned when it is told. */
function plain(alert: Alert): Alert {
  if (alert.kind === 'digest') return alert
  const facts = Object.entries(alert.facts).map(([name, value]) => [
    name,
    typeof value === 'string' ? oneLine(value, name === 'link' ? 2000 : 400) : value,
  ])
  return { ...alert, about: oneLine(alert.about), facts: Object.fromEntries(facts) }
}

const cleaned = ({ headline, lines, link }: Told): Told => ({
  headline: oneLine(headline, 200),
  lines: lines.map((line) => oneLine(line, 500)),
  // Only what a browser opens is made a link.
  ...(link && /^https?:\/\/[^\s<>"]+$/.test(link.url) ? { link } : {}),
})

function written(
  subject: string,
  told: readonly Told[],
  more: string | null,
  phrases: Phrases,
): Message {
  const isAlone = told.length === 1
  const blocks = told.map(({ headline, lines, link }) =>
    [headline, ...lines, ...(link ? [`${link.label}: ${link.url}`] : [])].join('\n'),
  )
  const text = `${[...blocks, ...(more ? [more] : []), `-- \n${phrases.footer}`].join('\n\n')}\n`
  const body = [
    ...(isAlone ? [] : [`<h1 style="${styles.title}">${htmlText(subject)}</h1>`]),
    ...told.map((one) => block(one, isAlone)),
    ...(more ? [`<p style="${styles.line}">${htmlText(more)}</p>`] : []),
  ].join('\n')
  return { subject, text, html: page(subject, body, phrases) }
}

/** Colours are left to the reader's own scheme but for what is legible on both. */
const styles = {
  body: 'margin:0;padding:0;font-family:system-ui,-apple-system,Segoe UI,Roboto,Arial,sans-serif;font-size:16px;line-height:1.5',
  frame: 'max-width:600px;margin:0 auto;padding:20px 16px',
  title: 'font-size:20px;line-height:1.3;margin:0 0 16px',
  block: 'border-left:4px solid #b4540a;padding:2px 0 2px 14px;margin:0 0 18px',
  line: 'margin:0 0 6px;overflow-wrap:anywhere',
  button:
    'display:inline-block;margin:8px 0;padding:12px 20px;border-radius:6px;background:#1a5fb4;color:#ffffff;text-decoration:none;font-weight:600',
  footer: 'margin:24px 0 0;font-size:13px;opacity:0.75',
} as const

function block({ headline, lines, link }: Told, isAlone: boolean): string {
  const title = isAlone
    ? `<h1 style="${styles.title}">${htmlText(headline)}</h1>`
    : `<p style="${styles.line};font-weight:600">${htmlText(headline)}</p>`
  return [
    `<div style="${styles.block}">`,
    title,
    ...lines.map((line) => `<p style="${styles.line}">${htmlText(line)}</p>`),
    ...(link
      ? [`<a href="${htmlText(link.url)}" style="${styles.button}">${htmlText(link.label)}</a>`]
      : []),
    '</div>',
  ].join('\n')
}

const page = (subject: string, body: string, { locale, footer }: Phrases): string =>
  `<!doctype html>
<html lang="${locale}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="supported-color-schemes" content="light dark">
<title>${htmlText(subject)}</title>
</head>
<body style="${styles.body}">
<div style="${styles.frame}">
${body}
<p style="${styles.footer}">${htmlText(footer)}</p>
</div>
</body>
</html>
`
