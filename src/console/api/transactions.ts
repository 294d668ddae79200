/** Transactions: all, those that are open with their age, and to abort one. */
import { Type } from 'typebox'
import { Confirmed, requireConfirmed } from '../confirmed.ts'
import { digitsOf, listQuery, MaybeDigits, route } from '../route.ts'

const Id = Type.String({ minLength: 1, maxLength: 32_767 })
const mostRows = 200

const list = route({
  method: 'GET',
  path: '/transactions',
  query: Type.Object({
    ...listQuery(mostRows),
    /** Only those that are under way. */
    open: Type.Optional(Type.Boolean()),
  }),
  response: Type.Object({
    total: Type.Integer(),
    rows: Type.Array(
      Type.Object({
        id: Type.String(),
        producerId: Type.String(),
        state: Type.String(),
        /** Milliseconds since the epoch; null: none is open. */
        started: MaybeDigits,
        timeoutMs: Type.Union([Type.Integer(), Type.Null()]),
        partitions: Type.Union([Type.Integer(), Type.Null()]),
      }),
    ),
  }),
  async handle({ query: { search = '', open = false, from = 0, limit = 50 }, client }) {
    const states = open ? ['Ongoing', 'PrepareCommit', 'PrepareAbort'] : []
    const all = await client.transactions(open ? { states } : {})
    const matching = all
      .filter(each => each.transactionalId.toLowerCase().includes(search.toLowerCase()))
      .sort((a, b) => (a.transactionalId < b.transactionalId ? -1 : 1))
    const rows = await Promise.all(
      matching.slice(from, from + limit).map(async ({ transactionalId, producerId, state }) => {
        // It may have expired meanwhile.
        const info = await client.transaction(transactionalId).catch(() => null)
        return {
          id: transactionalId,
          producerId: String(producerId),
          state: info?.state ?? state,
          started: digitsOf(info?.startTimeMs),
          timeoutMs: info?.timeoutMs ?? null,
          partitions: info?.partitions.length ?? null,
        }
      }),
    )
    return { total: matching.length, rows }
  },
})

const one = route({
  method: 'GET',
  path: '/transactions/:id',
  params: Type.Object({ id: Id }),
  response: Type.Object({
    id: Type.String(),
    state: Type.String(),
    producerId: Type.String(),
    producerEpoch: Type.Integer(),
    timeoutMs: Type.Integer(),
    started: MaybeDigits,
    partitions: Type.Array(Type.Object({ topic: Type.String(), partition: Type.Integer() })),
  }),
  async handle({ params: { id }, client }) {
    const { state, producerId, producerEpoch, timeoutMs, startTimeMs, partitions } = await client.transaction(id)
    return { id, state, producerId: String(producerId), producerEpoch, timeoutMs, started: digitsOf(startTimeMs), partitions }
  },
})

const abort = route({
  method: 'DELETE',
  path: '/transactions/:id',
  changes: [],
  params: Type.Object({ id: Id }),
  query: Confirmed,
  response: Type.Object({}),
  async handle({ params: { id }, query: { confirm }, client }) {
    requireConfirmed(confirm, id)
    await client.fenceProducer(id)
    return {}
  },
})

export const transactionRoutes = [list, one, abort] as const
