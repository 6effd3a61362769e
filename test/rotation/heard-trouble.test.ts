import { expect, it } from 'vitest'
import { heardTrouble } from '../../src/rotation/heard-trouble.ts'
import { runOf } from '../store/fixture.ts'

it('the last answer of each run is remembered, and nobody is asked again for it', async () => {
  let asked = 0
  const answers = { store: null as string | null, base: null as string | null }
  const { storeTrouble, baseTrouble, last } = heardTrouble({
    storeTrouble: async () => {
      asked += 1
      return answers.store
    },
    baseTrouble: async () => {
      asked += 1
      return answers.base
    },
  })
  const one = runOf('one')
  expect(last(one)).toBeNull()
  answers.base = 'the hub wants a token'
  await storeTrouble(one)
  expect(await baseTrouble(one)).toBe('the hub wants a token')
  expect(last(one)).toBe('the hub wants a token')
  expect(last(runOf('two'))).toBeNull()
  answers.store = 'nobody is signed in at Google'
  await storeTrouble(one)
  expect(last(one)).toBe('nobody is signed in at Google')
  answers.store = null
  answers.base = null
  await storeTrouble(one)
  await baseTrouble(one)
  expect(last(one)).toBeNull()
  expect(asked).toBe(5)
})
