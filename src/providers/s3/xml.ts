/** The few words that are read out of a store's XML answers: elements by their name, without attributes, nothing nested in itself. */

/** What stands between `<name>` and `</name>`, each time; in one pass, however the text is made. */
export function elements(text: string, name: string): string[] {
  const [open, close] = [`<${name}>`, `</${name}>`]
  const found: string[] = []
  for (let at = 0; ; ) {
    const start = text.indexOf(open, at)
    if (start < 0) return found
    const end = text.indexOf(close, start + open.length)
    if (end < 0) return found
    found.push(text.slice(start + open.length, end))
    at = end + close.length
  }
}

/** The text of the first element of that name; undefined without one. */
export function textOf(text: string, name: string): string | undefined {
  const [value] = elements(text, name)
  return value?.replaceAll(/&(#\d{1,7}|#x[\da-f]{1,6}|amp|lt|gt|quot|apos);/gi, unescaped)
}

const named: Readonly<Record<string, string>> = {
  amp: '&',
  lt: '<',
  gt: '>',
  quot: '"',
  apos: "'",
}

function unescaped(whole: string, entity: string): string {
  if (!entity.startsWith('#')) return named[entity.toLowerCase()] ?? whole
  const isHex = entity[1] === 'x' || entity[1] === 'X'
  const code = Number.parseInt(entity.slice(isHex ? 2 : 1), isHex ? 16 : 10)
  return code <= 0x10ffff ? String.fromCodePoint(code) : whole
}

/** A text as it stands inside of an element. */
export const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
