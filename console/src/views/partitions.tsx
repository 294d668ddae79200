/** Where the partitions of a topic are, and what is in each. */
import { useQuery } from '@tanstack/react-query'
import { getRouteApi, useNavigate } from '@tanstack/react-router'
import { asked, type Output } from '../api.ts'
import { bytes, count } from '../format.ts'
import { type Column, Grid } from '../ui/grid.tsx'
import { Mark } from '../ui/mark.tsx'
import { Loading, Partial } from '../ui/states.tsx'

type Row = Output<'GET /topics/:topic'>['partitions'][number]

const here = getRouteApi('/topics/$topic/partitions')

const columns: readonly Column<Row>[] = [
  { id: 'partition', title: 'Partition', width: '80px', right: true, cell: row => row.partition },
  { id: 'start', title: 'Start', width: 'minmax(90px, 1fr)', right: true, mono: true, wideOnly: true, cell: row => count(row.start) },
  { id: 'end', title: 'End', width: 'minmax(90px, 1fr)', right: true, mono: true, cell: row => count(row.end) },
  { id: 'bytes', title: 'On disk', width: '96px', right: true, cell: row => <span title={row.bytes ?? ''}>{bytes(row.bytes)}</span> },
  { id: 'leader', title: 'Leader', width: '80px', right: true, wideOnly: true, cell: row => (row.leader < 0 ? 'none' : row.leader) },
  { id: 'replicas', title: 'Replicas', width: '120px', wideOnly: true, cell: row => row.replicas.join(', ') },
  { id: 'isr', title: 'In sync', width: '120px', wideOnly: true, cell: row => row.isr.join(', ') },
  { id: 'state', title: 'State', width: '132px', wideOnly: true, cell: row => <State row={row} /> },
]

function State({ row: { leader, isr, replicas } }: { row: Row }) {
  if (leader < 0) return <Mark tone="bad">no leader</Mark>
  if (isr.length < replicas.length) return <Mark tone="warn">under-replicated</Mark>
  return <Mark tone="good">in sync</Mark>
}

export function Partitions() {
  const { topic } = here.useParams()
  const navigate = useNavigate()
  const info = useQuery(asked('GET /topics/:topic', { params: { topic } }))
  if (info.data === undefined) return <Loading />
  const { partitions, missing } = info.data
  return (
    <>
      <Partial missing={missing} />
      <Grid
        label={`Partitions of ${topic}`}
        columns={columns}
        count={partitions.length}
        rowAt={index => partitions[index]}
        keyOf={index => index}
        onOpen={({ partition }) => void navigate({ to: '/topics/$topic/messages', params: { topic }, search: { partition } })}
      />
    </>
  )
}
