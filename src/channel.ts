/**
 * channel: authenticated connections to Kafka brokers, for clients and for brokers that call each other.
 *
 * Hides TLS, logins, the library's connections and its nested errors. Requests are encoded and decoded with our own codecs.
 */
export { ClientError, mayPass, settled, toClientError } from './channel/errors.ts'
export { type Link, type LinkOptions, openLink } from './channel/link.ts'
export { type ClientProperties, connectionSecurity } from './channel/security.ts'
export { sendOver } from './channel/send.ts'
export type { TokenLogin } from './channel/token-login.ts'
