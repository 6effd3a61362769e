/**
 * What requests take of a process that does nothing else: node:http, a connection for each, no redirects, no guard, no record.
 *
 *     probe-bare.ts URL PER_SECOND SECONDS   at that rate
 *     probe-bare.ts URL                      10,000 in a burst, 50 at once
 *
 * Prints CPU seconds per 1,000.
 */
import { Agent, get } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'

const [url = '', perSecond, seconds] = process.argv.slice(2)
const agent = new Agent({ keepAlive: false })
const ask = () =>
  new Promise<void>((resolve, reject) => {
    get(url, { agent }, (response) => {
      response.resume()
      response.on('end', resolve)
    }).on('error', reject)
  })

/** CPU seconds per 1,000 of the last two thirds: the first fills caches. */
async function atRate(rate: number, forMs: number): Promise<number> {
  let asked = 0
  let counted = 0
  let before = process.cpuUsage()
  const began = performance.now()
  for (let passed = 0; passed < forMs; passed = performance.now() - began) {
    if (counted === 0 && passed > forMs / 3) {
      counted = asked
      before = process.cpuUsage()
    }
    const due = Math.floor((passed / 1000) * rate)
    const together: Promise<void>[] = []
    for (; asked < due; asked += 1) together.push(ask())
    await Promise.all(together)
    await delay(500)
  }
  return perThousand(before, asked - counted)
}

async function inBurst(requests: number, atOnce: number): Promise<number> {
  let left = requests
  const before = process.cpuUsage()
  const oneByOne = async () => {
    for (; left > 0; await ask()) left -= 1
  }
  await Promise.all(Array.from({ length: atOnce }, oneByOne))
  return perThousand(before, requests)
}

function perThousand(before: NodeJS.CpuUsage, requests: number): number {
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1e6 / (requests / 1000)
}

const found = perSecond
  ? await atRate(Number(perSecond), Number(seconds) * 1000)
  : await inBurst(10_000, 50)
process.stdout.write(`${found}\n`)
