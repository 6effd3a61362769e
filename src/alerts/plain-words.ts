/**
 * A name as it may stand in a line of a mail's header or of its text: without line ends and other characters that are not shown,
 * those that turn the direction of writing included, and no longer than a line bears.
 */
export function oneLine(text: string, most = 80): string {
  const shown = text
    .normalize('NFC')
    .replaceAll(/[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}]+/gu, ' ')
    .replaceAll(/\s+/g, ' ')
    .trim()
  const letters = [...shown]
  return letters.length > most ? `${letters.slice(0, most - 1).join('')}…` : shown
}

const escapes: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

/** Text as it may stand in HTML, between tags and within quoted attributes. */
export const htmlText = (text: string): string =>
  text.replaceAll(/[&<>"']/g, (char) => escapes[char] ?? char)
