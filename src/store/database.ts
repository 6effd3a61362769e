/** A value as it goes into or comes out of a column. */
export type Value = string | number | null
export type Row = Readonly<Record<string, Value>>

/** What statements are sent to: a connection, or a transaction on it. Texts use `$1`, `$2`, … */
export interface Queries {
  all(sql: string, ...values: Value[]): Promise<Row[]>
  first(sql: string, ...values: Value[]): Promise<Row | undefined>
  /** Returns the number of rows changed. */
  run(sql: string, ...values: Value[]): Promise<number>
}

/** A database that keeps its promises one transaction at a time. */
export interface Database extends Queries {
  /** Runs `work` so that all of it is stored, or nothing; rejects with what `work` threw. */
  transaction<T>(work: (tx: Queries) => Promise<T>): Promise<T>
  /**
   * Copies all of it as it is at one moment into a file that is not there yet, while work goes on: what was committed before is in
   * the copy, what is committed meanwhile may be.
   * @throws AppError `disk-full` when there is no room
   */
  copyTo(file: string): Promise<void>
  close(): Promise<void>
}

/** Reads a text column that the schema never leaves empty. */
export const text = (row: Row, column: string): string => String(row[column])
export const number = (row: Row, column: string): number => Number(row[column])
export const textOrNull = (row: Row, column: string): string | null =>
  row[column] === null || row[column] === undefined ? null : String(row[column])
export const numberOrNull = (row: Row, column: string): number | null =>
  row[column] === null || row[column] === undefined ? null : Number(row[column])
export const dateOrNull = (row: Row, column: string): Date | null => {
  const value = textOrNull(row, column)
  return value === null ? null : new Date(value)
}
export const date = (row: Row, column: string): Date => new Date(text(row, column))
