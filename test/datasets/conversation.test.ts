import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isHeldOut, readConversation } from '../../src/datasets/conversation.ts'

const message = (role: string, content: unknown = 'olá') => ({ role, content })
const chat = (...roles: string[]) => ({ messages: roles.map((role) => message(role)) })
const read = (value: unknown) =>
  readConversation(typeof value === 'string' ? value : JSON.stringify(value))

describe('a line of a conversation', () => {
  it.each([
    ['one turn', chat('user', 'assistant')],
    ['with a system message', chat('system', 'user', 'assistant')],
    ['two turns', chat('user', 'assistant', 'user', 'assistant')],
    ['with an id', { id: 'x', ...chat('user', 'assistant') }],
    ['with fields of others', { source: 'web', ...chat('user', 'assistant') }],
  ])('is good: %s', (_why, value) => {
    expect(read(value).kind).toBe('good')
  })

  it.each([
    ['cut off', '{"messages": [{"role": "user"', /not JSON/],
    ['a word', 'hello', /not JSON/],
    ['null', 'null', /^the line: /],
    ['a list', '[]', /^the line: /],
    ['a number', '1', /^the line: /],
    ['no messages', {}, /^messages: /],
    ['messages that are no list', { messages: 'olá' }, /^messages: /],
    ['no message', { messages: [] }, /^messages: /],
    ['one message', chat('user'), /^messages: /],
    ['another role', chat('user', 'robot'), /^messages\.1\.role: /],
    ['no role', { messages: [{ content: 'a' }, message('assistant')] }, /^messages\.0\.role: /],
    [
      'content that is no text',
      { messages: [message('user', 1), message('assistant')] },
      /^messages\.0\.content: /,
    ],
    [
      'content that is null',
      { messages: [message('user'), message('assistant', null)] },
      /^messages\.1\.content: /,
    ],
    ['an id that is no text', { id: 1, ...chat('user', 'assistant') }, /^id: /],
    [
      'nothing said',
      { messages: [message('user'), message('assistant', '')] },
      /^messages\.1 \(assistant\) is empty/,
    ],
    [
      'blanks said',
      { messages: [message('user', ' \n\t'), message('assistant')] },
      /^messages\.0 \(user\) is empty/,
    ],
    [
      'an empty system message',
      { messages: [message('system', ''), message('user'), message('assistant')] },
      /^messages\.0 \(system\) is empty/,
    ],
    [
      'the assistant first',
      chat('assistant', 'user'),
      /^messages\.0 is from assistant, expected user/,
    ],
    [
      'two users',
      chat('user', 'user', 'assistant'),
      /^messages\.1 is from user, expected assistant/,
    ],
    ['system in the middle', chat('user', 'system', 'assistant'), /^messages\.1 is from system/],
    [
      'two system messages',
      chat('system', 'system', 'user', 'assistant'),
      /^messages\.1 is from system/,
    ],
    [
      'the user last',
      chat('user', 'assistant', 'user'),
      /the last message is not from the assistant/,
    ],
    ['only system and user', chat('system', 'user'), /the last message is not from the assistant/],
  ])('is bad: %s', (_why, value, reason) => {
    expect(read(value)).toEqual({ kind: 'bad', reason: expect.stringMatching(reason) })
  })

  it('is stored in one form, whatever the order of its keys and the fields of others', () => {
    const left = read(
      '{"messages":[{"content":"a","role":"user","x":1},{"role":"assistant","content":"b"}]}',
    )
    const right = read(
      ' { "y": 2, "messages": [ {"role":"user","content":"a"}, {"role":"assistant","content":"\\u0062"} ] } ',
    )
    expect(left).toEqual(right)
    expect(left.kind === 'good' && left.conversation.line).toBe(
      '{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]}',
    )
  })

  it('reads its own stored form as itself', () => {
    const texts = fc.string({ unit: 'binary', minLength: 1 }).filter((text) => text.trim() !== '')
    fc.assert(
      fc.property(texts, texts, (question, answer) => {
        const first = read({ messages: [message('user', question), message('assistant', answer)] })
        if (first.kind === 'bad') throw new Error(first.reason)
        expect(first.conversation.line).not.toContain('\n')
        expect(read(first.conversation.line)).toEqual(first)
      }),
    )
  })
})

describe('the share held out', () => {
  const held = (question: string, id?: string) => {
    const messages = [message('user', question), message('assistant')]
    const reading = read(id === undefined ? { messages } : { id, messages })
    if (reading.kind === 'bad') throw new Error(reading.reason)
    return isHeldOut(reading.conversation)
  }

  it('is one in twenty', () => {
    const found = Array.from({ length: 4000 }, (_, i) => held(`question ${i}`)).filter(Boolean)
    expect(found.length / 4000).toBeGreaterThan(0.04)
    expect(found.length / 4000).toBeLessThan(0.06)
  })

  it('hangs on what was said alone, not on the id', () => {
    fc.assert(
      fc.property(fc.nat(5000), fc.string(), (n, id) => {
        expect(held(`question ${n}`, id)).toBe(held(`question ${n}`))
      }),
    )
  })
})
