/** What each node depends on, by id; a node that depends on nothing may be left out. */
export type Dependencies = ReadonlyMap<string, readonly string[]>

/** All that a node depends on, over any number of others, the nearest first; never the node itself. */
export function aboveOf(dependencies: Dependencies, node: string): string[] {
  return reachedFrom(node, (id) => dependencies.get(id) ?? [])
}

/** All that depend on a node, over any number of others, the nearest first; never the node itself. */
export function belowOf(dependencies: Dependencies, node: string): string[] {
  const below = new Map<string, string[]>()
  for (const [id, above] of dependencies) {
    for (const one of above) below.set(one, [...(below.get(one) ?? []), id])
  }
  return reachedFrom(node, (id) => below.get(id) ?? [])
}

/** Those that name a node as what they depend on. */
export const namedBy = (dependencies: Dependencies, node: string): string[] =>
  [...dependencies].filter(([, above]) => above.includes(node)).map(([id]) => id)

/**
 * The circle that there would be if the node depended on these: from the node over what it depends on back to itself. Undefined
 * where there is none.
 */
export function circleWith(
  dependencies: Dependencies,
  node: string,
  wanted: readonly string[],
): string[] | undefined {
  const seen = new Set<string>()
  const way = (id: string): string[] | undefined => {
    if (id === node) return [id]
    if (seen.has(id)) return undefined
    seen.add(id)
    for (const next of dependencies.get(id) ?? []) {
      const rest = way(next)
      if (rest) return [id, ...rest]
    }
    return undefined
  }
  for (const first of wanted) {
    const rest = way(first)
    if (rest) return [node, ...rest]
  }
  return undefined
}

function reachedFrom(start: string, next: (id: string) => readonly string[]): string[] {
  const found = new Set<string>([start])
  for (const id of found) for (const one of next(id)) found.add(one)
  found.delete(start)
  return [...found]
}
