import { AppError } from '../lib/errors.ts'

/** A tensor as the header of its file names it. */
export interface Tensor {
  readonly name: string
  readonly dtype: Dtype
  readonly shape: readonly number[]
  /** Where its bytes begin and end, counted from the first byte after the header. */
  readonly from: number
  readonly to: number
}

/** Bits of one element, by the names of safetensors 0.7 (huggingface.co/docs/safetensors, read 2026-11). */
const bitsOf = {
  BOOL: 8,
  U8: 8,
  I8: 8,
  F8_E5M2: 8,
  F8_E4M3: 8,
  I16: 16,
  U16: 16,
  F16: 16,
  BF16: 16,
  I32: 32,
  U32: 32,
  F32: 32,
  F64: 64,
  I64: 64,
  U64: 64,
} as const
export type Dtype = keyof typeof bitsOf

/** The format's own limit for a header, which holds it back from a file that says it has gigabytes of names. */
const mostHeaderBytes = 100_000_000
const prefixBytes = 8

/** So many bytes of a file, at the most; fewer only at its end. */
export type ReadAt = (from: number, bytes: number) => Promise<Uint8Array>

/**
 * The tensors that a safetensors file names, in the order of their bytes; only its header is read, and nothing of it is ever run.
 * The whole file is spoken for: tensors lie one after the other without a gap, and the last one ends with the file.
 * @param read the file
 * @param sizeBytes of the whole file
 * @param name of the file, for messages
 * @throws AppError `invalid` (`safetensors_damaged`) that says what does not agree
 */
export async function safetensorsHeader(
  read: ReadAt,
  sizeBytes: number,
  name: string,
): Promise<readonly Tensor[]> {
  const refuse = (why: string) => damaged(name, why)
  if (sizeBytes < prefixBytes + 2) throw refuse(`it has ${sizeBytes} bytes, too few for a header`)
  const prefix = await read(0, prefixBytes)
  const view = new DataView(prefix.buffer, prefix.byteOffset, prefix.byteLength)
  const headerBytes = Number(view.getBigUint64(0, true))
  if (headerBytes > mostHeaderBytes) throw refuse(`its header would have ${headerBytes} bytes`)
  if (prefixBytes + headerBytes > sizeBytes) throw refuse('its header goes past its end')
  const text = new TextDecoder().decode(await read(prefixBytes, headerBytes))
  let header: unknown
  try {
    header = JSON.parse(text)
  } catch {
    throw refuse('its header is no JSON')
  }
  if (typeof header !== 'object' || header === null || Array.isArray(header)) {
    throw refuse('its header is no object')
  }
  const tensors = Object.entries(header)
    .filter(([key]) => key !== '__metadata__')
    .map(([key, value]) => tensorOf(key, value, refuse))
    .toSorted((a, b) => a.from - b.from || a.to - b.to)
  let at = 0
  for (const tensor of tensors) {
    if (tensor.from !== at) throw refuse(`the bytes of ${tensor.name} do not follow those before`)
    at = tensor.to
  }
  const room = sizeBytes - prefixBytes - headerBytes
  if (at !== room) throw refuse(`its tensors take ${at} bytes, and it holds ${room}`)
  return tensors
}

function tensorOf(name: string, value: unknown, refuse: (why: string) => AppError): Tensor {
  const { dtype, shape, data_offsets: offsets } = (value ?? {}) as Record<string, unknown>
  if (typeof dtype !== 'string' || !Object.hasOwn(bitsOf, dtype)) {
    throw refuse(`${name} has a type that is not known here`)
  }
  if (!isWholes(shape)) throw refuse(`${name} has no shape`)
  if (!isWholes(offsets) || offsets.length !== 2) throw refuse(`${name} has no place`)
  const [from = 0, to = 0] = offsets
  const bits = bitsOf[dtype as Dtype] // by the check above
  const bytes = (shape.reduce((product, side) => product * side, 1) * bits) / 8
  if (to - from !== bytes) throw refuse(`${name} has ${to - from} bytes, its shape ${bytes}`)
  return { name, dtype: dtype as Dtype, shape, from, to }
}

const isWholes = (value: unknown): value is number[] =>
  Array.isArray(value) && value.every((one) => Number.isSafeInteger(one) && one >= 0)

const damaged = (name: string, why: string): AppError =>
  new AppError('invalid', `${name} is no whole safetensors file: ${why}`, {
    code: 'safetensors_damaged',
    next: 'Fetch it again; when it stays so, cut the adapter anew from its run',
  })
