/**
 * Pages of other origins: a page on the web can make its reader's browser send requests here, and on loopback nobody else has to log in. The browser says
 * where a request comes from, and so these are refused, reading ones too: some of them change something, such as what a consumer has read.
 */
import type { FastifyRequest } from 'fastify'
import { HttpError } from './errors.ts'

/** Throws HttpError 403. `allowed`: origins, as in `services.cors.origins`. */
export function refuseOtherOrigins({ method, headers, protocol, host }: FastifyRequest, allowed: readonly string[]): void {
  const { origin } = headers
  const site = headers['sec-fetch-site']
  if (origin !== undefined && (allowed.includes('*') || allowed.includes(origin))) return
  if (origin !== undefined && origin !== `${protocol}://${host}`) throw refused(`A page of ${origin}`)
  const isOther = site !== undefined && site !== 'same-origin' && site !== 'none'
  // Whoever follows a link from elsewhere sees the page that it leads to; no script of the other page does.
  const isNavigation = headers['sec-fetch-mode'] === 'navigate' && headers['sec-fetch-dest'] === 'document' && method === 'GET'
  if (isOther && !isNavigation) throw refused('A page of another origin')
}

function refused(who: string): HttpError {
  return new HttpError(403, 403, `${who} must not use this server; services.cors.origins allows origins`)
}
