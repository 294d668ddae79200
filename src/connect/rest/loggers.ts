/** `/admin/loggers`: levels of loggers, of this worker or of all. */
import { Type } from 'typebox'
import { badRequest, notFound } from '../herder/errors.ts'
import { levelNamed } from '../levels.ts'
import { type Api, params } from './api.ts'

const Scope = Type.Object({ scope: Type.Optional(Type.String()) })
const Level = Type.Record(Type.String(), Type.Union([Type.String(), Type.Null()]))

export function loggerRoutes({ app, levels, herder }: Api): void {
  app.get('/admin/loggers', async () =>
    Object.fromEntries(Array.from(levels.all(), ([name, { level, changedMs }]) => [name, { level, last_modified: changedMs }])),
  )

  app.get('/admin/loggers/:logger', { schema: { params: params.logger } }, async ({ params: { logger } }) => {
    const found = levels.find(logger)
    if (found === null) throw notFound(`Logger ${logger} not found.`)
    return { level: found.level, last_modified: found.changedMs }
  })

  app.put(
    '/admin/loggers/:logger',
    { schema: { params: params.logger, querystring: Scope, body: Level } },
    async ({ params: { logger }, query: { scope = 'worker' }, body: { level: wanted } }, reply) => {
      if (wanted === undefined || wanted === null) throw badRequest("Desired 'level' parameter was not specified in request.")
      const level = levelNamed(wanted)
      if (level === null) throw notFound(`invalid log level '${wanted}'.`)
      if (levels.isTooMany(logger)) throw badRequest('Too many loggers have a level of their own.')
      if (scope.toLowerCase() !== 'cluster') return levels.set(logger, level)
      await herder.setClusterLevel(logger, level)
      return reply.code(204).send()
    },
  )
}
