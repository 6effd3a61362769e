import { z } from 'zod'
import { AppError } from '../lib/errors.ts'
import { sha256Hex } from '../lib/random.ts'

export type ArtifactKind = 'checkpoint' | 'artifact'

/** Names that a session may give its files: no path, no hidden file, and never the manifest's own name. */
export const FileName = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/)
  .refine((name) => name !== 'manifest.json', 'manifest.json is written by the commit alone')

export const FileEntry = z.object({
  name: FileName,
  bytes: z.number().int().min(0),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
})
export type FileEntry = z.infer<typeof FileEntry>

/** The text whose acceptance is the commit; every file of the checkpoint is in it by size and hash. */
export const Manifest = z.object({
  format: z.literal(1),
  kind: z.enum(['checkpoint', 'artifact']),
  run: z.string(),
  session: z.string(),
  generation: z.number().int(),
  step: z.number().int().min(0),
  targetSteps: z.number().int().min(1),
  epoch: z.number(),
  engine: z.string(),
  label: z.string().nullable(),
  plan: z.record(z.string(), z.unknown()),
  env: z.record(z.string(), z.unknown()),
  metrics: z.record(z.string(), z.unknown()),
  files: z
    .array(FileEntry)
    .min(1)
    .refine(
      (files) => new Set(files.map(({ name }) => name)).size === files.length,
      'two files have the same name',
    ),
})
export type Manifest = z.infer<typeof Manifest>

/** A checkpoint whose manifest was accepted. */
export interface Checkpoint {
  readonly runId: string
  readonly step: number
  readonly generation: number
  readonly sessionId: string
  readonly state: 'committed' | 'pruned' | 'damaged'
  readonly manifestSha256: string
  readonly bytes: number
  readonly metrics: Readonly<Record<string, unknown>>
  readonly committedAt: Date
}

/** The folder of a checkpoint: its manifest goes there last, and is the commit. */
export const checkpointPrefix = (runId: string, step: number, generation: number): string =>
  `runs/${runId}/checkpoints/${step}-g${generation}`

export const artifactPrefix = (runId: string, label: string, generation: number): string =>
  `runs/${runId}/artifacts/${label}-g${generation}`

const canonical = (value: unknown): string =>
  JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  )

/**
 * Reads a manifest and holds it against what was announced.
 * @throws AppError `invalid` that names the field which does not agree
 */
export function readManifest(
  text: string,
  sha256: string,
  expected: {
    readonly kind: ArtifactKind
    readonly runId: string
    readonly sessionId: string
    readonly generation: number
    readonly step: number
    readonly plan: Readonly<Record<string, unknown>>
    readonly files: readonly FileEntry[]
  },
): Manifest {
  const refuse = (what: string) => new AppError('invalid', `the manifest was refused: ${what}`)
  if (sha256Hex(text) !== sha256) throw refuse('its text does not have the announced hash')
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    throw refuse('it is not JSON')
  }
  const parsed = Manifest.safeParse(json)
  if (!parsed.success) {
    const issue = parsed.error.issues[0]
    throw refuse(`${issue?.path.join('.') ?? ''} ${issue?.message ?? ''}`.trim())
  }
  const manifest = parsed.data
  const fields = [
    ['kind', manifest.kind, expected.kind],
    ['run', manifest.run, expected.runId],
    ['session', manifest.session, expected.sessionId],
    ['generation', manifest.generation, expected.generation],
    ['step', manifest.step, expected.step],
  ] as const
  for (const [name, got, wanted] of fields) {
    if (got !== wanted) throw refuse(`${name} is ${got}, not ${wanted}`)
  }
  for (const [name, wanted] of Object.entries(expected.plan)) {
    if (canonical(manifest.plan[name]) !== canonical(wanted)) {
      throw refuse(`plan.${name} differs from the run's plan`)
    }
  }
  const sorted = (files: readonly FileEntry[]) =>
    canonical(files.toSorted((a, b) => (a.name < b.name ? -1 : 1)))
  if (sorted(manifest.files) !== sorted(expected.files)) {
    throw refuse('its files are not those that were announced')
  }
  return manifest
}
