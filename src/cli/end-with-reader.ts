import { systemCode } from '../lib/errors.ts'

/** Has this process end quietly once nobody reads what it prints, as in `rodizio train --help | head -1`. */
export function endWithReader(): void {
  process.stdout.on('error', (error) => process.exit(systemCode(error) === 'EPIPE' ? 0 : 1))
}
