/** The last hour: of the cluster, and of a group. */
import { Type } from 'typebox'
import { type Client, ClientError } from '../../client.ts'
import { seriesNames } from '../history/history.ts'
import type { Ring } from '../history/ring.ts'
import { MaybeText, OfGroup, route } from '../route.ts'

export const Series = Type.Object({
  /** Milliseconds since the epoch. */
  times: Type.Array(Type.Number()),
  /** null: not known then. */
  values: Type.Array(Type.Union([Type.Number(), Type.Null()])),
})
export const series = ({ times, values }: Ring) => ({ times, values })

const cluster = route({
  method: 'GET',
  path: '/history',
  response: Type.Object({
    series: Type.Record(Type.String(), Series),
    problem: MaybeText,
  }),
  async handle({ client, shared: { history } }) {
    await requireDescribe(client)
    return { series: Object.fromEntries(seriesNames.map(name => [name, series(history.series[name])])), problem: history.problem }
  },
})

/** The services look with rights of their own, so that it is here that those of the caller are asked for. */
async function requireDescribe(client: Client): Promise<void> {
  const rights = await client.clusterRights()
  if (rights.size > 0 && !rights.has('DESCRIBE'))
    throw new ClientError('CLUSTER_AUTHORIZATION_FAILED', 'What the cluster does is for those who have DESCRIBE on the cluster')
}

const group = route({
  method: 'GET',
  path: '/groups/:group/history',
  params: OfGroup,
  response: Type.Object({
    lag: Series,
    /** The newest first. */
    changes: Type.Array(Type.Object({ at: Type.String(), text: Type.String() })),
  }),
  async handle({ params, client, shared: { history } }) {
    // Whoever may not describe the group is refused here.
    await client.group(params.group)
    const kept = history.groups.of(params.group)
    if (kept === null) return { lag: { times: [], values: [] }, changes: [] }
    return { lag: series(kept.lag), changes: kept.changes.map(({ atMs, text }) => ({ at: String(atMs), text })).reverse() }
  },
})

export const historyRoutes = [cluster, group] as const
