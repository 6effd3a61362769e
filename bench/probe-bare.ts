/**
 * What the same number of requests takes of a process that does nothing else: node:http, a connection for each, no redirects, no guard,
 * no record. Prints CPU seconds per 1,000.
 */
import { Agent, get } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'

const [url = '', perSecond = '17', seconds = '60'] = process.argv.slice(2)
const agent = new Agent({ keepAlive: false })
const ask = () =>
  new Promise<void>((resolve, reject) => {
    get(url, { agent }, (response) => {
      response.resume()
      response.on('end', resolve)
    }).on('error', reject)
  })

let asked = 0
let counted = 0
let before = process.cpuUsage()
const began = performance.now()
// The first third fills caches; it is not counted.
const from = (Number(seconds) * 1000) / 3
for (let passed = 0; passed < Number(seconds) * 1000; passed = performance.now() - began) {
  if (counted === 0 && passed > from) {
    counted = asked
    before = process.cpuUsage()
  }
  const due = Math.floor((passed / 1000) * Number(perSecond))
  const together: Promise<void>[] = []
  for (; asked < due; asked += 1) together.push(ask())
  await Promise.all(together)
  await delay(500)
}
const { user, system } = process.cpuUsage(before)
process.stdout.write(`${(user + system) / 1e6 / ((asked - counted) / 1000)}\n`)
