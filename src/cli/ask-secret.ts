import { createInterface } from 'node:readline/promises'
import { Writable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { AppError } from '../lib/errors.ts'

/**
 * A secret from the person at the terminal, which shows nothing of it, or from what is piped in; empty when nothing is given.
 * @throws AppError `invalid` (`not_given`) when the question is broken off
 */
export async function askSecret(question: string): Promise<string> {
  if (process.stdin.isTTY !== true) return (await text(process.stdin)).trim()
  // A terminal of readline's own: the system's would show each key before anybody could object.
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() })
  const prompt = createInterface({ input: process.stdin, output: nowhere, terminal: true })
  // Only now is it safe to ask: what is typed from here on is shown by nobody.
  process.stderr.write(question)
  const broken = new AbortController()
  prompt.once('SIGINT', () => broken.abort())
  prompt.once('close', () => broken.abort())
  try {
    return (await prompt.question('', { signal: broken.signal })).trim()
  } catch (cause) {
    throw new AppError('invalid', 'nothing was given', { code: 'not_given', cause })
  } finally {
    prompt.close()
    process.stderr.write('\n')
  }
}
