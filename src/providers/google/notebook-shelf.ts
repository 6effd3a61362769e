import type { NotebookShelf } from '../colab/link.ts'
import type { DriveClient } from './drive.ts'

/** What Colab opens with a click. */
const notebookType = 'application/vnd.google.colaboratory'

/** Notebooks in a folder of the person's Drive, found again by the session's name. */
export function notebookShelf(client: DriveClient, folder: string): NotebookShelf {
  const find = async (sessionName: string): Promise<string | undefined> => {
    const [first] = await client.find({ appProperties: { rodizioSession: sessionName } })
    return first?.id
  }
  return {
    find,
    async put(sessionName, notebook) {
      const parent = await client.ensureFolder(`${folder}/notebooks`)
      const appProperties = { rodizioSession: sessionName }
      const name = `${sessionName}.ipynb`
      const file = { name, parent, mimeType: notebookType, appProperties, content: notebook }
      return (await client.create(file)).id
    },
  }
}
