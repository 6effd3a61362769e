import { addSeconds, iso } from '../../lib/clock.ts'
import type { Mount } from '../notebook-process.ts'
import { ServiceError } from '../service-error.ts'
import type { KaggleSettings } from './options.ts'
import type { Dataset, Kernel, StateFile } from './state.ts'
import { type Call, datasetDenied, flagField, textField } from './wire.ts'

export interface DatasetsOptions {
  readonly file: StateFile
  readonly settings: KaggleSettings
  readonly now: () => Date
  readonly url: () => string
}

type Version = Dataset['versions'][number]

/** Private data sets made from uploaded blobs, and what a session sees of them. */
export function createDatasets({ file, settings, now, url }: DatasetsOptions) {
  const find = (call: Call): Dataset => {
    const owner = textField(call, 'ownerSlug') || call.user
    const slug = textField(call, 'datasetSlug')
    const dataset = file.state.datasets.find((one) => one.owner === owner && one.slug === slug)
    if (!dataset || (dataset.isPrivate && dataset.owner !== call.user)) throw datasetDenied()
    return dataset
  }

  /** The files behind upload tokens. Throws 400 for a token that is unknown, foreign or only half uploaded. */
  const filesOf = (call: Call, body: Readonly<Record<string, unknown>>): Version['files'] => {
    const listed: unknown[] = Array.isArray(body.files) ? body.files : []
    return listed.map((item) => {
      const token = typeof item === 'object' && item !== null && 'token' in item ? item.token : null
      const blob = file.state.blobs.find((one) => one.token === token && one.owner === call.user)
      if (!blob?.complete) throw new ServiceError(400, 'A file of this data set was not uploaded')
      return { name: blob.name, bytes: blob.contentLength, token: blob.token }
    })
  }

  const add = (dataset: Dataset, notes: string, files: Version['files']) => {
    const readyAt = iso(addSeconds(now(), settings.queueSeconds))
    dataset.versions.push({ notes, readyAt, files })
    file.save()
    const path = `/datasets/${dataset.owner}/${dataset.slug}`
    return { ref: path, url: `${url()}${path}`, status: 'Ok', error: '', invalidTags: [] }
  }

  const create = (call: Call): Record<string, unknown> => {
    const owner = textField(call, 'ownerSlug')
    const slug = textField(call, 'slug')
    const title = textField(call, 'title')
    if (owner !== call.user) throw datasetDenied()
    if (slug.length < 6 || slug.length > 50)
      throw new ServiceError(400, 'The dataset slug must be between 6 and 50 characters')
    if (file.state.datasets.some((one) => one.owner === owner && one.slug === slug)) {
      const error = `The requested title "${title}" is already in use by a dataset. Please choose another title.`
      return { status: 'error', error }
    }
    const files = filesOf(call, call.fields)
    const isPrivate = flagField(call, 'isPrivate', true)
    const dataset: Dataset = { id: file.nextId(), owner, slug, title, isPrivate, versions: [] }
    file.state.datasets.push(dataset)
    return add(dataset, 'Initial release', files)
  }

  const createVersion = (call: Call): Record<string, unknown> => {
    const dataset = find(call)
    if (dataset.owner !== call.user) throw datasetDenied()
    const { body } = call.fields
    const fields = typeof body === 'object' && body !== null ? { ...body } : call.fields
    return add(dataset, textField({ fields }, 'versionNotes'), filesOf(call, fields))
  }

  const isReady = (version: Version): boolean => new Date(version.readyAt) <= now()

  const status = (call: Call): Record<string, unknown> => {
    const version = find(call).versions.at(-1)
    return { status: version && isReady(version) ? 'READY' : 'NOT_YET_PERSISTED' }
  }

  const get = (call: Call): Record<string, unknown> => {
    const { id, owner, slug, title, isPrivate, versions } = find(call)
    const currentVersionNumber = versions.length
    return { id, ref: `${owner}/${slug}`, ownerName: owner, title, isPrivate, currentVersionNumber }
  }

  const listFiles = (call: Call): Record<string, unknown> => {
    const version = find(call).versions.at(-1)
    const files = version?.files ?? []
    return {
      datasetFiles: files.map(({ name, bytes }) => ({
        name,
        totalBytes: bytes,
        creationDate: version?.readyAt,
      })),
      nextPageToken: '',
    }
  }

  /** What a session finds under `../input`: the newest version of each data set that is ready by then. */
  const mountsOf = (kernel: Kernel): Mount[] =>
    kernel.datasetDataSources.flatMap((source) => {
      const dataset = file.state.datasets.find((one) => `${one.owner}/${one.slug}` === source)
      const version = dataset?.versions.findLast(isReady)
      return (version?.files ?? []).map(({ name, token }) => ({
        folder: dataset?.slug ?? '',
        name,
        path: file.blobPath(token),
      }))
    })

  return { create, createVersion, status, get, listFiles, mountsOf }
}

export type Datasets = ReturnType<typeof createDatasets>
