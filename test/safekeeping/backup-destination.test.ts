import { expect, it } from 'vitest'
import { backupDestination } from '../../src/safekeeping/backup-destination.ts'

it.each([
  ['folder', { kind: 'folder', path: '/own' }],
  ['folder:/mnt/usb', { kind: 'folder', path: '/mnt/usb' }],
  ['drive', { kind: 'drive' }],
  ['s3://my-backups', { kind: 's3', bucket: 'my-backups', prefix: '' }],
  ['s3://my-backups/', { kind: 's3', bucket: 'my-backups', prefix: '' }],
  ['s3://my.backups/a/b_c.d-e/', { kind: 's3', bucket: 'my.backups', prefix: 'a/b_c.d-e' }],
])('%s is a place for backups', (text, place) => {
  expect(backupDestination(text, '/own')).toEqual(place)
})

it.each([
  '',
  'Drive',
  'folder:relative',
  's3:/my-backups',
  's3://',
  's3:///prefix',
  's3://My-Backups',
  's3://ab',
  's3://my..backups',
  's3://key:secret@my-backups',
  's3://my-backups//a',
  's3://my-backups/../up',
  's3://my-backups/a/./b',
  's3://my-backups/a b',
  's3://my-backups/a?b=c',
  's3://my-backups/a%2Fb',
  's3://my-backups/a=b',
  `s3://my-backups/${'a'.repeat(401)}`,
])('%j is none', (text) => {
  expect(() => backupDestination(text, '/own')).toThrow(
    expect.objectContaining({ code: 'backup_place_unknown' }),
  )
})
