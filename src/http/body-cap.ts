import { bodyLimit } from 'hono/body-limit'
import { AppError } from '../lib/errors.ts'

const maxBodyBytes = 2 * 1024 * 1024

/** Refuses a body over 2 MB, before it is held in memory. @throws AppError `invalid` (`body_too_large`) */
export const bodyCap = () =>
  bodyLimit({
    maxSize: maxBodyBytes,
    onError: () => {
      throw new AppError('invalid', 'the body is larger than 2 MB', { code: 'body_too_large' })
    },
  })
