/** Who is in a group, and what each has to read. */
import { useQuery } from '@tanstack/react-query'
import { getRouteApi } from '@tanstack/react-router'
import { asked, type Output } from '../api.ts'
import { type Column, Grid } from '../ui/grid.tsx'
import { Empty, Loading } from '../ui/states.tsx'

type Row = Output<'GET /groups/:group'>['members'][number]

const here = getRouteApi('/groups/$group/members')

const columns: readonly Column<Row>[] = [
  { id: 'client', title: 'Client', width: 'minmax(120px, 1fr)', cell: row => row.clientId },
  { id: 'host', title: 'Host', width: '132px', mono: true, cell: row => row.host.replace(/^\//, '') },
  {
    id: 'id',
    title: 'Member',
    width: 'minmax(140px, 2fr)',
    mono: true,
    wideOnly: true,
    cell: row => <span title={row.id}>{row.instanceId ?? row.id}</span>,
  },
  {
    id: 'partitions',
    title: 'Partitions',
    width: 'minmax(120px, 2fr)',
    wideOnly: true,
    cell: row => <span title={owned(row)}>{owned(row)}</span>,
  },
]

function owned({ partitions }: Row): string {
  const byTopic = Map.groupBy(partitions, each => each.topic)
  return Array.from(byTopic, ([topic, some]) => `${topic} (${some.map(each => each.partition).join(', ')})`).join(', ') || 'none'
}

export function Members() {
  const { group } = here.useParams()
  const info = useQuery(asked('GET /groups/:group', { params: { group } }))
  if (info.data === undefined) return <Loading />
  const { members } = info.data
  if (members.length === 0) return <Empty title="No consumer is in this group now" />
  return (
    <Grid
      label={`Members of ${group}`}
      columns={columns}
      count={members.length}
      rowAt={index => members[index]}
      keyOf={index => members[index]!.id}
    />
  )
}
