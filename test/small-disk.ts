import { spawnSync } from 'node:child_process'
import { temporaryFolder } from './temporary-folder.ts'

/** A disk of that size, such as 64k, where this user may mount one: root in a container of its own may, a person mostly not. */
export function smallDisk(size = '64k'): (Disposable & { readonly path: string }) | undefined {
  const folder = temporaryFolder()
  const options = ['-t', 'tmpfs', '-o', `size=${size}`, 'none', folder.path]
  const mounted = spawnSync('mount', options, { stdio: 'ignore' }).status === 0
  const gone = () => folder[Symbol.dispose]()
  if (!mounted) return void gone()
  return {
    path: folder.path,
    [Symbol.dispose]() {
      spawnSync('umount', ['-l', folder.path])
      gone()
    },
  }
}

/** Whether this user may mount a disk. */
export function mayMount(): boolean {
  using disk = smallDisk()
  return disk !== undefined
}
