import { number, type Queries, text } from './database.ts'

/** The id under which an upload of that kind and step goes on; one that an older generation began is forgotten. */
export async function knownUpload(
  tx: Queries,
  upload: {
    readonly sessionId: string
    readonly kind: string
    readonly step: number
    readonly generation: number
  },
): Promise<string | undefined> {
  const known = await tx.first(
    'select id, generation from uploads where session_id = $1 and kind = $2 and step = $3',
    upload.sessionId,
    upload.kind,
    upload.step,
  )
  if (!known) return undefined
  const id = text(known, 'id')
  if (number(known, 'generation') === upload.generation) return id
  await tx.run('delete from uploads where id = $1', id)
  return undefined
}
