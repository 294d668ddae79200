/** Who reads a topic, and how far each is behind in it. */
import { useQuery } from '@tanstack/react-query'
import { getRouteApi, useNavigate } from '@tanstack/react-router'
import { asked, type Output } from '../api.ts'
import { count } from '../format.ts'
import { type Column, Grid } from '../ui/grid.tsx'
import { Command, Empty, Failed, Loading, Partial } from '../ui/states.tsx'
import { groupColumns } from './group-columns.tsx'

type Row = Output<'GET /topics/:topic/groups'>['rows'][number]

const here = getRouteApi('/topics/$topic/groups')

const { group, state, type, behind } = groupColumns
const columns: readonly Column<Row>[] = [
  group,
  state,
  type,
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
  behind,
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
