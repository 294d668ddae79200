/**
 * Who may do what, where the brokers require a login: who asks brings credentials, and reading needs DESCRIBE on the cluster, everything else ALTER, because
 * connectors act as the worker. Without a login there is nobody to ask, and the worker listens on loopback only.
 */
import type { FastifyRequest } from 'fastify'
import type { System } from '../base.ts'
import { ClientError } from '../client.ts'
import { HttpError, unauthorized } from '../http.ts'
import { type Sessions, Unauthorized } from '../sessions.ts'
import { forbidden } from './herder/errors.ts'
import { bodyOf, urlOf } from './herder/relay.ts'
import { clockHeader, forwardedHeader, forwardedness, isForwardedBody, signatureHeader } from './herder/signatures.ts'
import type { SessionKey } from './stores/config-state.ts'

export interface Demand {
  /** Of whoever asks, before the body has come. Throws HttpError. `key`: of the group; `url`: of this worker. */
  rights(request: FastifyRequest, key: SessionKey | null, url: string): Promise<void>
  /** Throws HttpError 403 if another worker has sent something else on. */
  body(request: FastifyRequest): void
}

/** What was allowed counts for so long. */
const remembersMs = 10_000
const mostRemembered = 1_000

export function demandRights(sessions: Sessions, { clock }: Pick<System, 'clock'>): Demand {
  /** By the key of the identity, which tells nothing of its credentials. */
  const known = new Map<string, { readonly rights: ReadonlySet<string>; readonly atMs: number }>()
  const sentOn = new WeakMap<FastifyRequest, string>()
  const rights: Demand['rights'] = async (request, key, url) => {
    const { authorization, [forwardedHeader]: forwarded } = request.headers
    // Workers prove themselves by the key of the group; their routes demand it.
    if (request.url.startsWith('/health') || isInternal(request)) return
    const asked = { method: request.method, url: urlOf(url, request.url) }
    const nowMs = clock.now()
    const counts = typeof forwarded === 'string' ? forwardedness(forwarded, key, asked, nowMs) : 'never'
    if (counts === 'now') return void sentOn.set(request, forwarded as string)
    if (counts === 'late')
      throw new HttpError(403, 403, 'The clocks of the workers are more than a minute apart', { headers: { [clockHeader]: String(nowMs) } })
    try {
      const identity = await sessions.identify(authorization, request.ip)
      let found = known.get(identity.key)
      if (found === undefined || clock.monotonic() - found.atMs > remembersMs) {
        if (known.size >= mostRemembered) known.clear()
        found = { rights: await sessions.clientOf(identity).clusterRights(), atMs: clock.monotonic() }
        known.set(identity.key, found)
      }
      const needed = request.method === 'GET' || request.method === 'HEAD' ? 'DESCRIBE' : 'ALTER'
      if (!found.rights.has(needed) && !found.rights.has('ALL'))
        throw new HttpError(403, 403, `This needs the operation ${needed} on the cluster`)
    } catch (error) {
      if (error instanceof Unauthorized) throw unauthorized(error)
      if (error instanceof ClientError)
        throw new HttpError(503, 503, `The Kafka cluster does not answer: ${error.message}`, { cause: error })
      throw error
    }
  }
  const body: Demand['body'] = request => {
    const forwarded = sentOn.get(request)
    if (forwarded !== undefined && !isForwardedBody(forwarded, bodyOf(request)))
      throw forbidden('The request has another body than the one that a worker has sent on')
  }
  return { rights, body }
}

function isInternal({ headers, method, url }: FastifyRequest): boolean {
  const path = url.split('?', 1)[0]!
  const asked =
    (method === 'POST' && /^\/connectors\/[^/]+\/tasks$/.test(path)) || (method === 'PUT' && /^\/connectors\/[^/]+\/fence$/.test(path))
  return asked && headers[signatureHeader] !== undefined
}
