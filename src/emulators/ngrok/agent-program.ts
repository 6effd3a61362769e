import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

export interface AgentProgram {
  /** The folder that emulated machines have on their path. */
  readonly folder: string
  readonly pythonPath: string
  /** The emulated agent, a program of Python. */
  readonly agentPath: string
  /** Where its edge answers. */
  readonly edgeUrl: string
}

/** Puts a program `cloudflared` into a folder, whose quick tunnels are opened at an emulated edge. One that is there goes. */
export function putAgentProgram({ folder, pythonPath, agentPath, edgeUrl }: AgentProgram): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const path = join(folder, 'cloudflared')
  const command = [pythonPath, agentPath, '--edge', edgeUrl].map(quoted).join(' ')
  writeFileSync(
    path,
    `#!/bin/sh\n# Emulated: nothing of it reaches Cloudflare.\nexec ${command} "$@"\n`,
  )
  chmodSync(path, 0o700)
}

const quoted = (word: string): string => `'${word.replaceAll("'", String.raw`'\''`)}'`
