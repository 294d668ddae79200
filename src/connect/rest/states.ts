/** How connectors and tasks are, and what makes them pause, stop and start again. */
import { Type } from 'typebox'
import { forbidden } from '../herder/errors.ts'
import { type Api, here, params, taskIn } from './api.ts'

const Restart = Type.Object({ includeTasks: Type.Optional(Type.String()), onlyFailed: Type.Optional(Type.String()) })

export function stateRoutes(api: Api): void {
  const { app, herder } = api
  const ofConnector = { schema: { params: params.connector } }

  app.get('/connectors/:connector/status', ofConnector, ({ params: { connector } }) => herder.status(connector))

  // Not Kafka Connect's: when and why what failed, and when it was started again.
  app.get('/connectors/:connector/history', ofConnector, async ({ params: { connector } }) => herder.history(connector))

  app.put('/connectors/:connector/pause', ofConnector, async ({ params: { connector } }, reply) => {
    await herder.setTarget(connector, 'PAUSED')
    return reply.code(202).send()
  })

  app.put('/connectors/:connector/resume', ofConnector, async ({ params: { connector } }, reply) => {
    await herder.setTarget(connector, 'STARTED')
    return reply.code(202).send()
  })

  app.put('/connectors/:connector/stop', ofConnector, (request, reply) =>
    here(api, request, reply, async () => {
      await herder.stop(request.params.connector)
      return reply.code(204).send()
    }),
  )

  app.post('/connectors/:connector/restart', { schema: { params: params.connector, querystring: Restart } }, (request, reply) => {
    const { connector } = request.params
    const [includeTasks, onlyFailed] = [isTrue(request.query.includeTasks), isTrue(request.query.onlyFailed)]
    return here(api, request, reply, async () => {
      if (includeTasks || onlyFailed) {
        const status = await herder.restartAll({ connector, includeTasks, onlyFailed })
        return reply.code(202).send(status)
      }
      await herder.restartConnector(connector)
      return reply.code(204).send()
    })
  })

  taskRoutes(api)
  topicRoutes(api)
}

function taskRoutes(api: Api): void {
  const { app, herder } = api

  app.get('/connectors/:connector/tasks', { schema: { params: params.connector } }, ({ params: { connector } }) =>
    herder.taskInfos(connector),
  )

  app.get('/connectors/:connector/tasks/:task/status', { schema: { params: params.task } }, async request =>
    herder.taskStatus(taskIn(request.params)),
  )

  app.post('/connectors/:connector/tasks/:task/restart', { schema: { params: params.task } }, (request, reply) => {
    const id = taskIn(request.params)
    return here(api, request, reply, async () => {
      await herder.restartTask(id)
      return reply.code(204).send()
    })
  })
}

function topicRoutes({ app, herder, worker }: Api): void {
  const tracked = () => {
    if (!worker.values['topic.tracking.enable']) throw forbidden('Topic tracking is disabled.')
  }

  app.get('/connectors/:connector/topics', { schema: { params: params.connector } }, async ({ params: { connector } }) => {
    tracked()
    return { [connector]: { topics: herder.topics(connector) } }
  })

  app.put('/connectors/:connector/topics/reset', { schema: { params: params.connector } }, async ({ params: { connector } }, reply) => {
    tracked()
    if (!worker.values['topic.tracking.allow.reset']) throw forbidden('Topic tracking reset is disabled.')
    await herder.resetTopics(connector)
    return reply.code(202).send()
  })
}

function isTrue(text: string | undefined): boolean {
  return text?.toLowerCase() === 'true'
}
