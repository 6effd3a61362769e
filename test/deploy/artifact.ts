import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { chmodSync, cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { isAlive, until } from '../e2e/service.ts'

export const projectRoot = fileURLToPath(new URL('../../', import.meta.url))

/** Packs what `npm run build` has left, as `npm run package` does but less tightly; the artifact's path. */
export function packed(to: string): string {
  const args = [join(projectRoot, 'deploy/package.ts'), '--to', to, '--level', '1']
  const [file = ''] = execFileSync(process.execPath, args, { encoding: 'utf8' }).split('\n')
  return file
}

/** Unpacks an artifact; the folder that was in it. */
export function unpacked(file: string, into: string): string {
  mkdirSync(into, { recursive: true })
  execFileSync('tar', ['-xzf', file, '-C', into])
  const [top = ''] = readdirSync(into)
  return join(into, top)
}

export const sha256Of = (file: string): string =>
  createHash('sha256').update(readFileSync(file)).digest('hex')

export interface Artifact {
  readonly file: string
  readonly sha256: string
}

/**
 * Another version of an unpacked artifact: the same program, so far as it is not changed. It is small, because it borrows this
 * process's Node.
 * @param damage what happens to it once its checksums are written
 */
export function otherVersion(
  base: string,
  folder: string,
  version: string,
  change: (top: string) => void = () => undefined,
  damage: (top: string) => void = () => undefined,
): Artifact {
  const top = join(folder, `rodizio-${version}`)
  cpSync(base, top, { recursive: true, filter: (path) => !path.endsWith('/runtime/node') })
  writeFileSync(join(top, 'runtime/node'), `#!/bin/sh\nexec ${process.execPath} "$@"\n`)
  chmodSync(join(top, 'runtime/node'), 0o755)
  const project = join(top, 'package.json')
  writeFileSync(project, JSON.stringify({ ...JSON.parse(readFileSync(project, 'utf8')), version }))
  change(top)
  const sums = 'find . -type f ! -name SHA256SUMS -exec sha256sum {} + > SHA256SUMS'
  execFileSync('sh', ['-c', sums], { cwd: top })
  damage(top)
  const file = `${top}.tar.gz`
  execFileSync('tar', ['-czf', file, '-C', folder, `rodizio-${version}`])
  return { file, sha256: sha256Of(file) }
}

/** Puts lines into the program of an unpacked artifact, before it begins. */
export function beforeStart(top: string, lines: string): void {
  const launcher = join(top, 'bin/rodizio')
  writeFileSync(launcher, readFileSync(launcher, 'utf8').replace('set -eu', `set -eu\n${lines}`))
}

/** Ends the emulators that a service has left on its data folder; by themselves they wait a minute for the next one. */
export async function endEmulators(data: string): Promise<void> {
  const note = join(data, 'emulators/emulators.json')
  const { pid } = JSON.parse(readFileSync(note, 'utf8')) as { pid: number }
  process.kill(pid, 'SIGTERM')
  await until('the emulators to end', async () => !isAlive(pid), 15_000)
}

/** The script that cloud-init writes, out of the indentation that it has there. */
export const bootstrap = (): string => {
  const [, block = ''] =
    /rodizio-install\n {4}permissions: .*\n {4}content: \|\n([\s\S]*?)\n\n/.exec(
      readFileSync(join(projectRoot, 'deploy/vm/cloud-init.yaml'), 'utf8'),
    ) ?? ['', '']
  return `${block.replaceAll(/^ {6}/gm, '')}\n`
}
