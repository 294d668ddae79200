/** Kafka's syntax of listeners: `NAME://host:port,…`, the map from names to security protocols, and addresses in general. */
import { splitList } from '../../base.ts'

export const securityProtocols = ['PLAINTEXT', 'SSL', 'SASL_PLAINTEXT', 'SASL_SSL'] as const
export type SecurityProtocol = (typeof securityProtocols)[number]

export interface Endpoint {
  /** Without brackets; '' is every address of the machine. */
  readonly host: string
  readonly port: number
}

export interface Listener extends Endpoint {
  readonly name: string
  readonly protocol: SecurityProtocol
}

const listenerSyntax = /^([A-Za-z0-9_.-]+):\/\/(.*):(\d{1,5})$/
const bracketed = /^\[([0-9A-Fa-f:.]+(?:%[A-Za-z0-9_.-]+)?)\]$/

/** `NAME://host:port`, or why it is not one. */
export function parseEndpoint(text: string): (Endpoint & { name: string }) | string {
  const match = listenerSyntax.exec(text)
  if (match === null) return `Unable to parse ${text} to a broker endpoint`
  const host = parseHost(match[2]!)
  const port = Number(match[3])
  if (host === null || port > 65535) return `Unable to parse ${text} to a broker endpoint`
  return { name: match[1]!.toUpperCase(), host, port }
}

function parseHost(text: string): string | null {
  const inner = bracketed.exec(text)?.[1]
  if (inner !== undefined) return inner
  return /^[A-Za-z0-9._-]*$/.test(text) ? text : null
}

/** For `listeners` and `advertised.listeners`: each part parses, and names are distinct. Ports are compared later, when all values are known. */
export function checkListeners(text: string): string | null {
  const names = new Set<string>()
  for (const part of splitList(text)) {
    const endpoint = parseEndpoint(part)
    if (typeof endpoint === 'string') return endpoint
    if (names.has(endpoint.name)) return 'Each listener must have a different name'
    names.add(endpoint.name)
  }
  return null
}

export function checkProtocolMap(text: string): string | null {
  const names = new Set<string>()
  for (const part of splitList(text)) {
    const [name, protocol, ...more] = part.split(':')
    if (!name || more.length > 0 || !isSecurityProtocol(protocol))
      return `${part} is not NAME:PROTOCOL; the protocols are ${securityProtocols.join(', ')}`
    if (names.has(name.toUpperCase())) return `the listener ${name} occurs twice`
    names.add(name.toUpperCase())
  }
  return null
}

export function parseProtocolMap(text: string): Map<string, SecurityProtocol> {
  const map = new Map<string, SecurityProtocol>()
  for (const part of splitList(text)) {
    const [name, protocol] = part.split(':')
    map.set(name!.toUpperCase(), protocol!.toUpperCase() as SecurityProtocol)
  }
  return map
}

function isSecurityProtocol(text: string | undefined): boolean {
  return securityProtocols.includes(text?.toUpperCase() as SecurityProtocol)
}

/** `max.connections.per.ip.overrides`: `hostOrAddress:count,…` */
export function checkIpOverrides(text: string): string | null {
  const bad = splitList(text).find(part => !/^\S+:\d{1,9}$/.test(part))
  return bad === undefined ? null : `${bad} is not address:count`
}

export function parseIpOverrides(text: string): Map<string, number> {
  return new Map(splitList(text).map(part => [part.slice(0, part.lastIndexOf(':')), Number(part.slice(part.lastIndexOf(':') + 1))]))
}

export function checkHttpAddress(text: string): string | null {
  return text === 'none' || parseHttpAddress(text) !== null ? null : 'it must be host:port, [ipv6]:port, or none'
}

/** null for `none`. */
export function parseHttpAddress(text: string): Endpoint | null {
  const endpoint = parseEndpoint(`HTTP://${text}`)
  return typeof endpoint === 'string' ? null : { host: endpoint.host, port: endpoint.port }
}

const authorizers = [
  'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
  'kafka.security.authorizer.AclAuthorizer',
  'kafka.security.auth.SimpleAclAuthorizer',
]

/** Kafka's own authorizers behave alike, and Millrace's does too. A broker configured with any other authorizer must not start with this one. */
export function checkAuthorizer(text: string): string | null {
  return text === '' || authorizers.includes(text)
    ? null
    : `Java classes cannot be loaded; it must be empty or one of ${authorizers.join(', ')}`
}

export function checkSuperUsers(text: string): string | null {
  const users = text.split(';').filter(user => user.trim() !== '')
  const bad = users.find(user => !/^\s*[^:\s]+:./.test(user))
  return bad === undefined ? null : `expected a string in format principalType:principalName but got ${bad}`
}

export function checkRoles(text: string): string | null {
  return splitList(text).includes('broker') ? null : 'Millrace has no separate controllers: the roles must include broker'
}
