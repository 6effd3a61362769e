import { Worker } from 'node:worker_threads'
import type { Answer, Simulation } from './simulation-worker.ts'

/**
 * Runs simulations, each in a thread of its own and so many at once, two when left out; gives their results in the same order.
 * Rejects with the first that throws.
 * @param told of each when it is done
 */
export async function sideBySide(
  simulations: readonly Simulation[],
  told: (simulation: Simulation, answer: Answer) => void = () => undefined,
  threads = 2,
): Promise<Answer[]> {
  const answers: Answer[] = []
  let next = 0
  async function work(): Promise<void> {
    for (;;) {
      const at = next
      next += 1
      const simulation = simulations[at]
      if (!simulation) return
      const answer = await inThread(simulation)
      answers[at] = answer
      told(simulation, answer)
    }
  }
  await Promise.all(Array.from({ length: Math.min(threads, simulations.length) }, work))
  return answers
}

function inThread(simulation: Simulation): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const file = new URL('./simulation-worker.ts', import.meta.url)
    const worker = new Worker(file, { workerData: simulation })
    worker.once('message', resolve)
    worker.once('error', reject)
    worker.once('exit', (status) =>
      reject(new Error(`the thread of seed ${simulation.seed} ended with ${status} and no result`)),
    )
  })
}
