import { type createRoute, OpenAPIHono, z } from '@hono/zod-openapi'
import { Problem, page } from '../api/schemas.ts'
import { AppError } from '../lib/errors.ts'

/** A set of routes whose refused input is an AppError that names the field. */
export const routes = () =>
  new OpenAPIHono({
    defaultHook: (result) => {
      if (result.success) return
      const [issue] = result.error.issues
      const where = issue?.path.length ? issue.path.join('.') : 'the request'
      throw new AppError('invalid', `${where}: ${issue?.message ?? 'not valid'}`, {
        code: 'invalid_request',
        next: 'The description of this call stands at /openapi.json',
      })
    },
  })

type Responses = Parameters<typeof createRoute>[0]['responses']

const problems: Responses = {
  default: {
    description: 'What went wrong, as problem details',
    content: { 'application/problem+json': { schema: Problem } },
  },
}

/** A successful answer of that shape, and problem details for everything else. */
export const answers = <T extends z.ZodType>(description: string, schema: T) => ({
  ...(problems as Record<never, never>), // described, but not an answer that a handler returns
  200: { description, content: { 'application/json': { schema } } },
})

/** A successful answer that is one part of a list. */
export const answersPage = <T extends z.ZodType>(description: string, item: T) =>
  answers(description, page(item))

/** A JSON body of that shape. */
export const body = <T extends z.ZodType>(schema: T) => ({
  content: { 'application/json': { schema } },
  required: true,
})

/** How a long list is asked for in parts. */
export const PageQuery = z.object({
  limit: z.coerce.number().int().min(1).max(500).default(100),
  cursor: z.string().optional(),
})

const EventId = z.coerce.number().int().min(0)

/** Events after one of them, in parts. */
export const EventsQuery = PageQuery.extend({
  after: EventId.default(0).openapi({ type: 'integer' }),
  cursor: EventId.optional().openapi({ type: 'string' }),
})

export const NameParam = z.object({ name: z.string().min(1) })

/** The same request with the same key is done once. */
export const IdempotencyHeader = z.object({
  'idempotency-key': z.string().min(8).max(200).optional(),
})
