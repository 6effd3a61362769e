import { type Config, type SettingName, type Source, settings } from './schema.ts'

export interface SettingLine {
  readonly name: SettingName
  /** The value in use; secrets as `••••` and their last two characters, unset as null. */
  readonly value: string | null
  readonly source: Source
  readonly about: string
}

const mask = (value: string): string => `••••${value.length > 12 ? value.slice(-2) : ''}`

function shown(value: unknown, secret: boolean): string | null {
  if (value === undefined) return null
  if (typeof value === 'boolean') return value ? 'on' : 'off'
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return Object.values(value).join(',')
  return secret ? mask(String(value)) : String(value)
}

/** Every setting with its value and where that came from; secrets never in clear. */
export const describeConfig = (config: Config): SettingLine[] =>
  (Object.keys(settings) as SettingName[]).map((name) => ({
    name,
    value: shown(config[name], 'secret' in settings[name]),
    source: config.sources[name],
    about: settings[name].about,
  }))
