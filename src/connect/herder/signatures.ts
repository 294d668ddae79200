/** Signatures of what workers ask each other, with the key that the leader has stored (KIP-507). */
import { createHmac, timingSafeEqual } from 'node:crypto'
import type { HttpError } from '../../http.ts'
import type { SessionKey } from '../stores/config-state.ts'
import { hashOf } from '../worker-config.ts'
import { badRequest, forbidden, unavailable } from './errors.ts'

export const signatureHeader = 'x-connect-authorization'
export const algorithmHeader = 'x-connect-request-signature-algorithm'

export function sign({ key }: SessionKey, algorithm: string, body: string): Record<string, string> {
  const signature = createHmac(hashOf(algorithm) ?? 'sha256', key)
    .update(body)
    .digest('base64')
  return { [signatureHeader]: signature, [algorithmHeader]: algorithm }
}

/** On a request that a worker sends on to another one, after it has seen that whoever asks may ask it. Credentials are never sent on. */
export const forwardedHeader = 'x-millrace-forwarded'
const forwardedForMs = 60_000

export function signForwarded({ key }: SessionKey, method: string, url: string, nowMs: number): string {
  return `${nowMs} ${createHmac('sha256', key).update(`${method} ${url} ${nowMs}`).digest('base64')}`
}

export function isForwarded(given: string, key: SessionKey | null, method: string, url: string, nowMs: number): boolean {
  const sentMs = Number(given.split(' ', 1)[0])
  if (key === null || !(Math.abs(nowMs - sentMs) < forwardedForMs)) return false
  const [wanted, sent] = [Buffer.from(signForwarded(key, method, url, sentMs)), Buffer.from(given)]
  return wanted.length === sent.length && timingSafeEqual(wanted, sent)
}

export interface Signed {
  readonly signature: string | undefined
  readonly algorithm: string | undefined
  readonly body: string
}

/** null: another worker of this group has sent it. */
export function refusal({ signature, algorithm, body }: Signed, key: SessionKey | null, accepted: readonly string[]): HttpError | null {
  if (signature === undefined || algorithm === undefined) return badRequest('Internal request missing required signature')
  const hash = accepted.some(each => each.toLowerCase() === algorithm.toLowerCase()) ? hashOf(algorithm) : null
  if (hash === null)
    return badRequest(
      `This worker does not support the '${algorithm}' key signing algorithm used by other workers. This worker is currently configured to use: [${accepted.join(', ')}]. Check that all workers' configuration files permit the same set of signature algorithms, and correct any misconfigured worker and restart it.`,
    )
  if (key === null)
    return unavailable('This worker is still starting up and has not been able to read a session key from the config topic yet')
  const wanted = createHmac(hash, key.key).update(body).digest()
  const given = Buffer.from(signature, 'base64')
  const isValid = given.length === wanted.length && timingSafeEqual(given, wanted)
  return isValid ? null : forbidden('Internal request contained invalid signature.')
}
