import { createRoute, z } from '@hono/zod-openapi'
import { type Backup, BackupCopied, BackupMade, Backups, NewBackup } from '../api/backup-schemas.ts'
import type { BackupAttempt, BackupDesk, ListedBackup } from '../control/backup-desk.ts'
import { bytesOf } from '../control/backup-desk.ts'
import { answers, body, NameParam, routes } from './routes.ts'

export interface BackupPorts {
  readonly backups: BackupDesk
}

const list = createRoute({
  method: 'get',
  path: '/v1/backups',
  request: {
    query: z.object({
      from: z.string().max(1000).optional(),
      brief: z.enum(['true', 'false']).default('false').describe('without a look at the place'),
    }),
  },
  responses: answers('Backups at a place, newest first, and how they fare', Backups),
})

const create = createRoute({
  method: 'post',
  path: '/v1/backups',
  description: 'Answers when it is whole at its place. While another one is made: 409.',
  request: { body: body(NewBackup) },
  responses: answers('The backup', BackupMade),
})

const fetched = createRoute({
  method: 'post',
  path: '/v1/backups/{name}/copy',
  description: 'Brings a backup from elsewhere beside the service, where commands can read it.',
  request: {
    params: NameParam,
    query: z.object({ from: z.string().max(1000).optional() }),
  },
  responses: answers('Where it is now', BackupCopied),
})

/** Backups of the service. */
export const backupRoutes = ({ backups }: BackupPorts) =>
  routes()
    .openapi(list, async (c) => {
      const { from, brief } = c.req.valid('query')
      const items = brief === 'true' ? [] : (await backups.list(from)).map(toWire)
      const { minute, lastBackup, lastDrill, failure, isBusy } = await backups.state()
      return c.json(
        {
          place: backups.shown(from),
          items,
          next: null,
          dailyAt: minute === null ? null : clockOf(minute),
          lastBackup: attemptOf(lastBackup),
          lastDrill: attemptOf(lastDrill),
          failure,
          underWay: isBusy,
        },
        200,
      )
    })
    .openapi(create, async (c) => {
      const { to, withAdapters } = c.req.valid('json')
      const { manifest, place } = await backups.create(to, withAdapters ?? false)
      const { name, madeAt, version, schema, encryption, leftOut } = manifest
      const made = {
        name,
        madeAt,
        bytes: bytesOf(manifest),
        encrypted: encryption !== null,
        withAdapters: manifest.withAdapters,
        version,
        schema,
      }
      return c.json({ ...made, place, leftOut: [...leftOut] }, 200)
    })
    .openapi(fetched, async (c) => {
      const { name } = c.req.valid('param')
      const path = await backups.bringHere(name, c.req.valid('query').from)
      return c.json({ name, path }, 200)
    })

const toWire = ({ isEncrypted, isOwn: _, madeAt, ...rest }: ListedBackup): Backup => ({
  ...rest,
  madeAt: madeAt.toISOString(),
  encrypted: isEncrypted,
})

const attemptOf = (attempt: BackupAttempt | null) =>
  attempt && { at: attempt.beganAt.toISOString(), name: attempt.name }

const clockOf = (minute: number): string =>
  `${String(Math.floor(minute / 60)).padStart(2, '0')}:${String(minute % 60).padStart(2, '0')}`
