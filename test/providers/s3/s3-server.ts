import { createHash, randomBytes } from 'node:crypto'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Clock } from '../../../src/lib/clock.ts'
import { expectedSignature } from './signature.ts'

/** One key, one region, one bucket: whoever asks otherwise is refused. */
export const keyId = 'TESTKEYID'
export const secretKey = 'a/secret+of=the/tests'
export const region = 'eu-test-1'
export const bucket = 'some-bucket'

export interface Call {
  readonly method: string
  readonly key: string
  readonly query: Readonly<Record<string, string>>
  readonly headers: http.IncomingHttpHeaders
}

/** What goes wrong: before anything is done, after all of it was done, in the middle of an answer, or in what is said. */
export type Fault =
  | {
      readonly kind:
        | 'cut-before'
        | 'cut-after'
        | 'cut-body'
        | 'wrong-tag'
        | 'other-bytes'
        | 'no-reading'
    }
  | {
      readonly kind: 'answer'
      readonly status: number
      readonly code?: string
      readonly message?: string
      readonly more?: string
      readonly headers?: Readonly<Record<string, string>>
    }

interface Stored {
  readonly body: Buffer
  readonly sha256: string | undefined
  readonly modifiedAt: Date
}

interface Begun {
  readonly key: string
  readonly sha256: string | undefined
  readonly begunAt: Date
  readonly parts: Map<number, { readonly body: Buffer; readonly tag: string }>
}

const skewMs = 15 * 60_000
const xmlEscaped = (text: string) => text.replaceAll('&', '&amp;').replaceAll('"', '&quot;')
const md5 = (body: Buffer) => `"${createHash('md5').update(body).digest('hex')}"`

/** A small S3 store of the tests: checks each signature and each hash by itself, keeps what it gets in memory, and fails on demand. */
export async function startS3Server(clock: Clock) {
  const objects = new Map<string, Stored>()
  const uploads = new Map<string, Begun>()
  const calls: Call[] = []
  const faults: { matches: (call: Call) => boolean; fault: Fault; left: number }[] = []
  const state = { pageSize: 1000 }

  const server = http.createServer((request, response) => {
    void serve(request, response).catch(() => response.destroy())
  })

  async function serve(request: http.IncomingMessage, response: http.ServerResponse) {
    const url = new URL(request.url ?? '/', 'http://here')
    const [, inBucket = '', ...rest] = decodeURIComponent(url.pathname).split('/')
    const call: Call = {
      method: request.method ?? '',
      key: rest.join('/'),
      query: Object.fromEntries(url.searchParams),
      headers: request.headers,
    }
    calls.push(call)
    const found = faults.find((one) => one.left > 0 && one.matches(call))
    if (found) found.left -= 1
    const fault = found?.fault
    if (fault?.kind === 'cut-before') return void request.socket.destroy()
    if (fault?.kind === 'no-reading') return void request.pause()
    if (fault?.kind === 'answer') {
      const { status, code, message = 'as was asked for', more = '', headers } = fault
      request.resume()
      response.writeHead(status, { date: clock.now().toUTCString(), ...headers })
      return void response.end(code ? errorXml(code, message, more) : '')
    }
    const body = Buffer.concat(await Array.fromAsync(request as AsyncIterable<Buffer>))
    const refusal = refusalOf(request, call, inBucket, body)
    const answer = refusal ?? answerTo(call, body, fault)
    if (fault?.kind === 'cut-after') return void request.socket.destroy()
    const bytes = Buffer.from(answer.body ?? '')
    response.writeHead(answer.status, {
      date: clock.now().toUTCString(),
      'content-length': String(answer.length ?? bytes.length),
      ...answer.headers,
    })
    if (call.method === 'HEAD') return void response.end()
    if (fault?.kind !== 'cut-body') return void response.end(bytes)
    response.write(bytes.subarray(0, bytes.length / 2), () =>
      setTimeout(() => request.socket.destroy(), 20),
    )
  }

  interface Reply {
    readonly status: number
    readonly body?: string | Buffer
    readonly length?: number
    readonly headers?: Readonly<Record<string, string>>
  }
  const refused = (status: number, code: string, more = ''): Reply => ({
    status,
    body: errorXml(code, `says the store: ${code}`, more),
  })

  function refusalOf(request: http.IncomingMessage, call: Call, inBucket: string, body: Buffer) {
    const { headers } = request
    const form =
      /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/s3\/aws4_request, SignedHeaders=([^,]+), Signature=([0-9a-f]{64})$/
    const [, id, day, inRegion, names = '', signature] =
      form.exec(headers.authorization ?? '') ?? []
    const [, y, mo, d, h, mi, s] =
      /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(String(headers['x-amz-date'])) ?? []
    const at = new Date(`${y}-${mo}-${d}T${h}:${mi}:${s}Z`)
    const signed = names.split(';')
    const unsigned = Object.keys(headers).filter(
      (name) => /^(host|x-amz-.*)$/.test(name) && !signed.includes(name),
    )
    if (id === undefined || unsigned.length > 0 || day !== `${y}${mo}${d}`)
      return refused(403, 'AccessDenied')
    if (id !== keyId) return refused(403, 'InvalidAccessKeyId')
    if (inRegion !== region)
      return refused(400, 'AuthorizationHeaderMalformed', `<Region>${region}</Region>`)
    if (Math.abs(at.getTime() - clock.now().getTime()) > skewMs)
      return refused(403, 'RequestTimeTooSkewed')
    const { method } = call
    const expected = expectedSignature(
      { method, target: request.url ?? '', headers },
      signed,
      region,
      secretKey,
    )
    if (signature !== expected) return refused(403, 'SignatureDoesNotMatch')
    if (headers['x-amz-content-sha256'] !== createHash('sha256').update(body).digest('hex'))
      return refused(400, 'XAmzContentSHA256Mismatch')
    return inBucket === bucket ? undefined : refused(404, 'NoSuchBucket')
  }

  function answerTo(call: Call, body: Buffer, fault: Fault | undefined): Reply {
    const { method, key, query, headers } = call
    if (key === '') return query.uploads === undefined ? listed(query) : listedUploads(query)
    const begun = query.uploadId === undefined ? undefined : uploads.get(query.uploadId)
    if (query.uploadId !== undefined && begun?.key !== key) return refused(404, 'NoSuchUpload')
    const sha256 = headers['x-amz-meta-sha256']?.toString()
    if (method === 'POST' && query.uploads !== undefined) {
      const uploadId = `${randomBytes(6).toString('base64')}&<"+/=`
      uploads.set(uploadId, { key, sha256, begunAt: clock.now(), parts: new Map() })
      return ok(
        `<InitiateMultipartUploadResult><UploadId>${xmlEscaped(uploadId).replaceAll('<', '&lt;')}</UploadId></InitiateMultipartUploadResult>`,
      )
    }
    if (begun && method === 'PUT') {
      const tag = md5(body)
      begun.parts.set(Number(query.partNumber), { body, tag })
      return {
        status: 200,
        headers: { etag: fault?.kind === 'wrong-tag' ? '"of another part"' : tag },
      }
    }
    if (begun && method === 'POST') return finished(query.uploadId ?? '', begun, body.toString())
    if (begun && method === 'DELETE') {
      uploads.delete(query.uploadId ?? '')
      return { status: 204 }
    }
    if (method === 'PUT') {
      const kept = fault?.kind === 'other-bytes' ? body.subarray(1) : body
      objects.set(key, { body: kept, sha256, modifiedAt: clock.now() })
      return { status: 200, headers: { etag: md5(kept) } }
    }
    if (method === 'DELETE') {
      objects.delete(key)
      return { status: 204 }
    }
    const stored = objects.get(key)
    if (!stored) return refused(404, 'NoSuchKey')
    const shared = {
      etag: md5(stored.body),
      ...(stored.sha256 ? { 'x-amz-meta-sha256': stored.sha256 } : {}),
    }
    if (method === 'HEAD') return { status: 200, length: stored.body.length, headers: shared }
    const [, from] = /^bytes=(\d+)-$/.exec(headers.range ?? '') ?? []
    if (from === undefined) return { status: 200, body: stored.body, headers: shared }
    if (headers['if-match'] !== undefined && headers['if-match'] !== shared.etag)
      return refused(412, 'PreconditionFailed')
    const total = stored.body.length
    return {
      status: 206,
      body: stored.body.subarray(Number(from)),
      headers: { ...shared, 'content-range': `bytes ${from}-${total - 1}/${total}` },
    }
  }

  function finished(uploadId: string, { key, sha256, parts }: Begun, text: string): Reply {
    const wanted = [
      ...text.matchAll(/<Part><PartNumber>(\d+)<\/PartNumber><ETag>([^<]+)<\/ETag><\/Part>/g),
    ]
    const bodies = wanted.map(([, number, tag]) => {
      const part = parts.get(Number(number))
      return part && part.tag === tag ? part.body : undefined
    })
    const whole = bodies.filter((one) => one !== undefined)
    if (whole.length === 0 || whole.length !== bodies.length) return refused(400, 'InvalidPart')
    if (whole.slice(0, -1).some((one) => one.length < 5 * 1024 * 1024))
      return refused(400, 'EntityTooSmall')
    objects.set(key, { body: Buffer.concat(whole), sha256, modifiedAt: clock.now() })
    uploads.delete(uploadId)
    return ok(
      '<CompleteMultipartUploadResult xmlns="x"><Key>k</Key></CompleteMultipartUploadResult>',
    )
  }

  function listed({ prefix = '', 'continuation-token': token = '' }: Call['query']): Reply {
    const after = [...objects.keys()]
      .filter((key) => key.startsWith(prefix) && key > token)
      .toSorted()
    const page = after.slice(0, state.pageSize)
    const rows = page.map((key) => {
      const modified = objects.get(key)?.modifiedAt.toISOString()
      return `<Contents><Key>${xmlEscaped(key)}</Key><LastModified>${modified}</LastModified></Contents>`
    })
    const isMore = page.length < after.length
    const next = isMore ? `<NextContinuationToken>${page.at(-1)}</NextContinuationToken>` : ''
    return ok(
      `<ListBucketResult xmlns="x"><IsTruncated>${isMore}</IsTruncated>${next}${rows.join('')}</ListBucketResult>`,
    )
  }

  function listedUploads({ prefix = '', 'upload-id-marker': marker = '' }: Call['query']): Reply {
    const after = [...uploads]
      .filter(([id, { key }]) => key.startsWith(prefix) && id > marker)
      .toSorted()
    const page = after.slice(0, state.pageSize)
    const idOf = (id: string) => xmlEscaped(id).replaceAll('<', '&lt;')
    const rows = page.map(
      ([id, { key, begunAt }]) =>
        `<Upload><Key>${key}</Key><UploadId>${idOf(id)}</UploadId><Initiated>${begunAt.toISOString()}</Initiated></Upload>`,
    )
    const isMore = page.length < after.length
    const [last, begun] = page.at(-1) ?? []
    const next = isMore
      ? `<NextKeyMarker>${begun?.key}</NextKeyMarker><NextUploadIdMarker>${idOf(last ?? '')}</NextUploadIdMarker>`
      : ''
    return ok(
      `<ListMultipartUploadsResult xmlns="x"><IsTruncated>${isMore}</IsTruncated>${next}${rows.join('')}</ListMultipartUploadsResult>`,
    )
  }

  const ok = (xml: string): Reply => ({
    status: 200,
    body: `<?xml version="1.0" encoding="UTF-8"?>\n${xml}`,
  })
  const errorXml = (code: string, message: string, more: string) =>
    `<?xml version="1.0"?><Error><Code>${code}</Code><Message>${message}</Message>${more}</Error>`

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, // it listens on a port
    objects,
    uploads,
    calls,
    state,
    /** The next so many calls that match go wrong. */
    fail(matches: (call: Call) => boolean, fault: Fault, times = 1) {
      faults.push({ matches, fault, left: times })
    },
    /** Nothing is stored any more. */
    forget() {
      objects.clear()
      uploads.clear()
    },
    /** Nothing goes wrong any more. */
    heal() {
      faults.length = 0
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

export type S3Server = Awaited<ReturnType<typeof startS3Server>>
