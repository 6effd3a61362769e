import { Hono } from 'hono'
import { z } from 'zod'
import { FileEntry } from '../artifacts/checkpoint.ts'
import type { SessionDesk } from '../control/session-desk.ts'
import { Beat, SessionReport } from '../control/session-words.ts'
import type { UploadDesk } from '../control/upload-desk.ts'
import { AppError } from '../lib/errors.ts'
import { bearer } from './auth.ts'
import { bodyCap } from './body-cap.ts'

const Enrolment = z.object({
  ticket: z.string().min(8).max(200),
  nonce: z.string().min(8).max(200),
  runtime: z.record(z.string(), z.unknown()).default({}),
})

const NewUpload = z.object({
  kind: z.enum(['checkpoint', 'artifact']),
  step: z.number().int().min(0),
  files: z.array(FileEntry).min(1).max(200),
})

const Commit = z.object({
  manifest: z.string().max(1024 * 1024),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
})

/** What notebooks call, as docs/session-protocol.md has it. */
export function sessionProtocol(desk: SessionDesk, uploads: UploadDesk): Hono {
  const app = new Hono()
  app.use('/v1/session/*', bodyCap())
  app.post('/v1/session/enrol', async (c) => {
    const { ticket, nonce } = await read(c.req.raw, Enrolment)
    return c.json(await desk.enrol(ticket, nonce))
  })
  app.get('/v1/session/work-order', async (c) =>
    c.json(await desk.workOrder(bearer(c.req.header('authorization')))),
  )
  app.post('/v1/session/heartbeat', async (c) => {
    const beat = await read(c.req.raw, Beat)
    return c.json(await desk.heartbeat(bearer(c.req.header('authorization')), beat))
  })
  app.post('/v1/session/uploads', async (c) => {
    const { kind, step, files } = await read(c.req.raw, NewUpload)
    return c.json(await uploads.open(bearer(c.req.header('authorization')), kind, step, files))
  })
  app.post('/v1/session/uploads/:id/commit', async (c) => {
    const { manifest, sha256 } = await read(c.req.raw, Commit)
    const token = bearer(c.req.header('authorization'))
    return c.json(await uploads.commit(token, c.req.param('id'), manifest, sha256))
  })
  app.post('/v1/session/report', async (c) => {
    const report = await read(c.req.raw, SessionReport)
    await desk.report(bearer(c.req.header('authorization')), report)
    return c.json({ ok: true })
  })
  return app
}

async function read<T extends z.ZodType>(request: Request, schema: T): Promise<z.output<T>> {
  let json: unknown
  try {
    json = await request.json()
  } catch (error) {
    if (error instanceof AppError) throw error
    throw new AppError('invalid', 'the body is not JSON', { cause: error })
  }
  const parsed = schema.safeParse(json)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  throw new AppError('invalid', `${issue?.path.join('.') || 'the body'}: ${issue?.message ?? ''}`)
}
