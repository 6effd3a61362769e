import type { Context } from 'hono'
import { Hono } from 'hono'
import { htmlText, oneLine } from '../alerts/plain-words.ts'
import type { NodeHistory } from '../control/node-history.ts'
import type { NodeDesk } from '../control/nodes.ts'
import type { Node } from '../health/node.ts'

export interface PublicStatusPorts {
  readonly nodes: NodeDesk
  readonly history: NodeHistory
  readonly now: () => Date
}

const colours: Readonly<Record<Node['state'], string>> = {
  up: '#2e7d32',
  down: '#c62828',
  unstable: '#b26a00',
  limited: '#b26a00',
  unknown: '#616161',
  idle: '#616161',
}

/**
 * What everybody may see: nodes whose owner has said so, and nothing else of them than name, state and uptime. Without one there is
 * no such page.
 */
export function publicStatus({ nodes, history, now }: PublicStatusPorts): Hono {
  const app = new Hono()
  const percents = new Map<
    string,
    { readonly at: number; readonly percent: Promise<number | null> }
  >()

  /** Added up once in half a minute, however many ask. */
  function percentOf(node: Node): Promise<number | null> {
    const at = now().getTime()
    const known = percents.get(node.id)
    if (known && Math.abs(at - known.at) < freshMs) return known.percent
    const percent = history.uptime(node, 30).then((uptime) => uptime.percent)
    percents.set(node.id, { at, percent })
    return percent
  }
  /** Which they are is asked each time: who hides one hides it now. */
  async function shown(): Promise<readonly Shown[]> {
    const all = await nodes.shown()
    return Promise.all(all.map(async (node) => ({ node, percent: await percentOf(node) })))
  }

  app.get('/status', async (c) => {
    const all = await shown()
    return all.length === 0 ? c.notFound() : fresh(c).html(page(all))
  })
  app.get('/status.json', async (c) => {
    const all = await shown()
    if (all.length === 0) return c.notFound()
    const items = all.map(({ node, percent }) => ({
      name: node.name,
      state: node.state,
      since: node.watch.since.toISOString(),
      uptimePercent: percent,
    }))
    return fresh(c).json({ nodes: items })
  })
  app.get('/badge/:file{.+\\.svg}', async (c) => {
    const name = c.req.param('file').replace(/\.svg$/, '')
    const found = (await shown()).find(({ node }) => node.name === name)
    if (!found) return c.notFound()
    const { node, percent } = found
    c.header('content-type', 'image/svg+xml; charset=utf-8')
    return fresh(c).body(badge(node.name, words(node.state, percent), colours[node.state]))
  })
  return app
}

interface Shown {
  readonly node: Node
  /** Of the last 30 days. */
  readonly percent: number | null
}

const freshMs = 30_000

/** Old news for half a minute at the most. */
function fresh(c: Context): Context {
  c.header('cache-control', 'public, max-age=30')
  return c
}

const words = (state: string, percent: number | null): string =>
  percent === null ? state : `${state} · ${percentWords(percent)}`

/** Never rounded up to a hundred. */
const percentWords = (percent: number): string =>
  `${(Math.floor(percent * 100) / 100).toFixed(2)} %`

/** Widths by a mean letter of 11 px text: nothing is cut that is not longer than a name may be. */
function badge(name: string, state: string, colour: string): string {
  const left = oneLine(name, 40)
  const width = (text: string) => Math.ceil([...text].length * 6.6) + 12
  const [a, b] = [width(left), width(state)]
  const text = (at: number, what: string) => `<text x="${at}" y="14">${htmlText(what)}</text>`
  const title = htmlText(`${left}: ${state}`)
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${a + b}" height="20" role="img" aria-label="${title}"><title>${title}</title><rect width="${a}" height="20" fill="#444"/><rect x="${a}" width="${b}" height="20" fill="${colour}"/><g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11" text-anchor="middle">${text(a / 2, left)}${text(a + b / 2, state)}</g></svg>`
}

function page(rows: readonly Shown[]): string {
  const items = rows
    .map(({ node, percent }) => {
      const since = node.watch.since.toISOString()
      const share = percent === null ? '' : ` · ${percentWords(percent)} in 30 days`
      return `<li><b style="color:${colours[node.state]}">${node.state}</b> <span>${htmlText(oneLine(node.name))}</span><small>since <time datetime="${since}">${since.slice(0, 16).replace('T', ' ')} UTC</time>${share}</small></li>`
    })
    .join('')
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Status</title><style>:root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;max-width:40rem;margin:2rem auto;padding:0 1rem}ul{list-style:none;padding:0}li{padding:.6rem 0;border-bottom:1px solid #8884}small{display:block;opacity:.75}</style></head><body><h1>Status</h1><ul>${items}</ul></body></html>`
}
