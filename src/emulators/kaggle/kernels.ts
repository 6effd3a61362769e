import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { iso } from '../../lib/clock.ts'
import { notModelled, ServiceError } from '../service-error.ts'
import { judgeNotebook } from './notebook-text.ts'
import type { KaggleSettings } from './options.ts'
import { bookOf, quotaAnswer, refusal } from './quota.ts'
import type { Sessions } from './sessions.ts'
import type { Kernel, Session, StateFile } from './state.ts'
import { type Call, flagField, kernelDenied, listField, numberField, textField } from './wire.ts'

export interface KernelsOptions {
  readonly file: StateFile
  readonly settings: KaggleSettings
  readonly sessions: Sessions
  readonly now: () => Date
  readonly url: () => string
}

/** Where a kernel lives: `owner/slug`, or a bare slug of the caller's own. */
function splitRef(ref: string, user: string): { owner: string; slug: string } {
  const [first = '', second] = ref.split('/')
  return second === undefined ? { owner: user, slug: first } : { owner: first, slug: second }
}

/** As the service makes a slug from a title. */
export const slugOf = (title: string): string =>
  title
    .normalize('NFKD')
    .replace(/[\u0300-\u036f]/g, '')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')

/** Kernels, their versions and what was asked of them. */
export function createKernels({ file, settings, sessions, now, url }: KernelsOptions) {
  /** The kernel that a call names, when the caller may see it. Throws 403 as the service does. */
  const find = (call: Call): Kernel => {
    const [slug] = textField(call, 'kernelSlug').split('/') // a version may follow
    const owner = textField(call, 'userName') || call.user
    const kernel = file.state.kernels.find(
      (candidate) => candidate.owner === owner && candidate.slug === slug,
    )
    if (!kernel || (kernel.isPrivate && kernel.owner !== call.user)) throw kernelDenied()
    return kernel
  }

  const latestSession = (kernel: Kernel): Session | undefined =>
    file.state.sessions.findLast(({ kernelId }) => kernelId === kernel.id)

  const ofUser = (user: string): Session[] =>
    file.state.sessions.filter(({ owner }) => owner === user)

  const save = (call: Call): Record<string, unknown> => {
    const { owner, slug } = splitRef(textField(call, 'slug'), call.user)
    const text = textField(call, 'text')
    const isNotebook = textField(call, 'kernelType') === 'notebook'
    checkNames(slug, textField(call, 'newTitle'))
    const id = numberField(call, 'id')
    const known = file.state.kernels.find((kernel) =>
      id === undefined ? kernel.owner === owner && kernel.slug === slug : kernel.id === id,
    )
    if (owner !== call.user || (known && known.owner !== call.user))
      return { error: 'Notebook not found' }
    if (isNotebook) checkText(text)
    const kernel = known ?? newKernel(file, owner, slug)
    const next = { ...kernel, ...fieldsOf(call, kernel) }
    const runs = shouldRun(call)
    const refused = runs ? refusal(ofUser(call.user), next.enableGpu, settings, now()) : null
    if (refused !== null) return { error: refused }

    Object.assign(kernel, next)
    kernel.currentVersionNumber += 1
    if (!known) file.state.kernels.push(kernel)
    const path = file.sourcePath(kernel.id, kernel.currentVersionNumber)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, text, { mode: 0o600 })
    if (runs) {
      kernel.lastRunTime = iso(now())
      sessions.queue(kernel, numberField(call, 'sessionTimeoutSeconds'))
    }
    file.save()
    return {
      ref: `/code/${owner}/${kernel.slug}`,
      url: `${url()}/code/${owner}/${kernel.slug}`,
      versionNumber: kernel.currentVersionNumber,
      kernelId: kernel.id,
      ...invalidSources(kernel, file, settings),
    }
  }

  const get = (call: Call): Record<string, unknown> => {
    const kernel = find(call)
    const [, version] = textField(call, 'kernelSlug').split('/')
    const number = Number(version ?? kernel.currentVersionNumber)
    if (!(number >= 1 && number <= kernel.currentVersionNumber)) throw kernelDenied()
    const { owner, ...metadata } = kernel
    return {
      metadata: { ...metadata, ref: `${owner}/${kernel.slug}`, author: owner, totalVotes: 0 },
      blob: {
        source: readFileSync(file.sourcePath(kernel.id, number), 'utf8'),
        language: kernel.language,
        kernelType: kernel.kernelType,
        slug: kernel.slug,
      },
    }
  }

  const remove = (call: Call): Record<string, unknown> => {
    const kernel = find(call)
    if (kernel.owner !== call.user) throw kernelDenied()
    for (const session of file.state.sessions)
      if (session.kernelId === kernel.id) sessions.cancel(session, 'The notebook was deleted.')
    file.state.kernels = file.state.kernels.filter(({ id }) => id !== kernel.id)
    file.save()
    return {}
  }

  const status = (call: Call): Record<string, unknown> => {
    const session = latestSession(find(call))
    if (!session) return { status: 'NEW_SCRIPT' }
    const { failureMessage } = session
    return { status: session.state, ...(failureMessage === null ? {} : { failureMessage }) }
  }

  const quota = (call: Call): Record<string, unknown> => {
    const mine = ofUser(call.user)
    return quotaAnswer(
      bookOf(mine, settings, now()),
      mine.some(({ gpu }) => gpu),
    )
  }

  return { find, latestSession, save, get, remove, status, quota }
}

export type Kernels = ReturnType<typeof createKernels>

function checkNames(slug: string, title: string): void {
  if (slug.length < 5) throw new ServiceError(400, 'Kernel slug must be at least five characters')
  if (title === '') return
  if (title.length < 5) throw new ServiceError(400, 'Title must be at least five characters')
  if (slugOf(title) !== slug.toLowerCase())
    throw new ServiceError(409, `The title "${title}" does not resolve to the slug "${slug}"`)
}

function checkText(text: string): void {
  const judged = judgeNotebook(text)
  if (judged === 'not-a-notebook') throw new ServiceError(400, 'The notebook could not be parsed.')
  // https://github.com/Kaggle/kaggle-cli/issues/574 (read 2026-11)
  if (judged === 'source-is-a-list') throw new ServiceError(500, 'Internal Server Error')
}

function shouldRun(call: Call): boolean {
  const type = call.fields.kernelExecutionType
  if (type === 'INTER_ACTIVE' || type === 2) throw notModelled('interactive sessions')
  return type !== 'QUICK_SAVE' && type !== 3
}

function newKernel(file: StateFile, owner: string, slug: string): Kernel {
  return {
    id: 100_000_000 + Math.floor(file.draw() * 900_000_000),
    owner,
    slug,
    title: slug,
    language: 'python',
    kernelType: 'notebook',
    isPrivate: true,
    enableGpu: false,
    enableTpu: false,
    enableInternet: true,
    machineShape: '',
    dockerImage: '',
    datasetDataSources: [],
    kernelDataSources: [],
    competitionDataSources: [],
    modelDataSources: [],
    categoryIds: [],
    currentVersionNumber: 0,
    lastRunTime: null,
  }
}

/** What a push sets. A GPU shape asks for a GPU even where the old flag does not. */
function fieldsOf(call: Call, kernel: Kernel): Partial<Kernel> {
  const machineShape = textField(call, 'machineShape')
  return {
    title: textField(call, 'newTitle') || kernel.title,
    language: textField(call, 'language') || 'python',
    kernelType: textField(call, 'kernelType') || 'notebook',
    isPrivate: flagField(call, 'isPrivate', true),
    enableGpu: flagField(call, 'enableGpu', false) || machineShape.startsWith('Nvidia'),
    enableTpu: flagField(call, 'enableTpu', false) || machineShape.startsWith('Tpu'),
    enableInternet: flagField(call, 'enableInternet', true),
    machineShape,
    dockerImage: textField(call, 'dockerImage'),
    datasetDataSources: listField(call, 'datasetDataSources'),
    kernelDataSources: listField(call, 'kernelDataSources'),
    competitionDataSources: listField(call, 'competitionDataSources'),
    modelDataSources: listField(call, 'modelDataSources'),
    categoryIds: listField(call, 'categoryIds'),
  }
}

/** Sources that do not exist are reported, and the run starts without them. */
function invalidSources(kernel: Kernel, file: StateFile, settings: KaggleSettings) {
  const datasets = new Set(file.state.datasets.map(({ owner, slug }) => `${owner}/${slug}`))
  const kernels = new Set(file.state.kernels.map(({ owner, slug }) => `${owner}/${slug}`))
  return {
    invalidTags: [],
    invalidDatasetSources: kernel.datasetDataSources.filter((source) => !datasets.has(source)),
    invalidCompetitionSources: kernel.competitionDataSources,
    invalidKernelSources: kernel.kernelDataSources.filter((source) => !kernels.has(source)),
    invalidModelSources: kernel.modelDataSources.filter(
      (source) => !settings.baseModels.some((model) => model.source === source),
    ),
  }
}
