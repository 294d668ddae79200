/**
 * json-http: asks another server over HTTP with JSON: the schema registry, a worker of Kafka Connect, the triggers.
 *
 * Hides that there may be several addresses of which any will do, Basic credentials, TLS, and the limits of time and size. JSON goes and comes without loss.
 */
export { BadAddress, BadPath, type JsonAddress, type JsonAnswer, type JsonHttp, NoAnswer, openJsonHttp } from './json-http/open.ts'
