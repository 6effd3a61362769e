import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { systemCode } from '../lib/errors.ts'

/** The bytes of a file from an offset on; empty when there is no such file yet. */
export function readFrom(path: string, offset: number): Buffer {
  let file: number
  try {
    file = openSync(path, 'r')
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return Buffer.alloc(0)
    throw error
  }
  try {
    const bytes = Buffer.alloc(Math.max(0, fstatSync(file).size - offset))
    return bytes.subarray(0, readSync(file, bytes, 0, bytes.length, offset))
  } finally {
    closeSync(file)
  }
}

/** Reads a growing file line by line; only at the end does a line without its newline count. */
export interface LineReader {
  next(atEnd: boolean): string[]
}

export function lineReader(path: string): LineReader {
  let offset = 0
  return {
    next: (atEnd) => {
      const bytes = readFrom(path, offset)
      const whole = atEnd ? bytes : bytes.subarray(0, bytes.lastIndexOf(0x0a) + 1)
      offset += whole.length
      return whole.toString('utf8').match(/[^\n]*\n|[^\n]+$/g) ?? []
    },
  }
}

/** When which part of the output was first seen. */
export interface Timeline {
  note(lines: number, seconds: number): void
  secondsOf(line: number): number
}

export function createTimeline(): Timeline {
  const seen: number[] = []
  return {
    note: (lines, seconds) => {
      for (let line = 0; line < lines; line += 1) seen.push(seconds)
    },
    secondsOf: (line) => seen[line] ?? seen.at(-1) ?? 0,
  }
}
