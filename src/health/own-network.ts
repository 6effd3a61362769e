/** A look at an address that has nothing to do with any node. */
export interface CanaryLook {
  readonly address: string
  readonly isReached: boolean
}

/**
 * Whether this service's own network is to blame for looks that fail: two independent addresses were asked, and neither was
 * reached. One that is reached clears the network, and a node that is down is down, also when it is the only one.
 */
export const isOwnNetworkDown = (looks: readonly CanaryLook[]): boolean =>
  looks.length >= 2 && looks.every(({ isReached }) => !isReached)
