import { spawn } from 'node:child_process'
import { AppError } from '../../lib/errors.ts'

export interface Conversion {
  readonly python: string
  /** llama.cpp's convert_lora_to_gguf.py. */
  readonly converter: string
  /** The folder of the adapter, as peft has it. */
  readonly adapter: string
  /** A folder with the configuration of the base, or its name on the Hub, where the converter then reads it. */
  readonly base: { readonly folder: string } | { readonly id: string }
  /** Where the GGUF file is to stand. */
  readonly outfile: string
  readonly environment: Readonly<Record<string, string | undefined>>
}

/** An adapter of 170 MB takes under a minute on two cores; a slow box has its time. */
const conversionMs = 900_000
const mostTold = 500

/**
 * Has llama.cpp's own converter make a GGUF file of an adapter, in half precision.
 * @throws AppError `unavailable` (`converter_failed`, `python_missing`) with the last of what it said
 */
export function convertToGguf(wanted: Conversion, timeoutMs = conversionMs): Promise<void> {
  const { python, converter, adapter, base, outfile, environment } = wanted
  const named = 'folder' in base ? ['--base', base.folder] : ['--base-model-id', base.id]
  const args = [converter, '--outtype', 'f16', '--outfile', outfile, ...named, adapter]
  return new Promise((resolve, reject) => {
    const child = spawn(python, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...environment, PYTHONDONTWRITEBYTECODE: '1' },
    })
    let said = ''
    const hear = (part: Buffer) => {
      said = (said + part.toString('utf8')).slice(-mostTold)
    }
    child.stdout.on('data', hear)
    child.stderr.on('data', hear)
    const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs)
    child.on('error', (cause) => {
      clearTimeout(timer)
      const message = `${python} does not run on this machine, and the converter needs it`
      const next = 'Install Python 3 with what llama.cpp’s converter wants, or set RODIZIO_PYTHON'
      reject(new AppError('unavailable', message, { code: 'python_missing', next, cause }))
    })
    child.on('close', (status, signal) => {
      clearTimeout(timer)
      if (status === 0) return resolve()
      const words = said.replaceAll(/\p{C}+/gu, ' ').trim()
      reject(
        new AppError('unavailable', `${converter} ended with ${status ?? signal}: ${words}`, {
          code: 'converter_failed',
          next: 'Run it by hand on that folder; what was serving stays',
        }),
      )
    })
  })
}
