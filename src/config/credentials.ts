import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { AppError, messageOf } from '../lib/errors.ts'

/**
 * Settings in the folder of a unit's credentials, a file for each, without the line end. `LoadCredential=settings:FOLDER` gives
 * `settings_NAME` for each file of that folder; other credentials are nobody's settings.
 * Source: systemd.exec(5), "Credentials" (read 2026-11).
 * @throws AppError `invalid` when the folder or a file of it cannot be read
 */
export function readCredentials(folder: string | undefined): Readonly<Record<string, string>> {
  if (!folder) return {}
  try {
    return Object.fromEntries(
      readdirSync(folder).flatMap((file) => {
        const [, name] = /^settings_(.+)$/.exec(file) ?? []
        return name === undefined ? [] : [[name, readFileSync(join(folder, file), 'utf8').trim()]]
      }),
    )
  } catch (cause) {
    throw new AppError(
      'invalid',
      `the credentials in ${folder} cannot be read: ${messageOf(cause)}`,
      {
        code: 'credentials_unreadable',
        next: 'They are given by LoadCredential= in the unit: systemctl cat rodizio',
        cause,
      },
    )
  }
}
