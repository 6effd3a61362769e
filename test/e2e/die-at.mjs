// Loaded into a service under test: kills it at a boundary of a launch. The file DIE_FILE holds which one, counted from 1; it goes
// with the kill, so that the next start lives. A launch begins with the row of its session: from there on every commit and every
// request to the provider has a boundary before it and one after it, until the commit that books the provider's answer to the push.
import { appendFileSync, existsSync, readFileSync, rmSync } from 'node:fs'
import Database from 'better-sqlite3'

const file = process.env.DIE_FILE
let isLaunching = false
let count = 0
let isAnswered = false

function boundary(name) {
  if (!isLaunching || !existsSync(file)) return
  count += 1
  if (name === 'after SaveKernel') isAnswered = true
  if (isAnswered && name === 'after commit') isLaunching = false
  if (count < Number(readFileSync(file, 'utf8'))) return
  appendFileSync(`${file}.log`, `${name}\n`)
  rmSync(file)
  process.kill(process.pid, 'SIGKILL')
}

/** The same call, with a boundary before it and one after it. */
const around =
  (name, call) =>
  (...given) => {
    boundary(`before ${name}`)
    const result = call(...given)
    const after = () => boundary(`after ${name}`)
    if (result instanceof Promise) result.then(after, after)
    else after()
    return result
  }

if (process.argv.includes('up')) {
  const prepare = Database.prototype.prepare
  Database.prototype.prepare = function (sql) {
    const statement = prepare.call(this, sql)
    const run = statement.run.bind(statement)
    if (sql === 'commit') statement.run = around('commit', run)
    if (/^\s*insert into sessions/.test(sql)) {
      statement.run = (...given) => {
        isLaunching = existsSync(file)
        isAnswered = false
        count = 0
        return run(...given)
      }
    }
    return statement
  }
  const fetch = globalThis.fetch
  globalThis.fetch = (url, ...rest) => {
    const [, method] = /KernelsApiService\/(\w+)/.exec(String(url)) ?? []
    return method ? around(method, fetch)(url, ...rest) : fetch(url, ...rest)
  }
}
