import { z } from 'zod'
import { sha256Hex } from '../lib/random.ts'

const Message = z.object({
  role: z.enum(['system', 'user', 'assistant']),
  content: z.string(),
})

const Line = z.object({
  id: z.string().optional(),
  messages: z.array(Message).min(2, 'needs a question and an answer'),
})

export type Message = z.infer<typeof Message>

/** A conversation that a model can be trained on, in the one form in which it is stored. */
export interface Conversation {
  readonly messages: readonly Message[]
  /** The stored line, without its line end: keys in this order and nothing else. */
  readonly line: string
}

export type Reading =
  | { readonly kind: 'good'; readonly conversation: Conversation }
  | { readonly kind: 'bad'; readonly reason: string }

/**
 * Reads one line of chat JSONL: `{"messages": [system?, user, assistant, user, assistant, …]}`, ending with the assistant.
 * Says in one sentence what is wrong with a line that cannot be used.
 */
export function readConversation(text: string): Reading {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    return { kind: 'bad', reason: 'not JSON: the line is cut off or holds something else' }
  }
  const parsed = Line.safeParse(json)
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    const where = issue?.path.length ? issue.path.join('.') : 'the line'
    return { kind: 'bad', reason: `${where}: ${issue?.message ?? 'not a conversation'}` }
  }
  const { id, messages } = parsed.data
  const trouble = roleTrouble(messages)
  if (trouble) return { kind: 'bad', reason: trouble }
  const kept = messages.map(({ role, content }) => ({ role, content }))
  const line = JSON.stringify(id === undefined ? { messages: kept } : { id, messages: kept })
  return { kind: 'good', conversation: { messages: kept, line } }
}

function roleTrouble(messages: readonly Message[]): string | undefined {
  const first = messages[0]?.role === 'system' ? 1 : 0
  for (const [index, { role, content }] of messages.entries()) {
    if (content.trim() === '') return `messages.${index} (${role}) is empty`
    if (index < first) continue
    const wanted = (index - first) % 2 === 0 ? 'user' : 'assistant'
    if (role !== wanted)
      return `messages.${index} is from ${role}, expected ${wanted}: roles must alternate`
  }
  if (messages.at(-1)?.role !== 'assistant') return 'the last message is not from the assistant'
  return undefined
}

/** One conversation in twenty validates. */
const validationShare = 0.05

/**
 * Whether a conversation is held out for validation: decided by the hash of its messages alone, so that an added example
 * never moves another one across.
 */
export function isHeldOut(conversation: Conversation): boolean {
  const hash = sha256Hex(JSON.stringify(conversation.messages))
  return Number.parseInt(hash.slice(0, 8), 16) / 2 ** 32 < validationShare
}
