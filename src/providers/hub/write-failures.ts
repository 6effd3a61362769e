import { AppError } from '../../lib/errors.ts'
import { type Refused, statusFailure } from './failures.ts'

/** The right of a fine-grained token without which nothing is published, as the hub's own page names it. */
const right = (id: string): string =>
  `"Write access to contents/settings" (repo.write) of all repositories under ${id.split('/')[0]}`

/** A refusal of what publishes, with the step that helps; what passes by itself is `unavailable`. */
export function writeFailure(
  refused: Refused,
  doing: string,
  hubUrl: string,
  id = 'this repository',
): AppError {
  const { status, headers } = refused
  const words = headers.get('x-error-message') ?? ''
  const code = headers.get('x-error-code')
  if (status === 401 && code !== 'RepoNotFound') {
    return new AppError('unauthorized', 'the hub takes the stored token no longer', {
      code: 'hub_token_over',
      next: `Make one that may write at ${hubUrl}/settings/tokens, and give it with rodizio login hub`,
    })
  }
  if (status === 413 || (status === 403 && /storage limit|quota/i.test(words))) {
    return new AppError('disk-full', `the Hub has no room for ${id}: its storage is used up`, {
      code: 'hub_full',
      next: `Remove what is not needed at ${hubUrl}/settings/storage, or publish elsewhere`,
    })
  }
  if (status === 403) {
    return new AppError(
      'not-allowed',
      `the token of the hub may not write to ${id}: it wants the right ${right(id)}`,
      {
        code: 'hub_token_narrow',
        next: `Give it that right at ${hubUrl}/settings/tokens, or give another token: rodizio login hub`,
      },
    )
  }
  if (status === 409) {
    return new AppError('conflict', `the hub has that already, while ${doing}`, {
      code: 'hub_there_already',
    })
  }
  if (status === 412) {
    return new AppError('conflict', `somebody else has committed to ${id}, while ${doing}`, {
      code: 'hub_moved',
    })
  }
  if (status === 400 || status === 422) {
    return new AppError('invalid', `the hub refuses ${id} (${status}), while ${doing}`, {
      code: 'hub_refused_content',
      next: 'The hub’s rules for names and files may have changed; publish elsewhere meanwhile',
    })
  }
  return statusFailure(refused, doing, hubUrl, id)
}
