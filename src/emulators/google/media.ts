import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Travel } from '../answer.ts'
import type { Fault } from '../faults.ts'
import type { Recording } from '../requests.ts'
import { objectOf, readObject, sendJson } from './answer.ts'
import { measure, sendContent } from './content.ts'
import type { Files } from './files.ts'
import { receiveMedia, receiveMultipart } from './multipart.ts'
import type { GoogleSettings } from './options.ts'
import type { Route } from './routes.ts'
import type { StateFile } from './state.ts'
import { sendIncomplete, type Uploads } from './uploads.ts'
import { type Caller, GoogleError, invalid } from './wire.ts'

export interface MediaOptions {
  readonly file: StateFile
  readonly settings: GoogleSettings
  readonly files: Files
  readonly uploads: Uploads
  readonly url: string
}

/** One request with all that answering it takes. */
export interface Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly route: Route
  readonly fault: Fault | undefined
  readonly travel: Travel
  readonly recording: Recording
}

/** The live service's own names, under which a TLS front passes requests on. */
export const GOOGLE_HOST = /^(?:www|oauth2|drive)\.googleapis\.com$/

/** Requests that bring or fetch the bytes of files. */
export function createMedia({ file, settings, files, uploads, url }: MediaOptions) {
  /** Where the caller believes to be: behind a TLS front that is the live service's own name. */
  const addressFor = ({ headers }: IncomingMessage): string => {
    const host = (headers.host ?? '').replace(/:443$/, '')
    return GOOGLE_HOST.test(host) ? `https://${host}` : url
  }

  const start = async (
    { request, response, route, fault, recording }: Exchange,
    caller: Caller,
  ) => {
    const metadata = await readObject(request, settings.bytesPerSecond)
    recording.body(metadata)
    const { headers } = request
    const id = uploads.start({
      caller,
      metadata,
      replaces: route.subject === '' ? null : route.subject,
      mimeType: textOf(headers['x-upload-content-type']),
      totalBytes: lengthOf(headers['x-upload-content-length']),
    })
    const asked = new URLSearchParams(route.query)
    asked.set('upload_id', id)
    const path = route.subject === '' ? '' : `/${encodeURIComponent(route.subject)}`
    const location = `${addressFor(request)}/upload/drive/v3/files${path}?${asked}`
    if (fault?.kind === 'started_but_cut' || fault?.kind === 'cut') return void response.destroy()
    response.writeHead(200, { location, 'x-guploader-uploadid': id, 'content-length': 0 }).end()
  }

  const chunk = async ({ request, response, route, fault, travel }: Exchange): Promise<void> => {
    const cutAfter = fault?.kind === 'cut' ? (fault.afterBytes ?? 1) : undefined
    const isCut = cutAfter !== undefined && route.name === 'upload.chunk'
    const step = await uploads.take(route.subject, request, isCut ? cutAfter : undefined)
    if (step.kind === 'cut' || fault?.kind === 'started_but_cut') return void response.destroy()
    if (step.kind === 'incomplete') return sendIncomplete(response, step.bytes)
    const fields = route.query.get('fields') ?? undefined
    const shown = files.shown(step.file, step.caller, fields)
    await sendJson(response, step.isNew ? 201 : 200, shown, isCut ? undefined : travel)
  }

  const simple = async (exchange: Exchange, caller: Caller): Promise<void> => {
    const { request, response, route, fault, travel, recording } = exchange
    const type = route.query.get('uploadType')
    const isCut = fault?.kind === 'cut'
    if (isCut) return void response.destroy()
    const found = route.subject === '' ? null : files.findToChange(route.subject, caller)
    const { bytesPerSecond } = settings
    const sent =
      type === 'multipart'
        ? await receiveMultipart(file, request, bytesPerSecond)
        : type === 'media'
          ? {
              metadata: {},
              blob: await receiveMedia(file, request, bytesPerSecond),
              mimeType: textOf(request.headers['content-type']),
            }
          : await refuseType(request)
    const metadata = objectOf(sent.metadata)
    recording.body(metadata)
    try {
      const content = await measure(file, sent.blob)
      const made = found ?? files.create(metadata, caller, content, sent.mimeType)
      if (found) {
        files.replaceContent(found, content, sent.mimeType)
        files.update(found, metadata, caller, Object.fromEntries(route.query))
      }
      if (fault?.kind === 'started_but_cut') return void response.destroy()
      const fields = route.query.get('fields') ?? undefined
      await sendJson(response, 200, files.shown(made, caller, fields), travel)
    } catch (error) {
      if (!file.state.files.some(({ content }) => content?.blob === sent.blob))
        file.removeBlob(sent.blob)
      throw error
    }
  }

  const download = async ({ request, response, route, travel }: Exchange, caller: Caller) => {
    const found = files.find(route.subject, caller)
    if (!found.content)
      throw new GoogleError(
        403,
        'fileNotDownloadable',
        'Only files with binary content can be directly downloaded. Use Export with Docs Editors files.',
        { location: 'alt' },
      )
    const content = { content: found.content, mimeType: found.mimeType }
    await sendContent(file, content, request.headers.range, response, travel)
  }

  return { start, chunk, simple, download }
}

const textOf = (header: string | string[] | undefined): string | undefined =>
  typeof header === 'string' && header !== '' ? header : undefined

function lengthOf(header: string | string[] | undefined): number | null {
  if (header === undefined) return null
  const bytes = Number(header)
  if (!Number.isInteger(bytes) || bytes < 0) throw invalid('Invalid X-Upload-Content-Length')
  return bytes
}

function refuseType(request: IncomingMessage): Promise<never> {
  request.resume()
  return Promise.reject(invalid('Invalid Value', 'uploadType'))
}
