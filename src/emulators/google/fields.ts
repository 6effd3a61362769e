import { invalid } from './wire.ts'

/** What of an answer is wanted: by name, null for all that is below it; under `*` whatever has no line of its own. */
interface Mask extends Map<string, Mask | null> {}

/**
 * Keeps of an answer what its `fields` name: `a,b(c,d),e/f,*`. Throws 400 for a mask that cannot be read or, where `known`
 * lists the names of each level, for a name that is not among them.
 */
export function applyFields(
  fields: string,
  value: Record<string, unknown>,
  known: Known = {},
): Record<string, unknown> {
  const mask = parseFields(fields)
  checkNames(mask, known)
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, part]) => {
      const below = mask.has(name) ? mask.get(name) : mask.get('*')
      return below === undefined ? [] : [[name, prune(part, below)]]
    }),
  )
}

/** Names that may be asked for; below a name with null, any. */
export interface Known {
  readonly [name: string]: Known | null
}

function checkNames(mask: Mask, known: Known): void {
  if (Object.keys(known).length === 0) return
  for (const [name, below] of mask) {
    if (name === '*') continue
    if (!Object.hasOwn(known, name)) throw invalid(`Invalid field selection ${name}`, 'fields')
    const inner = known[name]
    if (below && inner) checkNames(below, inner)
  }
}

function prune(value: unknown, mask: Mask | null): unknown {
  if (mask === null) return value
  if (Array.isArray(value)) return value.map((item) => prune(item, mask))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, part]) => {
      const below = mask.has(name) ? mask.get(name) : mask.get('*')
      return below === undefined ? [] : [[name, prune(part, below)]]
    }),
  )
}

function parseFields(text: string): Mask {
  const tokens = text.match(/[A-Za-z0-9_*-]+|[(),/]/g) ?? []
  if (tokens.join('') !== text.replaceAll(/\s/g, '')) throw unreadable(text)
  let at = 0
  const list = (): Mask => {
    const mask: Mask = new Map()
    do {
      const [name, below] = entry()
      mask.set(name, merged(mask.get(name), below))
    } while (tokens[at] === ',' && ++at > 0)
    return mask
  }
  const entry = (): [string, Mask | null] => {
    const name = tokens[at]
    if (name === undefined || /^[(),/]$/.test(name)) throw unreadable(text)
    at += 1
    if (tokens[at] === '/') {
      at += 1
      return [name, new Map([entry()])]
    }
    if (tokens[at] !== '(') return [name, null]
    at += 1
    const below = list()
    if (tokens[at] !== ')') throw unreadable(text)
    at += 1
    return [name, below]
  }
  const mask = list()
  if (at !== tokens.length) throw unreadable(text)
  return mask
}

/** `a/b,a/c` asks for both; a name asked for as a whole stays whole. */
function merged(before: Mask | null | undefined, after: Mask | null): Mask | null {
  if (before === undefined) return after
  return before === null || after === null ? null : new Map([...before, ...after])
}

const unreadable = (text: string) => invalid(`Invalid field selection ${text}`, 'fields')
