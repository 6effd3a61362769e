import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { resolvePython } from '../../../src/providers/local/python.ts'
import { makeTinyBase } from '../../../src/providers/local/tiny-base.ts'
import { temporaryFolder } from '../../temporary-folder.ts'

const GOOD = "open(sys.argv[1] + '/config.json', 'w').write(open(sys.argv[2]).read())"
const BAD = "open(sys.argv[1] + '/half', 'w').write('')\nsys.exit('no such tokenizer')"
const SLOW = 'import time\ntime.sleep(60)'

/** A data folder with a maker of that program, and the order for a base in it. */
function place(program: string, stop = new AbortController().signal) {
  const holder = temporaryFolder()
  const data = join(holder.path, 'data')
  mkdirSync(data)
  const [maker, text] = [join(holder.path, 'maker.py'), join(holder.path, 'text')]
  writeFileSync(maker, `import sys\n${program}\n`)
  writeFileSync(text, 'olá')
  const folder = join(data, 'tiny-base')
  const python = resolvePython('python3')
  const order = { python, maker, text, folder, path: '/usr/bin:/bin', stop }
  return { data, order, folder, [Symbol.dispose]: () => holder[Symbol.dispose]() }
}

describe('the tiny base', () => {
  it('appears whole, once, and takes away what a killed start has left', async () => {
    using at = place(GOOD)
    mkdirSync(join(at.data, 'tiny-base.part-dead'))
    await makeTinyBase(at.order)
    expect(readdirSync(at.data)).toEqual(['tiny-base'])
    const config = join(at.folder, 'config.json')
    expect(readFileSync(config, 'utf8')).toBe('olá')
    writeFileSync(config, 'kept')
    await makeTinyBase(at.order)
    expect(readFileSync(config, 'utf8')).toBe('kept')
  })

  it('that cannot be made leaves nothing, and its maker’s last words are told', async () => {
    using at = place(BAD)
    await expect(makeTinyBase(at.order)).rejects.toMatchObject({
      code: 'tiny_base_failed',
      message: expect.stringContaining('no such tokenizer'),
      next: expect.stringContaining('maker.py'),
    })
    expect(readdirSync(at.data)).toEqual([])
  })

  it('is not waited for by a service that is stopped', async () => {
    const stop = new AbortController()
    using at = place(SLOW, stop.signal)
    const making = makeTinyBase(at.order)
    setTimeout(() => stop.abort(), 200)
    await expect(making).rejects.toThrow('it was stopped')
    expect(readdirSync(at.data)).toEqual([])
  })
})
