import { createHash, generateKeyPairSync, randomBytes, sign } from 'node:crypto'

/** A certificate that signs itself, with its key; both PEM. */
export interface Certificate {
  readonly key: string
  readonly certificate: string
}

/**
 * A throw-away certificate for one host name, which a client may be told to trust in place of all others. X.509 version 3
 * (RFC 5280) with ECDSA on P-256; Node signs but writes no certificates, so its few fields are put together here.
 * It is good from 2020 to 2049, or in the years that are given.
 */
export function selfSigned(
  host: string,
  years: readonly [first: number, last: number] = [2020, 2049],
): Certificate {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const name = sequence(set(sequence(COMMON_NAME, text(host))))
  const keyInfo = publicKey.export({ type: 'spki', format: 'der' })
  const keyId = der(0x04, createHash('sha1').update(keyInfo).digest()) // a mark, not a proof
  const extensions = sequence(
    extension('551d13', true, sequence(der(0x01, Buffer.from([0xff])))), // basicConstraints: CA
    extension('551d0f', true, der(0x03, Buffer.from([0x02, 0x84]))), // keyUsage: digitalSignature, keyCertSign
    extension('551d25', false, sequence(oid('2b06010505070301'))), // extKeyUsage: serverAuth
    extension('551d0e', false, keyId), // subjectKeyIdentifier
    extension('551d11', false, sequence(der(0x82, Buffer.from(host)))), // subjectAltName: dNSName
  )
  const serial = randomBytes(8)
  serial[0] = 0x40 // positive, and no zero in front
  const body = sequence(
    der(0xa0, der(0x02, Buffer.from([2]))), // version 3
    der(0x02, serial),
    ECDSA_WITH_SHA256,
    name,
    sequence(time(`${yy(years[0])}0101000000Z`), time(`${yy(years[1])}1231235959Z`)),
    name,
    keyInfo,
    der(0xa3, extensions),
  )
  const signature = der(0x03, Buffer.concat([Buffer.from([0]), sign('sha256', body, privateKey)]))
  const whole = sequence(body, ECDSA_WITH_SHA256, signature).toString('base64')
  return {
    key: String(privateKey.export({ type: 'pkcs8', format: 'pem' })),
    certificate: `-----BEGIN CERTIFICATE-----\n${whole.replace(/.{64}/g, '$&\n').trimEnd()}\n-----END CERTIFICATE-----\n`,
  }
}

/** One value in DER: its tag, the length of its content, its content. */
function der(tag: number, content: Buffer): Buffer {
  const { length } = content
  const head =
    length < 0x80
      ? [tag, length]
      : length < 0x100
        ? [tag, 0x81, length]
        : [tag, 0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.from(head), content])
}

/** UTCTime has two digits, which stand for 1950 to 2049. */
const yy = (year: number): string => String(year % 100).padStart(2, '0')

const sequence = (...parts: readonly Buffer[]): Buffer => der(0x30, Buffer.concat(parts))
const set = (...parts: readonly Buffer[]): Buffer => der(0x31, Buffer.concat(parts))
const text = (value: string): Buffer => der(0x0c, Buffer.from(value))
const time = (value: string): Buffer => der(0x17, Buffer.from(value))
const oid = (hex: string): Buffer => der(0x06, Buffer.from(hex, 'hex'))

const COMMON_NAME = oid('550403')
const ECDSA_WITH_SHA256 = sequence(oid('2a8648ce3d040302'))

const extension = (id: string, isCritical: boolean, value: Buffer): Buffer =>
  sequence(oid(id), ...(isCritical ? [der(0x01, Buffer.from([0xff]))] : []), der(0x04, value))
