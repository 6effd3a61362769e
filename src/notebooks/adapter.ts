import { z } from 'zod'

export const Sha256 = z.string().regex(/^[0-9a-f]{64}$/, 'no SHA-256 in lower-case hex')

/** A file of an adapter at an address that gives it out without a key. */
export const AdapterFile = z.strictObject({
  name: z.string().regex(/^[A-Za-z0-9_][A-Za-z0-9._-]{0,99}$/),
  url: z.url({ protocol: /^https?$/ }),
  bytes: z.int().min(0),
  sha256: Sha256,
})
export type AdapterFile = z.infer<typeof AdapterFile>

/** An adapter's files, its manifest among them; the manifest's hash says what every byte of the others is. */
export const AdapterFiles = z
  .array(AdapterFile)
  .refine((files) => new Set(files.map(({ name }) => name)).size === files.length, {
    message: 'two files have the same name',
  })
  .refine((files) => files.some(({ name }) => name === 'manifest.json'), {
    message: 'there is no manifest.json among them',
  })
export type AdapterFiles = z.infer<typeof AdapterFiles>

/** Where the session finds the adapter: in a folder of its machine, or by the addresses of its files. */
export const AdapterSource = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('folder'), path: z.string().min(1) }),
  z.strictObject({ kind: z.literal('files'), files: AdapterFiles }),
])
export type AdapterSource = z.infer<typeof AdapterSource>

/** What an adapter's manifest says of it. */
export const AdapterFacts = z.strictObject({
  run: z.string(),
  step: z.int().min(0),
  base: z.string().min(1),
  revision: z.string(),
  quantization: z.enum(['nf4', 'none']),
  loraRank: z.int().min(1),
})
export type AdapterFacts = z.infer<typeof AdapterFacts>
