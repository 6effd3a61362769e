import { describe, expect, it } from 'vitest'
import { addressGuard } from '../../../src/providers/probe/address-guard.ts'

const guard = addressGuard()
const codeOf = (work: () => unknown): string | undefined => {
  try {
    work()
    return undefined
  } catch (error) {
    return (error as { code?: string }).code
  }
}

describe('an address that is saved', () => {
  it.each([
    'http://127.0.0.1/',
    'http://2130706433/',
    'http://0x7f.1/',
    'http://017700000001/',
    'http://127.1/',
    'http://①②⑦.0.0.1/',
    'http://127。0。0。1/',
    'http://[::1]/',
    'http://[::ffff:7f00:1]/',
    'http://[::ffff:127.0.0.1]/',
    'http://[0:0:0:0:0:ffff:a9fe:a9fe]/',
    'http://[64:ff9b::7f00:1]/',
    'http://[2002:7f00:1::]/',
    'http://[fe80::1]/',
    'http://[fc00::1]/',
    'http://0.0.0.0/',
    'http://10.1.2.3/',
    'http://100.64.0.1/',
    'http://169.254.169.254/latest/meta-data/',
    'http://172.31.255.255/',
    'http://192.168.0.10/',
    'http://224.0.0.1/',
    'http://255.255.255.255/',
    'http://localhost/',
    'http://LOCALHOST./',
    'http://a.localhost/',
    'http://metadata.google.internal/',
    'http://metadata.google.internal./',
    'http://printer.local/',
  ])('%s is refused as private', (url) => {
    expect(codeOf(() => guard.admit(url))).toBe('url_refused')
    expect(() => guard.admit(url)).toThrow(/is private/)
  })

  it.each([
    ['ftp://example.com/', /only http/],
    ['file:///etc/passwd', /only http/],
    ['javascript:alert(1)', /only http/],
    ['example.com', /only http/],
    ['', /only http/],
    ['http://user:secret@example.com/', /no name and no password/],
    ['http://example.com:22/', /port 22/],
    ['http://example.com:25/', /port 25/],
  ])('%s is refused, and it is said why', (url, why) => {
    expect(() => guard.admit(url)).toThrow(why)
    expect(() => guard.admit(url)).not.toThrow(/secret/)
  })

  it.each([
    'https://node.ngrok-free.app/',
    'http://example.com:8000/health',
    'https://93.184.216.34/',
    'https://[2606:2800:220:1::1]/',
    'https://172.32.0.1/',
    'https://internal.example.com/',
  ])('%s is let through', (url) => {
    expect(guard.admit(url).href).toBe(url)
  })
})

describe('what an operator allows', () => {
  const home = addressGuard(['gpu.lan', '192.168.1.20', '10.0.0.0/24', 'fd00::/8'])

  it.each([
    'http://gpu.lan:8000/',
    'http://192.168.1.20/',
    'http://10.0.0.7/',
    'http://[fd00::5]/',
  ])('%s is let through', (url) => {
    expect(codeOf(() => home.admit(url))).toBeUndefined()
  })

  it.each(['http://other.lan/', 'http://192.168.1.21/', 'http://10.0.1.7/', 'http://127.0.0.1/'])(
    '%s is still refused',
    (url) => {
      expect(codeOf(() => home.admit(url))).toBe('url_refused')
    },
  )

  it.each(['gpu lan', '10.0.0.0/33', 'fd00::/129', '10.0.0.0/x', '', 'http://gpu.lan'])(
    'is refused where it is none: %j',
    (entry) => {
      expect(codeOf(() => addressGuard([entry]))).toBe('allow_private_invalid')
    },
  )
})

describe('an address that a name leads to', () => {
  it.each(['127.0.0.1', '169.254.169.254', '::1', '::ffff:10.0.0.1', 'fe80::1'])(
    '%s is refused, and the name is said',
    (address) => {
      expect(codeOf(() => guard.check(address, 'node.example'))).toBe('address_private')
      expect(() => guard.check(address, 'node.example')).toThrow(/^node\.example leads to/)
    },
  )

  it('is let through where it is on the open net, or allowed', () => {
    expect(codeOf(() => guard.check('93.184.216.34', 'node.example'))).toBeUndefined()
    expect(codeOf(() => addressGuard(['10.0.0.0/8']).check('10.2.3.4', 'n'))).toBeUndefined()
    expect(addressGuard(['gpu.lan']).trusts('gpu.lan')).toBe(true)
    expect(guard.trusts('gpu.lan')).toBe(false)
  })
})
