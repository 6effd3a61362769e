import { BlockList, isIP } from 'node:net'
import { AppError } from '../../lib/errors.ts'

/** What an operator lets through: names (`gpu.lan`), addresses and networks (`10.0.0.0/24`), comma-separated. */
export interface AddressGuard {
  /**
   * The URL as it is asked for: http or https, without credentials, not at an address or a name that is nobody's but this
   * machine's or network's. The name's own addresses are looked at when it is connected to: see `check`.
   * @throws AppError `invalid` (`url_refused`) that names what is wrong and what would allow it
   */
  admit(text: string): URL
  /** Whether a name is let through whatever its addresses. */
  trusts(host: string): boolean
  /** @throws AppError `not-allowed` (`address_private`) for an address that a name leads to and nobody allowed */
  check(address: string, host: string): void
}

/**
 * Networks that are nobody's on the open net, in IANA's special-purpose registries (iana.org/assignments/iana-ipv4-special-registry
 * and iana-ipv6-special-registry, read 2026-11), and those that carry an IPv4 address inside an IPv6 one.
 */
const closedNetworks = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/3',
  '::/96',
  '::ffff:0:0/96',
  '64:ff9b::/96',
  '64:ff9b:1::/48',
  '100::/64',
  '2001::/23',
  '2001:db8::/32',
  '2002::/16',
  '3fff::/20',
  'fc00::/7',
  'fe80::/10',
  'fec0::/10',
  'ff00::/8',
]

/** Names that stand for this machine, its network or its cloud's own services. */
const closedNames = /(?:^|\.)(?:localhost|local|internal|intranet|lan|home\.arpa)$/

/** Ports below 1024 are other services' than those of the web. */
const webPorts = new Set(['', '80', '443'])

/** @throws AppError `invalid` (`allow_private_invalid`) for an entry that is neither a name, an address nor a network */
export function addressGuard(allowed: readonly string[] = []): AddressGuard {
  const closed = networks()
  for (const network of closedNetworks) addNetwork(closed, network)
  const open = networks()
  const names = new Set<string>()
  for (const entry of allowed) {
    if (isIP(entry.split('/')[0] ?? '') > 0) addNetwork(open, entry)
    else if (/^[a-z0-9](?:[a-z0-9.-]{0,252}[a-z0-9])?$/i.test(entry)) names.add(entry.toLowerCase())
    else {
      throw new AppError('invalid', `${JSON.stringify(entry)} is no name, address or network`, {
        code: 'allow_private_invalid',
        next: 'Write names, addresses and networks with commas between, such as gpu.lan,192.168.1.20,10.0.0.0/24',
      })
    }
  }

  const isClosed = (address: string): boolean => {
    const kind = kindOf(address)
    return closed[kind].check(address, kind) && !open[kind].check(address, kind)
  }

  return {
    admit(text) {
      const url = URL.parse(text)
      if (!url || !/^https?:$/.test(url.protocol)) {
        throw refused(
          text,
          'only http:// and https:// addresses are asked',
          'For example: https://name.ngrok-free.app',
        )
      }
      if (url.username !== '' || url.password !== '') {
        throw refused(
          url.host,
          'an address carries no name and no password',
          'Leave out what stands before the @',
        )
      }
      const host = hostOf(url)
      if (!webPorts.has(url.port) && Number(url.port) < 1024) {
        throw refused(
          url.host,
          `port ${url.port} is another service's`,
          'Use 80, 443, or one from 1024 on',
        )
      }
      if (isIP(host) > 0 ? isClosed(host) : closedNames.test(host) && !names.has(host)) {
        throw refused(
          host,
          'it is private: this machine, its own network or its cloud',
          allowing(host),
        )
      }
      return url
    },
    trusts: (host) => names.has(host),
    check(address, host) {
      if (!isClosed(address)) return
      throw new AppError('not-allowed', `${host} leads to ${address}, which is private`, {
        code: 'address_private',
        next: allowing(host),
      })
    },
  }
}

const allowing = (host: string): string =>
  `Where that is meant, set RODIZIO_ALLOW_PRIVATE=${host} and start the service again`

const refused = (what: string, why: string, next: string): AppError =>
  new AppError('invalid', `${JSON.stringify(what.slice(0, 200))} is not asked: ${why}`, {
    code: 'url_refused',
    next,
  })

/** Without the brackets of IPv6 and the dot at the end of an absolute name, in small letters. */
export const hostOf = (url: URL): string =>
  url.hostname
    .replace(/^\[|\]$/g, '')
    .replace(/\.$/, '')
    .toLowerCase()

type Kind = 'ipv4' | 'ipv6'
/** A list for each kind: in one, the network of mapped addresses holds every address of IPv4. */
type Networks = Readonly<Record<Kind, BlockList>>

const networks = (): Networks => ({ ipv4: new BlockList(), ipv6: new BlockList() })

const kindOf = (address: string): Kind => (isIP(address) === 6 ? 'ipv6' : 'ipv4')

function addNetwork(lists: Networks, network: string): void {
  const [address = '', bits] = network.split('/')
  const kind = kindOf(address)
  const most = kind === 'ipv6' ? 128 : 32
  const prefix = bits === undefined ? most : Number(bits)
  if (!Number.isInteger(prefix) || prefix < 0 || prefix > most) {
    throw new AppError(
      'invalid',
      `${network} is no network: its prefix is a whole number up to ${most}`,
      {
        code: 'allow_private_invalid',
        next: 'For example: 10.0.0.0/24',
      },
    )
  }
  lists[kind].addSubnet(address, prefix, kind)
}
