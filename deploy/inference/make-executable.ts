import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { chmodSync, copyFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/**
 * Puts `dist-box/rodizio-pull.cjs` into a copy of the Node that runs this, for boxes without Node: `dist-box/rodizio`, which knows the
 * command `pull` and no other (nodejs.org/api/single-executable-applications.html, read 2026-11).
 */
const root = join(import.meta.dirname, '../..')
const at = (name: string) => join(root, 'dist-box', name)
const program = at('rodizio')

writeFileSync(
  at('sea.json'),
  JSON.stringify({
    main: at('rodizio-pull.cjs'),
    output: at('rodizio-pull.blob'),
    disableExperimentalSEAWarning: true,
    // As the program's own first line has them: a pull stays small.
    execArgv: [
      '--optimize-for-size',
      '--max-semi-space-size=1',
      '--max-old-space-size=64',
      '--liftoff-only',
    ],
  }),
)
execFileSync(process.execPath, ['--experimental-sea-config', at('sea.json')], { stdio: 'ignore' })
copyFileSync(process.execPath, program)
chmodSync(program, 0o755)
const postject = join(root, 'node_modules/postject/dist/cli.js')
// The mark that Node looks for in itself.
const fuse = 'NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2'
const inject = [postject, program, 'NODE_SEA_BLOB', at('rodizio-pull.blob')]
execFileSync(process.execPath, [...inject, '--sentinel-fuse', fuse], {
  stdio: ['ignore', 'ignore', 'inherit'],
})
rmSync(at('sea.json'))
rmSync(at('rodizio-pull.blob'))
const sum = createHash('sha256').update(readFileSync(program)).digest('hex')
writeFileSync(at('rodizio.sha256'), `${sum}  rodizio\n`)
process.stdout.write(`dist-box/rodizio for ${process.platform}-${process.arch}: ${sum}\n`)
