/** Who reads a topic, and how far each is behind in it. */
import { useQuery } from '@tanstack/react-query'
import { getRouteApi, Link, useNavigate } from '@tanstack/react-router'
import { asked, type Output } from '../api.ts'
import { count } from '../format.ts'
import { type Column, Grid } from '../ui/grid.tsx'
import { Command, Empty, Failed, Loading, Partial } from '../ui/states.tsx'
import { Behind } from './behind.tsx'
import { GroupState } from './group-state.tsx'

type Row = Output<'GET /topics/:topic/groups'>['rows'][number]

const here = getRouteApi('/topics/$topic/groups')

const columns: readonly Column<Row>[] = [
  {
    id: 'group',
    title: 'Group',
    width: 'minmax(120px, 1fr)',
    cell: ({ group }) => (
      <Link to="/groups/$group" params={{ group }} title={group} onClick={event => event.stopPropagation()} tabIndex={-1}>
        {group}
      </Link>
    ),
  },
  { id: 'state', title: 'State', width: '116px', cell: row => <GroupState state={row.state} /> },
  { id: 'type', title: 'Type', width: '100px', wideOnly: true, cell: row => row.type },
  {
    id: 'partitions',
    title: 'Partitions',
    width: '92px',
    right: true,
    wideOnly: true,
    cell: row => (
      <span title="In which it has committed offsets; of a new group, those that its members have">{count(row.partitions)}</span>
    ),
  },
  { id: 'lag', title: 'Lag here', width: '96px', right: true, cell: row => count(row.lag) },
  { id: 'behind', title: 'Behind', width: '96px', right: true, wideOnly: true, cell: row => <Behind ms={row.behindMs} /> },
]

export function TopicGroups() {
  const { topic } = here.useParams()
  const navigate = useNavigate()
  const found = useQuery({ ...asked('GET /topics/:topic/groups', { params: { topic } }), refetchInterval: 10_000 })
  if (found.isPending) return <Loading />
  if (found.isError) return <Failed error={found.error} retry={() => void found.refetch()} needs={`DESCRIBE on the topic ${topic}`} />
  const { rows, missing } = found.data
  return (
    <>
      <Partial missing={missing} />
      {rows.length === 0 ? (
        <Empty title="No group reads this topic">
          <p>A group is shown here when it has committed an offset, or its members have been given a partition.</p>
          <Command text={`millrace consume ${topic} --group readers`} />
        </Empty>
      ) : (
        <Grid
          label={`Groups that read ${topic}`}
          columns={columns}
          count={rows.length}
          rowAt={index => rows[index]}
          keyOf={index => rows[index]!.group}
          onOpen={({ group }) => void navigate({ to: '/groups/$group/lag', params: { group } })}
        />
      )}
    </>
  )
}
