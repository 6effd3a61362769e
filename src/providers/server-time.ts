/** What time a web server says it is, by the header of any answer; null where it does not say. Gives up after 5 s. */
export async function serverTime(url: string): Promise<Date | null> {
  const response = await fetch(url, { method: 'HEAD', signal: AbortSignal.timeout(5000) })
  const date = new Date(response.headers.get('date') ?? Number.NaN)
  return Number.isNaN(date.getTime()) ? null : date
}
