import { createPublicKey, generateKeyPairSync, verify } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, it } from 'vitest'
import { readerOf, readingHeaders } from '../../../src/providers/pull/google-reader.ts'
import { settableClock } from '../../settable-clock.ts'

it('signs for a service account who asks, what for and until when, once for the token’s life', async () => {
  const asked: URLSearchParams[] = []
  const server = createServer(async (request, response) => {
    const parts = (await Array.fromAsync(request)) as Buffer[]
    asked.push(new URLSearchParams(Buffer.concat(parts).toString('utf8')))
    response.end(JSON.stringify({ access_token: `ya29.${asked.length}`, expires_in: 3599 }))
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  try {
    const tokenUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/token`
    const clock = settableClock('2026-03-10T12:00:00Z')
    const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
    const file = {
      type: 'service_account',
      client_email: 'box@ana.iam.gserviceaccount.com',
      private_key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
    }
    const headers = readingHeaders(readerOf(JSON.stringify(file)), { tokenUrl, clock })
    expect(await headers()).toEqual({ authorization: 'Bearer ya29.1' })
    expect(await headers()).toEqual({ authorization: 'Bearer ya29.1' })
    const assertion = asked[0]?.get('assertion') ?? ''
    const [head = '', claims = '', signature = ''] = assertion.split('.')
    const isGood = verify(
      'RSA-SHA256',
      Buffer.from(`${head}.${claims}`),
      createPublicKey(publicKey.export({ type: 'spki', format: 'pem' })),
      Buffer.from(signature, 'base64url'),
    )
    expect(isGood).toBe(true)
    expect(JSON.parse(Buffer.from(claims, 'base64url').toString())).toEqual({
      iss: 'box@ana.iam.gserviceaccount.com',
      scope: 'https://www.googleapis.com/auth/drive.readonly',
      aud: tokenUrl,
      iat: Date.parse('2026-03-10T12:00:00Z') / 1000,
      exp: Date.parse('2026-03-10T13:00:00Z') / 1000,
    })
    clock.advance(3500)
    expect(await headers()).toEqual({ authorization: 'Bearer ya29.2' })
    expect(await headers(true)).toEqual({ authorization: 'Bearer ya29.3' })
  } finally {
    server.close()
  }
})
