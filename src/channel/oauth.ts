/**
 * Where the OAUTHBEARER token comes from, by Kafka's keys: a file (`sasl.oauthbearer.token.endpoint.url=file:…`), or an endpoint that
 * issues one for a client id and secret (RFC 6749 section 4.4). `sasl.oauthbearer.token` is our own key: the token itself.
 */
import { fileURLToPath } from 'node:url'
import type { FileSystem, System } from '../base.ts'
import { ClientError } from './errors.ts'

/** Of an endpoint. A connection whose login is renewed waits for it. */
const answerMs = 10_000

/** A provider, because long-lived connections authenticate again with a newer token. */
export function bearerToken(
  properties: Readonly<Record<string, string>>,
  login: ReadonlyMap<string, string>,
  { files, timers }: Pick<System, 'files' | 'timers'>,
): string | (() => Promise<string>) {
  const token = properties['sasl.oauthbearer.token']
  if (token !== undefined) return token.trim()
  const text = properties['sasl.oauthbearer.token.endpoint.url']
  if (text === undefined) throw invalid('sasl.oauthbearer.token.endpoint.url', 'OAUTHBEARER requires it, or a token in MILLRACE_TOKEN')
  const url = URL.parse(text)
  if (url?.protocol === 'file:') return async () => fromFile(fileURLToPath(url), files)
  if (url?.protocol !== 'https:' && url?.protocol !== 'http:')
    throw invalid('sasl.oauthbearer.token.endpoint.url', 'it must be a file:, https: or http: URL')
  const id = properties['sasl.oauthbearer.client.credentials.client.id'] ?? login.get('clientId')
  const secret = properties['sasl.oauthbearer.client.credentials.client.secret'] ?? login.get('clientSecret')
  if (id === undefined || secret === undefined)
    throw invalid('sasl.oauthbearer.client.credentials.client.id', 'the client id or the client secret is missing')
  const scope = properties['sasl.oauthbearer.scope'] ?? login.get('scope')
  return () => fromEndpoint(url, id, secret, scope, timers)
}

function invalid(property: string, reason: string): ClientError {
  return new ClientError('INVALID', `${property}: ${reason}`)
}

function fromFile(path: string, files: FileSystem): string {
  const content = files.readFile(path)
  if (content === null) throw invalid('sasl.oauthbearer.token.endpoint.url', `file not found: ${path}`)
  return content.toString('utf8').trim()
}

async function fromEndpoint(url: URL, id: string, secret: string, scope: string | undefined, timers: System['timers']): Promise<string> {
  const credentials = Buffer.from(`${encodeURIComponent(id)}:${encodeURIComponent(secret)}`).toString('base64')
  const body = new URLSearchParams({ grant_type: 'client_credentials', ...(scope === undefined ? {} : { scope }) })
  const failed = (reason: string, cause?: unknown) => new ClientError('FAILED', `no token from ${url.origin}: ${reason}`, cause)
  const stop = new AbortController()
  const late = timers.after(answerMs, () => stop.abort(new Error(`no answer within ${answerMs / 1_000} s`)))
  let response: Response
  let text: string
  try {
    const headers = { authorization: `Basic ${credentials}`, accept: 'application/json' }
    response = await fetch(url, { method: 'POST', headers, body, redirect: 'error', signal: stop.signal })
    text = await response.text()
  } catch (error) {
    const { cause } = error as Error
    throw failed(cause instanceof Error ? cause.message : (error as Error).message, error)
  } finally {
    late.cancel()
  }
  if (!response.ok) throw failed(`HTTP status ${response.status}`)
  try {
    const { access_token: token } = JSON.parse(text) as { access_token?: unknown }
    if (typeof token === 'string' && token !== '') return token
  } catch (error) {
    throw failed('its response is not valid JSON', error)
  }
  throw failed('its response has no access_token')
}
