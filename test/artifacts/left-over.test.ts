import { expect, it } from 'vitest'
import type { FoundFile } from '../../src/artifacts/inventory.ts'
import { type Owners, whyLeftOver } from '../../src/artifacts/left-over.ts'

const owners: Owners = {
  kept: new Set(['runs/a/checkpoints/10-g1', 'runs/a/artifacts/dry-g2']),
  arriving: new Set(['runs/a/checkpoints/20-g3']),
  announced: new Set(['runs/a/checkpoints/10-g1/odd.part-0123456789ab']),
  runs: new Set(['a', 'going']),
  dataVersions: new Set(['ds_here', 'ds_again']),
  removed: new Set(['gone', 'going', 'ds_gone', 'ds_again']),
}

it.each([
  ['runs/a/checkpoints/10-g1/weights.bin', 'whole', null],
  ['runs/a/checkpoints/10-g1/weights.bin', 'stray', 'another file has taken its place'],
  ['runs/a/checkpoints/10-g1/weights.bin', 'part', 'its upload never ended'],
  ['runs/a/checkpoints/10-g1/w.part-0123456789ab', 'named-part', 'its upload never ended'],
  ['runs/a/checkpoints/10-g1/odd.part-0123456789ab', 'named-part', null],
  ['runs/a/artifacts/dry-g2/manifest.json', 'whole', null],
  ['runs/a/artifacts/dry-g1/manifest.json', 'whole', 'no artifact owns it'],
  ['runs/a/checkpoints/5-g1/weights.bin', 'whole', 'no checkpoint owns it'],
  ['runs/a/checkpoints/20-g3/weights.bin', 'whole', null],
  ['runs/a/checkpoints/20-g3/weights.bin', 'part', null],
  ['runs/a/checkpoints/20-g3/weights.bin', 'stray', null],
  ['runs/a/notes.txt', 'whole', null], // of a person
  ['runs/a/checkpoints/5-g1/deep/er.bin', 'whole', null],
  ['runs/gone/checkpoints/10-g1/weights.bin', 'whole', 'its run was removed'],
  ['runs/gone/checkpoints/10-g1/weights.bin', 'stray', 'its run was removed'],
  ['runs/going/checkpoints/10-g1/weights.bin', 'whole', 'no checkpoint owns it'],
  ['runs/stranger/checkpoints/10-g1/weights.bin', 'stray', null], // another service's
  ['data/ds_here/train.jsonl', 'whole', null],
  ['data/ds_gone/train.jsonl', 'part', 'its data set was removed'],
  ['data/ds_gone/train.jsonl', 'stray', null], // another service may have the same content
  ['data/ds_again/train.jsonl', 'whole', null],
  ['data/ds_stranger/train.jsonl', 'whole', null],
  ['bases/0123/tokenizer.json', 'whole', null],
  ['elsewhere', 'whole', null],
] as const)('%s, %s: %s', (key, state, why) => {
  const file: FoundFile = { id: key, key, bytes: 1, writtenAt: new Date(0), state }
  expect(whyLeftOver(file, owners)).toBe(why)
})
