/** Where a person goes to a provider, and comes back from it. These are pages that a browser visits, not calls of the application. */
import type { FastifyReply } from 'fastify'
import { ClientError } from '../client.ts'
import type { HttpApp } from '../http.ts'
import type { Logger } from '../logger.ts'
import { Unauthorized } from '../sessions.ts'
import type { Door } from './door.ts'

const callback = '/api/oidc/callback'

export function oidcPages(app: HttpApp, door: Door, logger: Logger): void {
  const { oidc } = door
  if (oidc === null) return
  app.get('/api/oidc/begin', async (request, reply) => {
    try {
      const { url, request: asked } = await oidc.begin(`${request.protocol}://${request.host}${callback}`)
      door.sendAway(request, reply, asked, placeIn((request.query as Parameters)['to']))
      return await reply.redirect(url, 303)
    } catch (error) {
      return failed(reply, error, logger)
    }
  })
  app.get(callback, async (request, reply) => {
    try {
      const away = door.takeBack(request, reply)
      if (away === null) throw new Unauthorized('There is no login under way in this browser')
      const { accessToken, ...renewal } = await oidc.finish(request.query as Parameters, away)
      await door.logIn(request, reply, { kind: 'token', token: accessToken }, renewal)
      return await reply.redirect(away.to, 303)
    } catch (error) {
      return failed(reply, error, logger)
    }
  })
}

type Parameters = Readonly<Record<string, unknown>>

/** A place of the application, so that the way back leads nowhere else. */
function placeIn(to: unknown): string {
  const url = typeof to === 'string' && to.startsWith('/') ? URL.parse(to, 'http://here') : null
  return url === null || url.origin !== 'http://here' || url.pathname.startsWith('//') ? '/' : `${url.pathname}${url.search}`
}

/** The application says it. What the provider said goes to the log alone. */
function failed(reply: FastifyReply, error: unknown, logger: Logger): FastifyReply {
  const isRefusal = error instanceof Unauthorized
  const level = isRefusal ? 'info' : 'warn'
  logger[level](
    isRefusal || error instanceof ClientError ? { reason: error.message } : { err: error },
    'a login with the provider has failed',
  )
  return reply.redirect(`/?login=${isRefusal ? 'refused' : 'failed'}`, 303)
}
