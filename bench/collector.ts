import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'

/** What a process takes so that `collector` can reach it; the inspector itself weighs about a megabyte. */
export const inspected = (port: number) => ({ NODE_OPTIONS: `--inspect=127.0.0.1:${port}` })

/** Has a process that was started so collect its garbage, whole: what it holds afterwards is what it keeps. */
export async function collector(port: number): Promise<() => Promise<void>> {
  const found = await fetch(`http://127.0.0.1:${port}/json`)
  const [target] = (await found.json()) as { webSocketDebuggerUrl: string }[]
  const url = target?.webSocketDebuggerUrl
  if (url === undefined) throw new Error('the service has no inspector')
  return async () => {
    const socket = new WebSocket(url)
    await once(socket, 'open')
    // The second one frees what the first has only found.
    for (const id of [1, 2]) {
      const answered = once(socket, 'message')
      socket.send(JSON.stringify({ id, method: 'HeapProfiler.collectGarbage' }))
      await answered
    }
    socket.close()
    await delay(200) // pages go back to the system a moment later
  }
}
