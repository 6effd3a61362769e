/** Writes docs/openapi.json from the routes themselves; with --check it only says whether the file stands as it would be written. */
import { readFileSync, writeFileSync } from 'node:fs'
import { describeApi, type HttpPorts } from '../src/http/app.ts'

const file = new URL('openapi.json', import.meta.url)
/** The description comes from the routes alone: no port is ever called. */
const nothing = new Proxy({}, { get: () => () => undefined }) as unknown as HttpPorts
const text = `${JSON.stringify(describeApi(nothing), null, 2)}\n`

if (!process.argv.includes('--check')) {
  writeFileSync(file, text)
} else if (readFileSync(file, 'utf8') !== text) {
  process.stderr.write(
    'docs/openapi.json differs from the routes: write it again with npm run generate\n',
  )
  process.exitCode = 1
}
