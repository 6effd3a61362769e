import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { applyFields } from '../../src/emulators/google/fields.ts'
import { parseQuery, type Queried } from '../../src/emulators/google/query.ts'

const file: Queried = {
  name: "João's adapter.safetensors",
  mimeType: 'application/octet-stream',
  createdTime: '2026-11-20T10:00:00.000Z',
  modifiedTime: '2026-11-21T10:00:00.000Z',
  trashed: false,
  starred: true,
  parents: ['folder1'],
  owners: ['ana@example.com', 'me'],
  appProperties: { run: 'r7', "it's": 'a\\b' },
  properties: { team: 'x' },
}

describe('a query', () => {
  it.each([
    ['', true],
    ['trashed=false', true],
    ['trashed = true', false],
    ['trashed != true and starred = true', true],
    ["name = 'João\\'s adapter.safetensors'", true],
    ["name = 'adapter.safetensors'", false],
    ["name != 'x'", true],
    ["name contains 'adapt'", true],
    ["name contains 'SAFE'", true],
    ["name contains 'tensors'", false],
    ["mimeType='application/octet-stream'", true],
    ["mimeType contains 'application/'", true],
    ["mimeType != 'application/vnd.google-apps.folder'", true],
    ["'folder1' in parents", true],
    ["'folder2' in parents", false],
    ["not 'folder2' in parents", true],
    ["'me' in owners", true],
    ["appProperties has { key='run' and value='r7' }", true],
    ["appProperties has {key='run' and value='r8'}", false],
    ["appProperties has { key='toString' and value='r8' }", false],
    ["appProperties has { key='it\\'s' and value='a\\\\b' }", true],
    ["properties has { key='team' and value='x' }", true],
    ["modifiedTime > '2026-11-21T09:00:00'", true],
    ["modifiedTime > '2026-11-21T12:00:00+01:00'", false],
    ["createdTime <= '2026-11-20T10:00:00Z'", true],
    ["trashed=true or 'folder1' in parents", true],
    ["trashed=true and 'folder1' in parents or starred=true", true],
    ["trashed=true and ('folder1' in parents or starred=true)", false],
    ["not (trashed=true or starred=false) and name contains 'joão'", true],
  ])('%s: %s', (query, wanted) => expect(parseQuery(query)(file)).toBe(wanted))

  it.each([
    'name',
    'name =',
    "name = 'open",
    'name = bare',
    "name ~ 'x'",
    "(name = 'x'",
    "name = 'x')",
    "name = 'x' 'y'",
    "colour = 'red'",
    'trashed = maybe',
    "'x' in colours",
    "appProperties has { key='a' }",
    "appProperties = 'a'",
    "modifiedTime > 'yesterday'",
    "fullText contains 'x'",
    'and',
    '#',
  ])('%s is refused', (query) => {
    expect(() => parseQuery(query)).toThrow(
      expect.objectContaining({ status: 400, reason: 'invalid', location: 'q' }),
    )
  })

  it('finds every name by its quoted self, whatever is in it', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('a', "'", '\\', ' ', 'é', ')') }), (name) => {
        const quoted = `'${name.replaceAll(/[\\']/g, '\\$&')}'`
        expect(parseQuery(`name=${quoted} and trashed=false`)({ ...file, name })).toBe(true)
      }),
    )
  })
})

describe('a field mask', () => {
  const answer = {
    kind: 'k',
    next: 't',
    files: [{ id: '1', name: 'a', owner: { me: true, id: 'x' } }],
  }
  it.each([
    ['*', answer],
    ['kind', { kind: 'k' }],
    ['files(id)', { files: [{ id: '1' }] }],
    ['files/id', { files: [{ id: '1' }] }],
    ['files/id,files/name', { files: [{ id: '1', name: 'a' }] }],
    ['next, files(name,owner/me)', { next: 't', files: [{ name: 'a', owner: { me: true } }] }],
    ['files(owner(*))', { files: [{ owner: { me: true, id: 'x' } }] }],
    ['files,files/id', { files: answer.files }],
    ['absent', {}],
  ])('%s', (fields, wanted) => expect(applyFields(fields, answer)).toEqual(wanted))

  it.each(['', 'files(', 'files()', 'a,,b', 'a)', '(a)', 'a/', 'a;b'])(
    '%j is refused',
    (fields) => {
      expect(() => applyFields(fields, answer)).toThrow(expect.objectContaining({ status: 400 }))
    },
  )

  it('refuses a name that the service does not know, at each level', () => {
    const known = { kind: null, files: { id: null } }
    expect(applyFields('files/id', answer, known)).toEqual({ files: [{ id: '1' }] })
    for (const fields of ['colour', 'files/colour', 'files(id,colour)'])
      expect(() => applyFields(fields, answer, known)).toThrow('Invalid field selection colour')
  })
})
