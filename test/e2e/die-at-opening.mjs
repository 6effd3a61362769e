// Loaded into a service under test: kills it at a boundary between the record of a standing run and its first run. The file
// DIE_FILE holds which one, counted from 1; it goes with the kill, so that the next start lives. Every statement that writes has a
// boundary before it and one after it, until the commit of the opening.
import { appendFileSync, existsSync, readFileSync, rmSync } from 'node:fs'
import Database from 'better-sqlite3'

const file = process.env.DIE_FILE
let isUnderWay = false
let isOpened = false
let count = 0

function boundary(name) {
  if (!isUnderWay || !existsSync(file)) return
  count += 1
  if (name === 'after insert into standing_openings') isOpened = true
  if (isOpened && name === 'after commit') isUnderWay = false
  if (count < Number(readFileSync(file, 'utf8'))) return
  appendFileSync(`${file}.log`, `${name}\n`)
  rmSync(file)
  process.kill(process.pid, 'SIGKILL')
}

if (process.argv.includes('up')) {
  const prepare = Database.prototype.prepare
  Database.prototype.prepare = function (sql) {
    const statement = prepare.call(this, sql)
    const [name] = /^\s*(commit|insert into \w+|update \w+)/.exec(sql) ?? []
    if (name === undefined) return statement
    const run = statement.run.bind(statement)
    statement.run = (...given) => {
      if (name === 'insert into standing_runs') {
        isUnderWay = existsSync(file)
        isOpened = false
        count = 0
      }
      boundary(`before ${name}`)
      const result = run(...given)
      boundary(`after ${name}`)
      return result
    }
    return statement
  }
}
