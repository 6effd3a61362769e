/** The Python and Markdown texts that notebooks are assembled from, by path under `templates/`. */
export type Templates = ReadonlyMap<string, string>

/** The folders that `renderNotebook` reads from; nothing outside them is needed. */
export const templateFolders = [
  'cells',
  'session',
  'engines',
  'serve',
  'serving',
  'serving_session',
  'evaluating',
] as const
