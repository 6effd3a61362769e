import { createInterface } from 'node:readline/promises'
import type { Context } from './context.ts'

/** Asks the person at the terminal whether the rules just shown are accepted; without one only the flag accepts. */
export async function askToAccept(context: Context): Promise<boolean> {
  if (!context.isTerminal || context.isJson() || process.stdin.isTTY !== true) return false
  const prompt = createInterface({ input: process.stdin, output: process.stdout })
  try {
    return /^y(es)?$/i.test((await prompt.question('Accept these rules? [y/N] ')).trim())
  } finally {
    prompt.close()
  }
}
