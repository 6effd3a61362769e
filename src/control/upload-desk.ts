import { Readable } from 'node:stream'
import type { ArtifactStore } from '../artifacts/artifact-store.ts'
import {
  type ArtifactKind,
  artifactPrefix,
  checkpointPrefix,
  type FileEntry,
  readManifest,
} from '../artifacts/checkpoint.ts'
import { AppError } from '../lib/errors.ts'
import type { Admitted, SessionGate, Upload } from '../rotation/session-gate.ts'
import type { CheckpointBook } from './checkpoint-book.ts'
import type { SessionDesk } from './session-desk.ts'
import type { Carried, Ways } from './ways.ts'

export interface UploadPorts {
  readonly gate: SessionGate
  readonly desk: SessionDesk
  readonly artifacts: ArtifactStore
  readonly checkpoints: CheckpointBook
  readonly ways: Ways
  /** Told when the store has no room for so many bytes, older checkpoints already let go. */
  readonly full: (neededBytes: number) => void
}

/** Checkpoints and artifacts on their way in: announced, sent file by file, made to exist by their manifest. */
export function uploadDesk(ports: UploadPorts) {
  const { gate, artifacts } = ports

  return {
    /** Announces files; gives a one-time URL for each that the store does not hold whole yet. */
    async open(token: string, kind: ArtifactKind, step: number, files: readonly FileEntry[]) {
      const { session, run } = await ports.desk.live(token)
      if (run.serving) throw new AppError('invalid', 'a session that serves stores nothing')
      if (step > run.targetSteps) {
        throw new AppError('invalid', `step ${step} lies beyond the run's ${run.targetSteps}`)
      }
      const upload = await gate.openUpload({
        sessionId: session.id,
        runId: run.id,
        generation: session.generation,
        kind,
        step,
        files,
      })
      const prefix = prefixOf(upload, run.engine)
      const missing: Carried[] = []
      for (const file of files) {
        if (!(await artifacts.verify(`${prefix}/${file.name}`, file))) {
          missing.push({ ...file, path: `store/${prefix}/${file.name}` })
        }
      }
      const ways = await roomFor(run.id, missing, () => ports.ways.uploads(session.id, missing))
      const byName = new Map(missing.map(({ name }, index) => [name, ways[index]]))
      const answer = files.map(({ name }) => {
        const way = byName.get(name)
        return way ? { name, url: way.url, how: way.how } : { name, url: null }
      })
      return { uploadId: upload.id, files: answer }
    },

    /** Accepts the manifest: from here on the checkpoint exists. Accepting it again answers alike. */
    async commit(token: string, uploadId: string, text: string, sha256: string) {
      const admitted = await ports.desk.live(token)
      const upload = await gate.upload(uploadId)
      if (!upload || upload.sessionId !== admitted.session.id) {
        throw new AppError('not-found', `there is no upload ${uploadId} of this session`)
      }
      await acceptUpload(ports, admitted, upload, text, sha256)
      await ports.checkpoints.prune(upload.runId)
      return { step: upload.step, committed: true as const }
    },
  }

  /** A full store first loses what is least needed: older checkpoints of the same run. Then the run has to wait. */
  async function roomFor<T>(
    runId: string,
    files: readonly Carried[],
    work: () => Promise<T>,
  ): Promise<T> {
    try {
      return await work()
    } catch (error) {
      if (!(error instanceof AppError) || error.kind !== 'disk-full') throw error
      if ((await ports.checkpoints.makeRoom(runId)) > 0) return await work()
      ports.full(files.reduce((sum, { bytes }) => sum + bytes, 0))
      throw error
    }
  }
}

/**
 * Accepts the manifest of an upload whose files stand in the store: from here on the checkpoint or artifact exists.
 * @throws AppError `invalid` (`incomplete`) when a file is not whole, or naming what the manifest says otherwise
 */
export async function acceptUpload(
  { gate, artifacts }: Pick<UploadPorts, 'gate' | 'artifacts'>,
  { session, run }: Admitted,
  upload: Upload,
  text: string,
  sha256: string,
): Promise<void> {
  const manifest = readManifest(text, sha256, {
    kind: upload.kind,
    runId: run.id,
    sessionId: session.id,
    generation: session.generation,
    step: upload.step,
    plan: run.plan,
    files: upload.files,
  })
  const prefix = prefixOf(upload, run.engine)
  for (const file of upload.files) {
    if (await artifacts.verify(`${prefix}/${file.name}`, file)) continue
    throw new AppError('invalid', `${file.name} has not arrived whole`, {
      code: 'incomplete',
      next: 'Announce the upload again and send what it gives URLs for',
    })
  }
  const bytes = Buffer.from(text)
  const expected = { bytes: bytes.byteLength, sha256 }
  const key = `${prefix}/manifest.json`
  if (!(await artifacts.verify(key, expected))) {
    await artifacts.receive(key, Readable.from([bytes]), expected)
  }
  await gate.commit(upload, {
    manifestSha256: sha256,
    bytes: upload.files.reduce((sum, file) => sum + file.bytes, 0),
    label: labelOf(run.engine),
    metrics: manifest.metrics,
  })
}

/** What the engine `dry` makes is labelled so, whatever its notebook says: it can never be promoted or pulled. */
export const labelOf = (engine: string): string => (engine === 'dry' ? 'dry' : 'candidate')

/** Where the files of an upload stand in the store. */
export const prefixOf = (
  upload: Pick<Upload, 'kind' | 'runId' | 'step' | 'generation'>,
  engine: string,
): string =>
  upload.kind === 'artifact'
    ? artifactPrefix(upload.runId, labelOf(engine), upload.generation)
    : checkpointPrefix(upload.runId, upload.step, upload.generation)

export type UploadDesk = ReturnType<typeof uploadDesk>
