import { ServiceError } from '../service-error.ts'

/** What the service says for a kernel that is not there, and for one that is somebody else's. */
export const kernelDenied = (): ServiceError =>
  new ServiceError(403, "Permission 'kernels.get' was denied")

export const datasetDenied = (): ServiceError =>
  new ServiceError(403, "Permission 'datasets.get' was denied")

/** A call of one method by one user, its fields already parsed from JSON. */
export interface Call {
  readonly user: string
  readonly fields: Readonly<Record<string, unknown>>
}

export function textField(call: Pick<Call, 'fields'>, name: string): string {
  const value = call.fields[name]
  return typeof value === 'string' ? value : ''
}

export function listField(call: Pick<Call, 'fields'>, name: string): string[] {
  const value = call.fields[name]
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : []
}

/** A flag that may come as a boolean or, from old clients, as text. */
export function flagField(call: Pick<Call, 'fields'>, name: string, byDefault: boolean): boolean {
  const value = call.fields[name]
  if (typeof value === 'boolean') return value
  return typeof value === 'string' ? value.toLowerCase() === 'true' : byDefault
}

export function numberField(call: Pick<Call, 'fields'>, name: string): number | undefined {
  const value = call.fields[name]
  const number = typeof value === 'string' && value !== '' ? Number(value) : value
  return typeof number === 'number' && Number.isFinite(number) ? number : undefined
}
