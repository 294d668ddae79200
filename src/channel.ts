/**
 * channel: authenticated connections to Kafka brokers, for clients and for brokers that call each other.
 *
 * Hides TLS, logins, frames and the nested errors of the library. Requests are encoded and decoded with our own codecs.
 */
export type { BrokerConnection } from './channel/connection.ts'
export { type Address, type Announced, Connections } from './channel/connections.ts'
export { ClientError, mayPass, settled, toClientError } from './channel/errors.ts'
export { type Link, type LinkOptions, openLink } from './channel/link.ts'
export type { TokenLogin } from './channel/scram.ts'
export { type ClientProperties, connectionSecurity } from './channel/security.ts'
