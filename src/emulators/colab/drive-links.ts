import type { GoogleEmulator } from '../google/server.ts'
import type { ColabEmulatorOptions } from './options.ts'

/** The emulated person's view of the emulated Drive: notebooks that appear there, and their texts. */
export function driveLinks(
  google: GoogleEmulator,
): Required<Pick<ColabEmulatorOptions, 'listNotebooks' | 'fetchNotebook'>> {
  const notebooks = () =>
    google.admin
      .state()
      .files.filter(({ name, isTrashed, bytes }) => name.endsWith('.ipynb') && !isTrashed && bytes)
  return {
    listNotebooks: async () =>
      notebooks().map(({ id, name }) => ({ fileId: id, name: name.replace(/\.ipynb$/, '') })),
    async fetchNotebook(fileId) {
      const file = notebooks().find(({ id }) => id === fileId)
      if (!file) return null
      const order = { clientId: file.clientId, user: file.owner }
      const { accessToken } = google.admin.grant(order)
      const url = `${google.url}/drive/v3/files/${encodeURIComponent(fileId)}?alt=media`
      const response = await fetch(url, { headers: { authorization: `Bearer ${accessToken}` } })
      return response.ok ? response.text() : null
    },
  }
}
