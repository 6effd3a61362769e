import { AppError } from '../lib/errors.ts'

/** The name and size of a file in a repository of models. */
export interface RepositoryFile {
  readonly name: string
  readonly bytes: number
}

/** What `from_pretrained` reads: configuration, tokenizer, weights in safetensors under their usual names. */
const wanted =
  /^(?:config\.json|generation_config\.json|special_tokens_map\.json|added_tokens\.json|vocab\.(?:json|txt)|merges\.txt|chat_template\.(?:json|jinja)|tokenizer[\w.-]*|model(?:-\d+-of-\d+)?\.safetensors|model\.safetensors\.index\.json)$/

/**
 * Of a repository's files those that make the base. The same weights under another name (`consolidated.safetensors`), and in
 * folders, are left out: they would be fetched for nothing.
 * @throws AppError `invalid` (`base_incomplete`) when there is no configuration, or there are no weights in safetensors
 */
export function filesOfBase<File extends RepositoryFile>(
  id: string,
  files: readonly File[],
): File[] {
  const chosen = files.filter(({ name }) => wanted.test(name))
  const names = chosen.map(({ name }) => name)
  const missing = !names.includes('config.json')
    ? 'no config.json'
    : names.some((name) => name.endsWith('.safetensors'))
      ? undefined
      : 'no weights in safetensors'
  if (missing === undefined) return chosen
  throw new AppError('invalid', `the repository of the base ${id} has ${missing}`, {
    code: 'base_incomplete',
    next: 'Choose another base of the catalogue',
  })
}
