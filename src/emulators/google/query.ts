import { invalid } from './wire.ts'

/** What a query asks of a file. Times are UTC ISO 8601. */
export interface Queried {
  readonly name: string
  readonly mimeType: string
  readonly createdTime: string
  readonly modifiedTime: string
  readonly trashed: boolean
  readonly starred: boolean
  readonly parents: readonly string[]
  readonly owners: readonly string[]
  readonly appProperties: Readonly<Record<string, string>>
  readonly properties: Readonly<Record<string, string>>
}

export type Predicate = (file: Queried) => boolean

type Token =
  | { readonly kind: 'word'; readonly text: string }
  | { readonly kind: 'string'; readonly text: string }

const TOKEN = /\s*(?:'((?:[^'\\]|\\.)*)'|(!=|<=|>=|[=<>(){}]|[A-Za-z]+))/y

/**
 * Reads the `q` of a listing: https://developers.google.com/workspace/drive/api/guides/search-files (read 2026-11).
 * Throws 400 `invalid` for what is not in that language, or is there but not modelled.
 */
export function parseQuery(text: string): Predicate {
  const tokens = tokensOf(text)
  let at = 0
  const peek = (): Token | undefined => tokens[at]
  const isWord = (word: string): boolean => {
    const token = peek()
    return token?.kind === 'word' && token.text === word
  }
  const skip = (word: string): boolean => {
    if (!isWord(word)) return false
    at += 1
    return true
  }
  const need = (word: string): void => {
    if (!skip(word)) throw malformed()
  }
  const next = (kind: Token['kind']): string => {
    const token = peek()
    if (token?.kind !== kind) throw malformed()
    at += 1
    return token.text
  }

  const either = (): Predicate => {
    const parts = [both()]
    while (skip('or')) parts.push(both())
    return (file) => parts.some((part) => part(file))
  }
  const both = (): Predicate => {
    const parts = [single()]
    while (skip('and')) parts.push(single())
    return (file) => parts.every((part) => part(file))
  }
  const single = (): Predicate => {
    if (skip('not')) {
      const part = single()
      return (file) => !part(file)
    }
    if (skip('(')) {
      const part = either()
      need(')')
      return part
    }
    return peek()?.kind === 'string' ? membership() : comparison()
  }
  const membership = (): Predicate => {
    const value = next('string')
    need('in')
    const collection = next('word')
    if (collection === 'parents') return (file) => file.parents.includes(value)
    if (['owners', 'writers', 'readers'].includes(collection))
      return (file) => file.owners.includes(value)
    throw malformed()
  }
  const comparison = (): Predicate => {
    const field = next('word')
    const operator = next('word')
    if (field === 'appProperties' || field === 'properties') {
      if (operator !== 'has') throw malformed()
      return property(field)
    }
    if (field === 'trashed' || field === 'starred') return flag(field, operator, next('word'))
    return ofText(field, operator, next('string'))
  }
  const property = (field: 'appProperties' | 'properties'): Predicate => {
    need('{')
    need('key')
    need('=')
    const key = next('string')
    need('and')
    need('value')
    need('=')
    const value = next('string')
    need('}')
    return (file) => Object.hasOwn(file[field], key) && file[field][key] === value
  }

  if (tokens.length === 0) return () => true
  const predicate = either()
  if (peek() !== undefined) throw malformed()
  return predicate
}

function flag(field: 'trashed' | 'starred', operator: string, word: string): Predicate {
  if ((word !== 'true' && word !== 'false') || (operator !== '=' && operator !== '!='))
    throw malformed()
  const wanted = (word === 'true') === (operator === '=')
  return (file) => file[field] === wanted
}

function ofText(field: string, operator: string, value: string): Predicate {
  switch (field) {
    case 'name':
      if (operator === '=') return (file) => file.name === value
      if (operator === '!=') return (file) => file.name !== value
      // Words of a name match from their beginning, whatever their case.
      if (operator === 'contains')
        return (file) => wordsOf(file.name).some((w) => w.startsWith(value.toLowerCase()))
      throw malformed()
    case 'mimeType':
      if (operator === '=') return (file) => file.mimeType === value
      if (operator === '!=') return (file) => file.mimeType !== value
      if (operator === 'contains') return (file) => file.mimeType.startsWith(value)
      throw malformed()
    case 'createdTime':
    case 'modifiedTime':
      return ofTime(field, operator, value)
    default:
      throw malformed()
  }
}

/** The rest of a name from each of its words on. */
function wordsOf(name: string): string[] {
  const lower = name.toLowerCase()
  const starts = [0, ...[...lower.matchAll(/[\s_.-]/g)].map((match) => match.index + 1)]
  return starts.map((start) => lower.slice(start))
}

function ofTime(field: 'createdTime' | 'modifiedTime', operator: string, value: string): Predicate {
  const hasZone = /(?:Z|[+-]\d\d:?\d\d)$/.test(value)
  const wanted = new Date(hasZone ? value : `${value}Z`).getTime() // without a zone it is UTC
  if (Number.isNaN(wanted)) throw malformed()
  const compare = COMPARISONS[operator]
  if (!compare) throw malformed()
  return (file) => compare(new Date(file[field]).getTime(), wanted)
}

const COMPARISONS: Readonly<Record<string, (left: number, right: number) => boolean>> = {
  '=': (left, right) => left === right,
  '!=': (left, right) => left !== right,
  '<': (left, right) => left < right,
  '<=': (left, right) => left <= right,
  '>': (left, right) => left > right,
  '>=': (left, right) => left >= right,
}

function tokensOf(text: string): Token[] {
  const tokens: Token[] = []
  const pattern = new RegExp(TOKEN)
  const end = text.trimEnd().length
  while (pattern.lastIndex < end) {
    const match = pattern.exec(text)
    if (!match) throw malformed()
    const [, quoted, word] = match
    if (quoted !== undefined)
      tokens.push({ kind: 'string', text: quoted.replaceAll(/\\(.)/g, '$1') })
    else if (word !== undefined) tokens.push({ kind: 'word', text: word })
  }
  return tokens
}

const malformed = () => invalid('Invalid Value', 'q')
