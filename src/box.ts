import { pathToFileURL } from 'node:url'
import packageJson from '../package.json' with { type: 'json' }
import { endWithReader } from './cli/end-with-reader.ts'
import { pullCommand } from './cli/pull.ts'
import { runProgram } from './cli/run-program.ts'

/** `rodizio pull` alone: what an inference box needs, as one executable file without Node beside it. */
const place = {
  root: pathToFileURL(`${process.cwd()}/`),
  entry: process.execPath,
  version: packageJson.version,
}
endWithReader()
void runProgram(process.argv.slice(2), place, async () => [pullCommand]).then((status) => {
  process.exitCode = status
})
