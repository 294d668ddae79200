/** Offsets of connectors: shown, altered and reset. */
import { Type } from 'typebox'
import { badRequest } from '../herder/errors.ts'
import { type Api, here, params } from './api.ts'

const Alteration = Type.Object(
  {
    offsets: Type.Optional(
      Type.Union([
        Type.Array(
          Type.Object({ partition: Type.Optional(Type.Unknown()), offset: Type.Optional(Type.Unknown()) }, { additionalProperties: false }),
        ),
        Type.Null(),
      ]),
    ),
  },
  { additionalProperties: false },
)

const done = (what: string) =>
  `The Connect framework-managed offsets for this connector have been ${what} successfully. However, if this connector manages offsets externally, they will need to be manually ${what} in the system that the connector uses.`

export function offsetRoutes(api: Api): void {
  const { app, herder } = api

  app.get('/connectors/:connector/offsets', { schema: { params: params.connector } }, async ({ params: { connector } }) => ({
    offsets: await herder.offsets(connector),
  }))

  app.patch('/connectors/:connector/offsets', { schema: { params: params.connector, body: Alteration } }, (request, reply) => {
    const { offsets } = request.body
    if (offsets === undefined || offsets === null || offsets.length === 0)
      throw badRequest('Partitions / offsets need to be provided for an alter offsets request')
    const given = offsets.map(({ partition = null, offset = null }) => ({ partition, offset }))
    return here(api, request, reply, async () => {
      await herder.changeOffsets(request.params.connector, given)
      return { message: done('altered') }
    })
  })

  app.delete('/connectors/:connector/offsets', { schema: { params: params.connector } }, (request, reply) =>
    here(api, request, reply, async () => {
      await herder.changeOffsets(request.params.connector, null)
      return { message: done('reset') }
    }),
  )
}
