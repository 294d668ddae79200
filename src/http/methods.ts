/** The other methods of paths that have routes: 405 with `Allow`, as Confluent's and Kafka Connect's servers answer, and not 404 as if nothing were there. */
import type { FastifyInstance } from 'fastify'
import { HttpError } from './errors.ts'

const methods = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] as const

type App = Pick<FastifyInstance, 'addHook' | 'route'>

/** Before the first route. Returns what is called when all are known. */
export function refuseOtherMethods(app: App): () => void {
  const known = new Map<string, Set<string>>()
  app.addHook('onRoute', ({ url, method }) => {
    const path = url === '/' ? url : url.replace(/\/$/, '')
    let has = known.get(path)
    if (has === undefined) known.set(path, (has = new Set()))
    for (const each of typeof method === 'string' ? [method] : method) has.add(each)
  })
  return () => {
    const paths = Array.from(known, ([path, has]) => ({ path, has: new Set(has), pattern: patternOf(path) }))
    for (const { path, has } of paths) {
      if (path.includes('*')) continue
      // A path with a placeholder may take what this one has not.
      const isTaken = (method: string) => paths.some(other => other.has.has(method) && (other.path === path || other.pattern.test(path)))
      const others = methods.filter(method => !isTaken(method))
      if (others.length > 0) refuse(app, path, others, [...has].sort())
    }
  }
}

function refuse(app: App, url: string, method: (typeof methods)[number][], allowed: readonly string[]): void {
  app.route({
    method,
    url,
    // Before a body is read.
    onRequest: async () => {
      throw new HttpError(405, 405, 'HTTP 405 Method Not Allowed', { headers: { allow: allowed.join(', ') } })
    },
    handler: async () => {},
  })
}

/** `::` stands for a colon that begins no placeholder. A star is no placeholder here: what it takes is what nothing else does. */
function patternOf(path: string): RegExp {
  const text = path.replaceAll(/::|:\w+|[.+?^${}()|[\]\\*]/g, found =>
    found === '::' ? '::' : found.startsWith(':') ? '[^/]+' : `\\${found}`,
  )
  return new RegExp(`^${text}$`)
}
