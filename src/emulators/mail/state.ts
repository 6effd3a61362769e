import { z } from 'zod'
import { openStateFile, rememberedByAll, type StateFile } from '../state-file.ts'

const State = z.object({ ...rememberedByAll, smtpPort: z.number().nullable() })
export type State = z.infer<typeof State>

/** Opens the memory in a folder: its ports and its time; mails are forgotten with the process. Throws `invalid`. */
export const openState = (folder: string): StateFile<State> =>
  openStateFile(folder, State, () => ({
    format: 1,
    port: null,
    clockOffsetSeconds: 0,
    smtpPort: null,
  }))
