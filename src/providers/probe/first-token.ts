/** What the answer to a chat completion has held so far. */
export type Held = 'nothing' | 'token' | 'error' | 'end'

/**
 * Reads a chat completion as it comes, part by part, until its first token: server-sent events of `chat.completion.chunk`, or the one
 * JSON of a server that does not stream (the OpenAI API reference, "Chat completions", read 2026-11).
 * Who calls caps how much it is given.
 */
export function firstTokenReader(contentType: string) {
  const isStream = !/application\/json/i.test(contentType)
  const decoder = new TextDecoder()
  let rest = ''
  return {
    /** @returns what these bytes have brought first: a token, an error, or the end of the stream */
    read(bytes: Uint8Array): Held {
      rest += decoder.decode(bytes, { stream: true })
      if (!isStream) return 'nothing'
      const lines = rest.split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) {
        const held = heldBy(line)
        if (held !== 'nothing') return held
      }
      return 'nothing'
    },
    /** The answer is over: what its last line, or the whole of it, holds. */
    end: (): Held => (isStream ? heldBy(rest) : heldByJson(rest)),
  }
}

function heldBy(line: string): Held {
  const [, data] = /^data:\s?(.*?)\r?$/.exec(line) ?? []
  if (data === undefined) return 'nothing'
  return data.trim() === '[DONE]' ? 'end' : heldByJson(data)
}

function heldByJson(text: string): Held {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    return 'nothing' // what is no JSON is no token
  }
  if (!isRecord(json)) return 'nothing'
  if (json.error !== undefined && json.error !== null) return 'error'
  const choices: unknown[] = Array.isArray(json.choices) ? json.choices : []
  return choices.some(hasToken) ? 'token' : 'nothing'
}

/** Text, thought or a call; or that the limit of one token is reached, by one that shows as nothing, such as half of a letter. */
function hasToken(choice: unknown): boolean {
  if (!isRecord(choice)) return false
  if (choice.finish_reason === 'length' || isText(choice.text)) return true
  return [choice.delta, choice.message].some(
    (said) =>
      isRecord(said) &&
      (isText(said.content) ||
        isText(said.reasoning_content) ||
        isText(said.reasoning) ||
        (Array.isArray(said.tool_calls) && said.tool_calls.length > 0)),
  )
}

const isText = (value: unknown): boolean => typeof value === 'string' && value !== ''

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null
