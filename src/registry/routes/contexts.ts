/** `/contexts`, and what the server says of itself. */
import { Type } from 'typebox'
import { group } from '../leader.ts'
import { contextOf } from '../subject.ts'
import { change, identityOf, page, prefixIn, query, type Routes } from './common.ts'

export function contextRoutes({ app, registry }: Omit<Routes, 'prefix'>): void {
  const { state, access } = registry

  app.get(
    '/contexts',
    { schema: { querystring: Type.Object({ contextPrefix: query.text, offset: query.text, limit: query.text }) } },
    async request => {
      const { contextPrefix = '', ...paging } = request.query
      return page(
        state.contexts.filter(each => each.startsWith(contextPrefix)),
        paging,
      )
    },
  )

  app.delete('/contexts/:ctx', { schema: { params: Type.Object({ ctx: Type.String() }) } }, async (request, reply) => {
    const context = contextOf(prefixIn(request.params.ctx))
    await access.requireAll(identityOf(request))
    return change(
      registry,
      request,
      reply,
      decisions => decisions.deleteContext(context),
      () => void reply.code(204),
    )
  })

  // As in Confluent's registry, to see whether it is there.
  app.get('/', () => ({}))
  app.post('/', () => ({}))

  app.get('/v1/metadata/id', async () => ({
    scope: { path: [], clusters: { 'kafka-cluster': await registry.clusterId(), 'schema-registry-cluster': group } },
    id: '',
  }))

  app.get('/v1/metadata/deployment', () => ({ attributes: [] }))

  // The version of Confluent's whose answers these are; clients compare it with what they need.
  app.get('/v1/metadata/version', () => ({ version: '8.5.0', commitId: 'millrace' }))
}
