import { AppError } from '../../lib/errors.ts'
import { garbledAnswer } from './failures.ts'
import { type Answer, type Payload, type S3Call, type S3HttpOptions, s3Http } from './http.ts'
import { patiently, pause } from './patience.ts'
import { elements, escaped, textOf } from './xml.ts'

export interface StoredObject {
  readonly key: string
  readonly modifiedAt: Date
}

/** An upload in parts that was begun, and neither finished nor given up. */
export interface OpenUpload {
  readonly key: string
  readonly uploadId: string
  readonly begunAt: Date
}

/** More pages than this no store of backups has. */
const mostPages = 1000
/** Where a file's hash stands beside it; stores keep such headers as they are. */
const hashHeader = 'x-amz-meta-sha256'

/** The calls of the S3 API that backups are made of. Each is tried again where that can help, and throws AppError. */
export function s3Client(options: S3HttpOptions) {
  const { clock } = options
  const { host } = new URL(options.endpoint)
  const http = s3Http(options)
  const garbled = (doing: string) => garbledAnswer({ host, doing })

  /** A call and the text of its answer, which has to have that root. */
  const ask = (call: S3Call, doing: string, root?: string): Promise<string> =>
    patiently(clock, async () => {
      const answer = await http(call, doing)
      const text = await answer.text()
      if (root !== undefined && !text.includes(`<${root}`)) throw garbled(doing)
      return text
    })

  /** Every page of a list, the next one asked for by what the last one says. */
  async function* pages(
    query: Readonly<Record<string, string>>,
    root: string,
    next: Readonly<Record<string, string>>,
    doing: string,
  ): AsyncGenerator<string> {
    let from: Record<string, string> = {}
    for (let page = 0; page < mostPages; page += 1) {
      const text = await ask({ method: 'GET', query: { ...query, ...from } }, doing, root)
      yield text
      if (textOf(text, 'IsTruncated') !== 'true') return
      const marks = Object.entries(next).map(([name, mark]) => [name, textOf(text, mark) ?? ''])
      const before = JSON.stringify(from)
      from = Object.fromEntries(marks.filter(([, value]) => value !== ''))
      if (JSON.stringify(from) === before) throw garbled(doing) // it would go on for ever
    }
    throw garbled(doing)
  }

  return {
    /** Everything whose key begins so. */
    async list(prefix: string): Promise<StoredObject[]> {
      const found: StoredObject[] = []
      const query = { 'list-type': '2', prefix }
      const next = { 'continuation-token': 'NextContinuationToken' }
      for await (const page of pages(query, 'ListBucketResult', next, 'listing backups'))
        for (const one of elements(page, 'Contents')) {
          const key = textOf(one, 'Key')
          const modifiedAt = momentOf(textOf(one, 'LastModified'))
          if (key?.startsWith(prefix) && modifiedAt) found.push({ key, modifiedAt })
        }
      return found
    },

    async openUploads(prefix: string): Promise<OpenUpload[]> {
      const found: OpenUpload[] = []
      const query = { uploads: '', prefix }
      const next = { 'key-marker': 'NextKeyMarker', 'upload-id-marker': 'NextUploadIdMarker' }
      const doing = 'listing unfinished uploads'
      for await (const page of pages(query, 'ListMultipartUploadsResult', next, doing))
        for (const one of elements(page, 'Upload')) {
          const key = textOf(one, 'Key')
          const uploadId = textOf(one, 'UploadId')
          const begunAt = momentOf(textOf(one, 'Initiated'))
          if (key?.startsWith(prefix) && uploadId && begunAt) found.push({ key, uploadId, begunAt })
        }
      return found
    },

    /** Size and the hash it was sent with, where the store has kept that; undefined for what is not there. */
    async look(key: string): Promise<{ bytes: number; sha256: string | null } | undefined> {
      try {
        const call: S3Call = { method: 'HEAD', key }
        const answer = await patiently(clock, () => http(call, `looking at ${key}`))
        return {
          bytes: Number(answer.header('content-length') ?? Number.NaN),
          sha256: answer.header(hashHeader),
        }
      } catch (error) {
        if (error instanceof AppError && error.code === 's3_not_found') return undefined
        throw error
      }
    },

    /** A file's bytes, gone on with where they are cut. @throws AppError `not-found` (`s3_not_found`) before the first one */
    async read(key: string): Promise<AsyncIterable<Uint8Array>> {
      const doing = `reading ${key}`
      const first = await patiently(clock, () => http({ method: 'GET', key }, doing))
      const tag = first.header('etag')
      const total = Number(first.header('content-length') ?? Number.NaN)
      const goOn = async (at: number): Promise<Answer> => {
        const headers = { range: `bytes=${at}-`, ...(tag ? { 'if-match': tag } : {}) }
        const answer = await http({ method: 'GET', key, headers }, doing)
        if (answer.status !== 206 || !answer.header('content-range')?.startsWith(`bytes ${at}-`))
          throw garbled(doing)
        return answer
      }
      async function* rest(): AsyncGenerator<Uint8Array> {
        let at = 0
        let answer: Answer | undefined = first
        for (let failures = 0; ; ) {
          try {
            answer ??= await goOn(at)
            for await (const chunk of answer.bytes()) {
              at += chunk.length
              failures = 0
              yield chunk
            }
            return
          } catch (error) {
            if (at === total) return // all of it came before the cut
            failures += 1
            await pause(clock, error, failures)
            answer = undefined
          }
        }
      }
      return rest()
    },

    /** Stores a file in one piece. */
    async put(key: string, payload: Payload): Promise<void> {
      const headers = { [hashHeader]: payload.sha256 }
      await ask({ method: 'PUT', key, headers, body: payload }, `sending ${key}`)
    },

    /** What is not there is no error. */
    async remove(key: string): Promise<void> {
      await ask({ method: 'DELETE', key }, `deleting ${key}`).catch(unless('s3_not_found'))
    },

    async beginUpload(key: string, sha256: string): Promise<string> {
      const doing = `beginning to send ${key}`
      const call: S3Call = {
        method: 'POST',
        key,
        query: { uploads: '' },
        headers: { [hashHeader]: sha256 },
      }
      const uploadId = textOf(await ask(call, doing, 'InitiateMultipartUploadResult'), 'UploadId')
      if (!uploadId) throw garbled(doing)
      return uploadId
    },

    /** Sends a part, numbered from 1, and gives the store's tag for it. */
    putPart: (key: string, uploadId: string, number: number, body: Payload): Promise<string> =>
      patiently(clock, async () => {
        const doing = `sending part ${number} of ${key}`
        const query = { partNumber: String(number), uploadId }
        const answer = await http({ method: 'PUT', key, query, body }, doing)
        await answer.text()
        const tag = answer.header('etag')
        if (!tag || tag.length > 300) throw garbled(doing)
        return tag
      }),

    /** @throws AppError `conflict` (`s3_upload_gone`), also where an earlier call has finished it and its answer was lost */
    async finishUpload(key: string, uploadId: string, tags: readonly string[]): Promise<void> {
      const parts = tags.map(
        (tag, index) =>
          `<Part><PartNumber>${index + 1}</PartNumber><ETag>${escaped(tag)}</ETag></Part>`,
      )
      const body = `<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${parts.join('')}</CompleteMultipartUpload>`
      const call: S3Call = {
        method: 'POST',
        key,
        query: { uploadId },
        headers: { 'content-type': 'application/xml' },
        body,
      }
      // A failure may come after the 200 that began the answer: then it has another root.
      await ask(call, `finishing ${key}`, 'CompleteMultipartUploadResult')
    },

    /** Its parts go with it. What is not there is no error. */
    async giveUp(key: string, uploadId: string): Promise<void> {
      const call: S3Call = { method: 'DELETE', key, query: { uploadId } }
      await ask(call, `giving up ${key}`).catch(unless('s3_upload_gone'))
    },
  }
}

export type S3Client = ReturnType<typeof s3Client>

const unless =
  (code: string) =>
  (error: unknown): void => {
    if (!(error instanceof AppError) || error.code !== code) throw error
  }

function momentOf(text: string | undefined): Date | undefined {
  const at = new Date(text ?? Number.NaN)
  return Number.isNaN(at.getTime()) ? undefined : at
}
