#!/usr/bin/env -S node --optimize-for-size --max-semi-space-size=1 --max-old-space-size=64 --liftoff-only
import { fileURLToPath } from 'node:url'
import { endWithReader } from './cli/end-with-reader.ts'
import { main } from './cli/program.ts'

const root = new URL('../', import.meta.url)
const entry = fileURLToPath(import.meta.url)
// A service whose log nobody reads has failed, and says so by its status.
if (process.argv[2] !== 'up') endWithReader()
process.exitCode = await main(process.argv.slice(2), { root, entry })
