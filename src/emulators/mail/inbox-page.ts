import type { ReadMail } from './read-mail.ts'

/** Mails on one page. */
export const PAGE_MAILS = 50

/** Nothing of a mail may run, load or be framed elsewhere; its own page stands in a frame that may do nothing either. */
export const INBOX_HEADERS = {
  'content-type': 'text/html; charset=utf-8',
  'content-security-policy':
    "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cache-control': 'no-store',
}

/** The mails of a list, newest first as they are given; `more` leads to older ones. */
export function inboxPage(mails: readonly ReadMail[], more: number | null): string {
  const list = mails.map(mailEntry).join('\n')
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Inbox (emulated)</title>
<style>body{font:16px/1.4 system-ui;margin:1rem auto;max-width:50rem;padding:0 1rem}summary{cursor:pointer;padding:.4rem 0}pre{white-space:pre-wrap;overflow-wrap:anywhere;background:#f4f4f4;color:#111;padding:.6rem}iframe{width:100%;height:24rem;border:1px solid #999;background:#fff}th{text-align:left;vertical-align:top}td{overflow-wrap:anywhere}small{color:#555}</style>
</head><body><h1>Inbox (emulated)</h1>
<p>Mails that were taken here and sent on to nobody, newest first.</p>
${list === '' ? '<p>There is none yet.</p>' : list}
${more === null ? '' : `<p><a href="?before=${more}">Older mails</a></p>`}
</body></html>
`
}

function mailEntry(mail: ReadMail): string {
  const rows = mail.headers
    .map(({ name, value }) => `<tr><th>${escaped(name)}</th><td>${escaped(value)}</td></tr>`)
    .join('')
  return `<details id="mail-${mail.id}"><summary><b>${escaped(mail.subject || '(no subject)')}</b><br><small>${escaped(mail.at)}: ${escaped(mail.from || '<>')} to ${escaped(mail.to.join(', '))}${mail.user === null ? '' : `, signed in as ${escaped(mail.user)}`}${mail.isEncrypted ? ', encrypted' : ''}</small></summary>
<table>${rows}</table>
${mail.text === null ? '' : `<h2>Text</h2><pre>${escaped(mail.text)}</pre>`}
${mail.html === null ? '' : `<h2>HTML</h2><iframe sandbox title="HTML part" loading="lazy" srcdoc="${escaped(mail.html)}"></iframe>`}
<details><summary>As it came</summary><pre>${escaped(mail.raw)}</pre></details>
</details>`
}

const MARKS: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

/** Text that is nothing but text, between tags and in quoted attributes. */
const escaped = (text: string): string => text.replace(/[&<>"']/g, (mark) => MARKS[mark] ?? mark)
