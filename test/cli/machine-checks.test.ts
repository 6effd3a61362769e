import { describe, expect, it } from 'vitest'
import { bound, memory, memoryLimit } from '../../src/cli/machine-checks.ts'

/** A system that has those files and no others. */
const system = (files: Readonly<Record<string, string>>) => (path: string) => {
  const text = files[path]
  if (text === undefined) throw new Error(`ENOENT: ${path}`)
  return text
}
const meminfo = (total: number, swap: number) =>
  system({ '/proc/meminfo': `MemTotal:  ${total} kB\nMemFree: 1 kB\nSwapTotal:   ${swap} kB\n` })

describe('doctor, of the machine', () => {
  it.each([
    ['1 GB without swap is too little', meminfo(1_000_000, 0), [false]],
    ['1 GB with swap will do', meminfo(1_000_000, 1_048_572), [true]],
    ['8 GB need no swap', meminfo(8_000_000, 0), [true]],
    ['another system says nothing', system({}), []],
    ['nor one with another form', system({ '/proc/meminfo': 'none of it' }), []],
  ])('%s', (_what, read, ok) => {
    expect(memory(read).map((check) => check.ok)).toEqual(ok)
  })

  const group = (max: string, current: string, events = 'oom_kill 0') =>
    system({
      '/proc/7/cgroup': '0::/system.slice/rodizio.service\n',
      '/sys/fs/cgroup/system.slice/rodizio.service/memory.max': `${max}\n`,
      '/sys/fs/cgroup/system.slice/rodizio.service/memory.stat': `anon ${current}\nfile 399000000\n`,
      '/sys/fs/cgroup/system.slice/rodizio.service/memory.events': `low 0\n${events}\n`,
    })
  it.each([
    ['far from its limit is well', group('400000000', '90000000'), [true]],
    ['near its limit is not', group('400000000', '390000000'), [false]],
    ['nor is one that has lost a process', group('400000000', '90', 'oom_kill 2'), [false]],
    ['without a limit there is nothing to say', group('max', '90000000'), []],
    ['nor where groups cannot be read', system({}), []],
  ])('a service %s', (_what, read, ok) => {
    expect(memoryLimit(7, read).map((check) => check.ok)).toEqual(ok)
  })

  it('no service, no limit', () => {
    expect(memoryLimit(undefined, system({}))).toEqual([])
  })

  it.each([
    ['127.0.0.1', undefined, true],
    ['::1', undefined, true],
    ['localhost', 'https://rodizio.example', true],
    ['0.0.0.0', 'https://rodizio.example', true],
    ['0.0.0.0', undefined, false],
    ['192.168.1.7', undefined, false],
    ['127.0.0.1', 'http://rodizio.example', false],
    ['127.0.0.1', 'http://127.0.0.1:8787', true],
  ])('listening on %s, from outside %s: %s', (host, url, ok) => {
    expect(bound(host, url).map((check) => check.ok)).toEqual([ok])
  })
})
