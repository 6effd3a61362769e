import { AppError } from '../lib/errors.ts'

/** What a parameter of a notebook may be. */
export type Literal = string | number | boolean

/** A Python literal; control characters and everything beyond ASCII escaped, so that no text ends it. */
export function literal(value: Literal): string {
  if (typeof value === 'number') return String(value)
  if (typeof value === 'boolean') return value ? 'True' : 'False'
  const escaped = value.replace(/[^ -~]|['\\]/gu, (character) => {
    if (character === "'" || character === '\\') return `\\${character}`
    return `\\U${(character.codePointAt(0) ?? 0).toString(16).padStart(8, '0')}`
  })
  return `'${escaped}'`
}

/**
 * A Python expression that writes `text` to `path` when it runs. Throws AppError `invalid` for a text
 * that a raw triple-quoted string cannot hold.
 */
export function writeFileCode(path: string, text: string): string {
  if (text.includes("'''")) {
    throw new AppError('invalid', `${path} holds ''' and cannot stand in a notebook cell`, {
      next: 'Use """ in that template instead.',
    })
  }
  if (text.endsWith('\\')) {
    throw new AppError('invalid', `${path} ends in a backslash and cannot stand in a notebook cell`)
  }
  if (text.includes('\r')) {
    throw new AppError('invalid', `${path} holds a carriage return, which Python would not keep`)
  }
  return `Path('${path}').write_text(r'''${text}''', encoding='utf-8')`
}
