/** Signatures of what workers ask each other, with the key that the leader has stored (KIP-507). */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
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
/** How late it is at a worker that refuses a request only because the clock of whoever has signed it is another one. */
export const clockHeader = 'x-millrace-clock'
/** A clock that is further away is not followed: whoever pretends to be a worker shall not get signatures for all times. */
const mostApartMs = 86_400_000

interface Sent {
  readonly method: string
  /** Whole, at the worker that gets it: another one does not take it. */
  readonly url: string
}

export function signForwarded(key: SessionKey, sent: Sent & { readonly body: string }, nowMs: number): string {
  return forwardedAs(key, sent, nowMs, digestOf(sent.body))
}

/** Whether a worker of the group has sent it; `late`: it has, but not now. Of the body, which has not come yet, see {@link isForwardedBody}. */
export function forwardedness(given: string, key: SessionKey | null, sent: Sent, nowMs: number): 'now' | 'late' | 'never' {
  const [sentAt, digest = ''] = given.split(' ', 2)
  const sentMs = Number(sentAt)
  if (key === null) return 'never'
  const [wanted, has] = [Buffer.from(forwardedAs(key, sent, sentMs, digest)), Buffer.from(given)]
  if (wanted.length !== has.length || !timingSafeEqual(wanted, has)) return 'never'
  return Math.abs(nowMs - sentMs) < forwardedForMs ? 'now' : 'late'
}

/** By which clock it is signed again; null: not at all. `told`: by a worker that refuses it. */
export function clockToFollow(told: string | undefined, nowMs: number): number | null {
  const theirMs = Number(told ?? Number.NaN)
  return Number.isSafeInteger(theirMs) && Math.abs(theirMs - nowMs) < mostApartMs ? theirMs : null
}

/** `given`: of a request that is forwarded. */
export function isForwardedBody(given: string, body: string): boolean {
  return given.split(' ', 2)[1] === digestOf(body)
}

function forwardedAs({ key }: SessionKey, { method, url }: Sent, nowMs: number, digest: string): string {
  const signed = createHmac('sha256', key).update(`${method} ${url} ${nowMs} ${digest}`)
  return `${nowMs} ${digest} ${signed.digest('base64')}`
}

function digestOf(body: string): string {
  return createHash('sha256').update(body).digest('base64')
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
