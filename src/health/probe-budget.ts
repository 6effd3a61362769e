/** Requests a month that a tunnel's account is granted (ngrok's free plan: ngrok.com/docs, limits, read 2026-11). */
export const freeTunnelRequests = 20_000
/** The share of them that looks take at the most: the rest is for who asks the model. */
export const probeShare = 0.45
/** The longest month: a budget that holds in it holds in every one. */
const monthSeconds = 31 * 86_400

/**
 * The interval at which so many nodes behind one tunnel account are looked at: the usual one, or a whole multiple of it, so that
 * looks without failures stay within their share of the account's requests. One node keeps 5 minutes, two get 10, three 15.
 * @param nodes behind the same account
 * @param others requests a month that deep probes take of the same share
 * @param requestsPerMonth of that account; null where it counts none
 */
export function intervalWithin(
  nodes: number,
  requestsPerMonth: number | null,
  usualSeconds: number,
  others = 0,
): number {
  if (requestsPerMonth === null || nodes <= 0) return usualSeconds
  const most = requestsPerMonth * probeShare - others
  const wanted = (nodes * monthSeconds) / usualSeconds
  return usualSeconds * Math.max(1, Math.ceil(wanted / most))
}

/** The same for deep probes: they take half of the share of looks at the most, so that neither starves the other. */
export const deepIntervalWithin = (
  nodes: number,
  requestsPerMonth: number,
  usualSeconds: number,
): number => intervalWithin(nodes, requestsPerMonth / 2, usualSeconds)

/** Looks of so many nodes at that interval in the longest month. */
export const probesPerMonth = (nodes: number, intervalSeconds: number): number =>
  Math.ceil((nodes * monthSeconds) / intervalSeconds)
