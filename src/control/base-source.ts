import { createHash } from 'node:crypto'
import type { ArtifactStore } from '../artifacts/artifact-store.ts'
import { AppError } from '../lib/errors.ts'
import { sha256Hex } from '../lib/random.ts'
import { filesOfBase } from '../notebooks/base-files.ts'
import type { Carried } from './ways.ts'

/** A base at the hub, by its repository and commit. */
export interface WantedBase {
  readonly id: string
  readonly revision: string
}

/** What a base is made of: files that the hub gives out by signed addresses, and small ones, which stand in the store. */
export interface BaseParts {
  readonly large: readonly Omit<Carried, 'path'>[]
  readonly small: readonly Carried[]
}

export interface BaseSourcePorts {
  readonly hubUrl: string
  readonly hub: {
    files(
      token: string,
      id: string,
      revision: string,
    ): Promise<
      readonly {
        readonly name: string
        readonly bytes: number
        /** Git's name for the content of a small file. */
        readonly oid: string
        /** Of a large file; null for a small one. */
        readonly sha256: string | null
      }[]
    >
    bytes(
      token: string,
      id: string,
      revision: string,
      name: string,
      most: number,
    ): Promise<Uint8Array>
  }
  readonly artifacts: Pick<ArtifactStore, 'verify' | 'receive'>
}

/** All small files of a base together may have so many bytes; a tokenizer has some three million. */
const mostSmallBytes = 32_000_000

/** Looks up what a base is made of, once: a commit does not change. Its small files are brought to the artifact store. */
export function baseSource({ hubUrl, hub, artifacts }: BaseSourcePorts) {
  const known = new Map<string, Promise<BaseParts>>()

  async function lookUp({ id, revision }: WantedBase, token: string): Promise<BaseParts> {
    const files = filesOfBase(id, await hub.files(token, id, revision))
    const large = files.flatMap(({ name, bytes, sha256 }) =>
      sha256 === null ? [] : [{ name, bytes, sha256 }],
    )
    const light = files.filter(({ sha256 }) => sha256 === null)
    if (light.reduce((sum, { bytes }) => sum + bytes, 0) > mostSmallBytes) {
      throw new AppError('invalid', `the small files of the base ${id} are too large to hand on`, {
        code: 'base_too_large',
      })
    }
    const small: Carried[] = []
    const folder = `bases/${sha256Hex(`${hubUrl} ${id} ${revision}`).slice(0, 20)}`
    for (const { name, bytes, oid } of light) {
      const content = await hub.bytes(token, id, revision, name, bytes)
      if (content.byteLength !== bytes || gitOid(content) !== oid) {
        throw new AppError('unavailable', `${name} of ${id} came otherwise than the hub lists it`, {
          code: 'bad_answer',
        })
      }
      const expected = { bytes, sha256: sha256Hex(content) }
      const key = `${folder}/${name}`
      if (!(await artifacts.verify(key, expected))) {
        await artifacts.receive(key, inOnePiece(content), expected)
      }
      small.push({ name, path: `store/${key}`, ...expected })
    }
    return { large, small }
  }

  /**
   * @throws AppError as the hub does; `invalid` (`base_incomplete`, `base_too_large`); `unavailable` for a file that came otherwise
   * than listed
   */
  return (wanted: WantedBase, token: string): Promise<BaseParts> => {
    const key = keyOf(wanted)
    const before = known.get(key)
    if (before) return before
    const found = lookUp(wanted, token)
    known.set(key, found)
    found.catch(() => known.delete(key))
    return found
  }
}

export const keyOf = ({ id, revision }: WantedBase): string => `${id} ${revision}`

const gitOid = (content: Uint8Array): string =>
  createHash('sha1').update(`blob ${content.byteLength}\0`).update(content).digest('hex')

async function* inOnePiece(content: Uint8Array): AsyncGenerator<Uint8Array> {
  yield content
}
