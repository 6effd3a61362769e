import { randomBytes } from 'node:crypto'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { seal, unseal } from '../../src/safekeeping/seal.ts'

const key = randomBytes(32)

describe('a sealed secret', () => {
  it('opens with the same key and purpose, whatever it holds', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string(), (secret, purpose) => {
        expect(unseal(key, purpose, seal(key, purpose, secret))).toBe(
          Buffer.from(secret).toString('utf8'),
        )
      }),
    )
  })

  it('shows nothing of itself and never looks the same twice', () => {
    const sealed = seal(key, 'account ana', 'rosebud')
    expect(sealed).not.toContain('rosebud')
    expect(seal(key, 'account ana', 'rosebud')).not.toBe(sealed)
  })

  it.each([
    ['another key', (s: string) => () => unseal(randomBytes(32), 'account ana', s)],
    ['another purpose', (s: string) => () => unseal(key, 'account bia', s)],
    ['a text cut short', (s: string) => () => unseal(key, 'account ana', s.slice(0, -4))],
    ['a text with a part gone', (s: string) => () => unseal(key, 'account ana', s.slice(0, 20))],
    ['no sealed text at all', () => () => unseal(key, 'account ana', 'rosebud')],
    [
      'a text with one letter changed',
      (s: string) => () =>
        unseal(key, 'account ana', s.slice(0, -2) + (s.at(-2) === 'A' ? 'B' : 'A') + s.slice(-1)),
    ],
  ])('does not open with %s', (_why, open) => {
    const opening = open(seal(key, 'account ana', 'rosebud and more of it'))
    expect(opening).toThrow(expect.objectContaining({ code: 'sealed_with_another_key' }))
    expect(opening).not.toThrow('rosebud')
  })
})
