import { ServiceError } from '../service-error.ts'
import type { StateFile } from '../state-file.ts'
import { readOpen, readSwitch, type TunnelAdmin } from './admin.ts'
import { edgeAnswer } from './conditions.ts'
import type { TunnelSettings } from './options.ts'
import type { Endpoint, State } from './state.ts'

/** The endpoints that agents hold open, and the conditions that they are in. */
export function createEndpoints(file: StateFile<State>, settings: TunnelSettings) {
  const { agents } = settings
  const find = (name: string): Endpoint => {
    const found = file.state.endpoints.find((one) => one.name === name)
    if (!found) throw new ServiceError(404, `There is no endpoint ${name}`)
    return found
  }
  const others = (name: string) => file.state.endpoints.filter((one) => one.name !== name)

  const open: TunnelAdmin['open'] = (order) => {
    const { name, upstream, kind, account, host } = readOpen(order)
    const url = URL.parse(upstream)
    if (url?.protocol !== 'http:' || !['127.0.0.1', 'localhost', '[::1]'].includes(url.hostname)) {
      throw new ServiceError(400, 'upstream is http:// with a server of this machine')
    }
    const beside = others(name).filter(
      (one) => one.kind === 'ngrok' && one.account === account && one.condition !== 'gone',
    )
    if (kind === 'ngrok' && beside.length >= agents) {
      const words = `limited to ${agents} simultaneous ngrok agent sessions`
      throw new ServiceError(400, `ERR_NGROK_108: the account ${account} is ${words}`)
    }
    const endpoint: Endpoint = {
      ...{ name, kind, account, upstream: url.origin },
      host: host ?? `${name}.${kind === 'ngrok' ? 'ngrok-free.app' : 'trycloudflare.com'}`,
      condition: 'up',
      retryAfterSeconds: 60,
    }
    if (others(name).some((one) => one.host === endpoint.host)) {
      throw new ServiceError(400, `${endpoint.host} is another endpoint's`)
    }
    file.state.endpoints = [...others(name), endpoint]
    file.save()
    return endpoint
  }

  const condition: TunnelAdmin['condition'] = (order) => {
    const { name, condition: wanted, retryAfterSeconds } = readSwitch(order)
    const endpoint = find(name)
    if (wanted !== 'up' && !edgeAnswer(endpoint.kind, wanted, 0)) {
      throw new ServiceError(400, `${endpoint.kind} has no condition ${wanted}`)
    }
    Object.assign(endpoint, { condition: wanted, retryAfterSeconds })
    file.save()
  }

  const close: TunnelAdmin['close'] = ({ name }) => {
    find(name)
    file.state.endpoints = others(name)
    file.save()
  }

  /** Whose request this is, by its host, or by the first part of its path where the host is this emulator's own. */
  const seek = (
    host: string,
    path: string,
    isOurs: boolean,
  ): { readonly endpoint: Endpoint; readonly path: string } | null => {
    const byHost = file.state.endpoints.find((one) => one.host === host)
    if (byHost) return { endpoint: byHost, path }
    const [, name = '', rest = ''] = /^\/([^/?]+)(.*)$/.exec(path) ?? []
    const byPath = isOurs ? file.state.endpoints.find((one) => one.name === name) : undefined
    return byPath ? { endpoint: byPath, path: rest.startsWith('/') ? rest : `/${rest}` } : null
  }
  return { open, condition, close, seek }
}
