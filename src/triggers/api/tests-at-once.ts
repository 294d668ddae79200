/**
 * How many functions one person may test at the same time: a test takes a process for as long as its function likes, up to its time limit, and whoever else
 * tests one needs one, too.
 */
import type { FastifyReply, FastifyRequest, RouteOptions } from 'fastify'
import { HttpError } from '../../http.ts'
import type { Identity } from '../../sessions.ts'

const most = 2

export class TestsAtOnce {
  /** By principal: those under way, also if nobody waits for their answer any more. */
  readonly #running = new Map<string, number>()

  /** Of routes that will be added: those that test are limited. */
  readonly onRoute = (route: RouteOptions): void => {
    if (!route.url.endsWith('/test')) return
    const { handler } = route
    const running = this.#running
    route.handler = async function limited(request: FastifyRequest, reply: FastifyReply) {
      const { principal } = (request as FastifyRequest & { identity: Identity }).identity
      const before = running.get(principal) ?? 0
      if (before >= most)
        throw new HttpError(429, 429, `${principal} is testing ${most} functions already; at most ${most} run at the same time`, {
          headers: { 'retry-after': '1' },
        })
      running.set(principal, before + 1)
      try {
        return await handler.call(this, request, reply)
      } finally {
        const left = running.get(principal)! - 1
        if (left === 0) running.delete(principal)
        else running.set(principal, left)
      }
    }
  }
}
