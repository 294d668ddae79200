/** Sends a request on to the registry that leads, with the caller's own credentials, and passes its answer back. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { type System, stringifyLossless } from '../base.ts'
import { errors } from './errors.ts'
import { type Identity, urlOf } from './leader.ts'

/** Confluent's: a request that has been forwarded is not forwarded again. */
const forwarded = 'x-forward'
const timeoutMs = 60_000

export function isForwarded(request: FastifyRequest): boolean {
  return request.headers[forwarded] !== undefined
}

export async function forward(
  leader: Identity,
  request: FastifyRequest,
  reply: FastifyReply,
  system: Pick<System, 'timers'>,
): Promise<string> {
  const url = `${urlOf(leader)}${request.raw.url}`
  const aborting = new AbortController()
  const timer = system.timers.after(timeoutMs, () => aborting.abort())
  try {
    const { authorization, accept } = request.headers
    const answer = await fetch(url, {
      method: request.method,
      headers: {
        [forwarded]: 'true',
        ...(authorization === undefined ? {} : { authorization }),
        ...(accept === undefined ? {} : { accept }),
        ...(request.body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(request.body === undefined ? {} : { body: stringifyLossless(request.body) }),
      redirect: 'error',
      signal: aborting.signal,
    })
    reply.code(answer.status)
    const type = answer.headers.get('content-type')
    if (type !== null) reply.header('content-type', type)
    reply.serializer((body: unknown) => body as string)
    return await answer.text()
  } catch (error) {
    throw errors.forwarding(`The request could not be forwarded to the leader at ${urlOf(leader)}`, error)
  } finally {
    timer.cancel()
  }
}
