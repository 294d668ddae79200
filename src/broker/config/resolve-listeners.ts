/** Determines where the broker listens and what it advertises, from the keys about listeners. The rules and messages are Kafka's. */
import { InvalidConfig, splitList } from '../../base.ts'
import {
  type Endpoint,
  type Listener,
  parseEndpoint,
  parseHttpAddress,
  parseProtocolMap,
  type SecurityProtocol,
  securityProtocols,
} from './listeners.ts'

/** The keys that are needed here. */
interface ListenerValues {
  readonly listeners: readonly string[]
  readonly 'advertised.listeners': readonly string[] | null
  readonly 'listener.security.protocol.map': string
  readonly 'controller.listener.names': readonly string[]
  readonly 'inter.broker.listener.name': string | null
}

export function resolveListeners(values: ListenerValues, mapWasGiven: boolean): Listener[] {
  const text = values.listeners.join(',')
  const controllers = new Set(values['controller.listener.names'].map(name => name.toUpperCase()))
  const protocols = parseProtocolMap(values['listener.security.protocol.map'])
  const listeners: Listener[] = []
  for (const part of values.listeners) {
    const endpoint = parseEndpoint(part)
    if (typeof endpoint === 'string') throw new InvalidConfig('listeners', text, endpoint)
    if (controllers.has(endpoint.name)) continue
    listeners.push({ ...endpoint, protocol: protocolOf(endpoint.name, protocols, mapWasGiven) })
  }
  if (listeners.length === 0) throw new InvalidConfig('listeners', text, 'There must be at least one listener for clients')
  checkPorts(listeners, text)
  const interBroker = values['inter.broker.listener.name']
  if (interBroker !== null && !listeners.some(({ name }) => name === interBroker.toUpperCase())) {
    throw new InvalidConfig('inter.broker.listener.name', interBroker, 'It must be a listener name defined in listeners')
  }
  return listeners
}

/**
 * The listeners after a change while the broker runs; Kafka's rules and messages (DynamicListenerConfig). A listener that stays keeps its
 * address.
 */
export function changedListeners(current: readonly Listener[], wanted: readonly Listener[], interBroker: string): Listener[] {
  if (!wanted.some(({ name }) => name === interBroker)) {
    throw new InvalidConfig('listeners', null, `The inter-broker listener ${interBroker} cannot be removed`)
  }
  return wanted.map(listener => {
    const open = current.find(({ name }) => name === listener.name)
    if (open !== undefined && open.protocol !== listener.protocol) {
      const reason = `Security protocol cannot be updated for existing listener ${open.name}`
      throw new InvalidConfig('listener.security.protocol.map', null, reason, reason)
    }
    return open ?? listener
  })
}

/** Kafka takes another address for a listener in use and ignores it. */
export function checkSameAddresses(current: readonly Listener[], wanted: readonly Listener[]): void {
  for (const { name, host, port } of current) {
    const other = wanted.find(listener => listener.name === name)
    if (other === undefined || (other.host === host && other.port === port)) continue
    const reason = `The address of listener ${name} (${host}:${port}) cannot change while the broker runs; remove the listener first`
    throw new InvalidConfig('listeners', null, reason, reason)
  }
}

/** The listener that must stay while the broker runs. */
export function interBrokerListener(
  values: { 'inter.broker.listener.name': string | null; 'security.inter.broker.protocol': string },
  listeners: readonly Listener[],
): string {
  const name = values['inter.broker.listener.name']?.toUpperCase() ?? values['security.inter.broker.protocol']
  return listeners.some(listener => listener.name === name) ? name : listeners[0]!.name
}

function protocolOf(name: string, protocols: ReadonlyMap<string, SecurityProtocol>, mapWasGiven: boolean): SecurityProtocol {
  const mapped = protocols.get(name)
  if (mapped !== undefined) return mapped
  if (!mapWasGiven && securityProtocols.includes(name as SecurityProtocol)) return name as SecurityProtocol
  throw new InvalidConfig('listeners', name, `No security protocol defined for listener ${name} (see listener.security.protocol.map)`)
}

function checkPorts(listeners: readonly Listener[], text: string): void {
  for (const [index, one] of listeners.entries()) {
    const other = listeners.slice(0, index).find(({ port }) => port === one.port && port !== 0)
    // Kafka allows only one IPv4 and one IPv6 address to share a port. Here any distinct addresses may, because they do not conflict.
    if (other && (other.host === one.host || other.host === '' || one.host === '')) {
      throw new InvalidConfig(
        'listeners',
        text,
        `Each listener must have a different port (${other.name} and ${one.name} share ${one.port})`,
      )
    }
  }
}

/** A port for the HTTP endpoint that a listener takes: the system would only say that the address is in use. */
export function checkHttpPort(text: string, listeners: readonly Listener[]): void {
  const http = parseHttpAddress(text)
  if (http === null || http.port === 0) return
  const other = listeners.find(
    ({ port, host }) => port === http.port && (host === http.host || isEveryAddress(host) || isEveryAddress(http.host)),
  )
  if (other !== undefined) throw new InvalidConfig('http.listen', text, `The listener ${other.name} already uses this port`)
}

/** Advertised addresses by listener name. Without an explicit one, a listener is advertised with its own host and port. */
export function advertisedEndpoints(values: ListenerValues, listeners: readonly Listener[], hostName: string): Map<string, Endpoint> {
  const advertised = new Map<string, Endpoint>()
  const controllers = new Set(values['controller.listener.names'].map(name => name.toUpperCase()))
  const text = values['advertised.listeners']?.join(',') ?? null
  for (const part of splitList(text ?? '')) {
    const endpoint = parseEndpoint(part)
    if (typeof endpoint === 'string') throw new InvalidConfig('advertised.listeners', text, endpoint)
    if (controllers.has(endpoint.name)) continue
    if (!listeners.some(({ name }) => name === endpoint.name)) {
      const reason = 'advertised.listeners listener names must be equal to or a subset of the ones defined in listeners'
      throw new InvalidConfig('advertised.listeners', text, `${reason} (${endpoint.name} is not)`)
    }
    if (isEveryAddress(endpoint.host) && endpoint.host !== '') {
      const reason = `advertised.listeners cannot use the nonroutable meta-address ${endpoint.host}. Use a routable IP address.`
      throw new InvalidConfig('advertised.listeners', text, reason)
    }
    advertised.set(endpoint.name, endpoint.host === '' ? { host: hostName, port: endpoint.port } : endpoint)
  }
  for (const { name, host, port } of listeners) {
    if (!advertised.has(name)) advertised.set(name, { host: isEveryAddress(host) ? hostName : host, port })
  }
  return advertised
}

/** Names of listeners on all addresses for which advertised.listeners does not say how clients reach the machine. */
export function withoutName(values: ListenerValues, listeners: readonly Listener[]): string[] {
  const named = new Set(values['advertised.listeners']?.map(part => part.slice(0, part.indexOf('://')).toUpperCase()))
  return listeners.filter(({ name, host }) => isEveryAddress(host) && !named.has(name)).map(({ name }) => name)
}

export function isEveryAddress(host: string): boolean {
  return host === '' || host === '0.0.0.0' || host === '::' || host === '0:0:0:0:0:0:0:0'
}
