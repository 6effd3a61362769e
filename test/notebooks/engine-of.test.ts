import { expect, it } from 'vitest'
import { engineOf } from '../../src/notebooks/engine-of.ts'
import { trainExamples } from '../../src/notebooks/examples.ts'
import { renderNotebook } from '../../src/notebooks/generate.ts'
import { templates } from './fixtures.ts'

it.each(trainExamples)('a notebook says its engine: $name', (recipe) => {
  const text = renderNotebook(recipe, templates)
  expect(engineOf(text)).toBe(recipe.engine)
  const joined = JSON.parse(text)
  for (const cell of joined.cells) cell.source = cell.source.join('')
  expect(engineOf(JSON.stringify(joined))).toBe(recipe.engine)
})

it.each([
  ['a script', "ENGINE = 'trl'\n"],
  ['no notebook', '{"cells": 3}'],
  ['an unknown engine', of("ENGINE = 'other'", 'parameters')],
  ['another cell', of("ENGINE = 'trl'", 'probe')],
])('%s is of no engine', (_what, text) => expect(engineOf(text)).toBeUndefined())

function of(source: string, tag: string): string {
  return JSON.stringify({ cells: [{ cell_type: 'code', metadata: { tags: [tag] }, source }] })
}
