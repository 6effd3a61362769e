import type { Token, TokenRows } from '../control/tokens.ts'
import { AppError } from '../lib/errors.ts'
import type { Scope } from '../safekeeping/scopes.ts'
import { type Database, date, dateOrNull, type Row, text } from './database.ts'

const toToken = (row: Row): Token => ({
  id: text(row, 'id'),
  name: text(row, 'name'),
  scopes: text(row, 'scopes').split(',') as Scope[], // written by insert alone
  createdAt: date(row, 'created_at'),
  expiresAt: dateOrNull(row, 'expires_at'),
  lastUsedAt: dateOrNull(row, 'last_used_at'),
  revokedAt: dateOrNull(row, 'revoked_at'),
})

/** Tokens in the database, by their hashes. */
export const tokenRows = (db: Database, now: () => Date): TokenRows => ({
  list: async () =>
    (await db.all('select * from tokens order by created_at desc, id')).map(toToken),
  insert: (token, sha256) =>
    db.transaction(async (tx) => {
      const taken = await tx.first(
        'select 1 as one from tokens where name = $1 and revoked_at is null',
        token.name,
      )
      if (taken) {
        throw new AppError('conflict', `there is a token ${token.name} already`, {
          code: 'token_exists',
          next: `Revoke it first (rodizio token revoke ${token.name}), or choose another name`,
        })
      }
      await tx.run(
        `insert into tokens (id, name, token_sha256, scopes, created_at, expires_at) values ($1, $2, $3, $4, $5, $6)`,
        token.id,
        token.name,
        sha256,
        token.scopes.join(','),
        token.createdAt.toISOString(),
        token.expiresAt?.toISOString() ?? null,
      )
    }),
  async find(sha256) {
    const row = await db.first('select * from tokens where token_sha256 = $1', sha256)
    return row && toToken(row)
  },
  revoke: (idOrName) =>
    db.transaction(async (tx) => {
      const row = await tx.first(
        'select * from tokens where id = $1 or name = $1 order by revoked_at is not null, created_at desc limit 1',
        idOrName,
      )
      if (!row) return undefined
      await tx.run(
        'update tokens set revoked_at = coalesce(revoked_at, $1) where id = $2',
        now().toISOString(),
        text(row, 'id'),
      )
      return toToken(row)
    }),
  used: async (id) =>
    void (await db.run(
      'update tokens set last_used_at = $1 where id = $2',
      now().toISOString(),
      id,
    )),
})
