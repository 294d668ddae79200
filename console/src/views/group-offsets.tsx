/** What a group has committed, and where each partition begins and ends. */
import { useQuery } from '@tanstack/react-query'
import { getRouteApi, Link } from '@tanstack/react-router'
import { asked, type Output } from '../api.ts'
import { count, counted } from '../format.ts'
import { type Column, Grid } from '../ui/grid.tsx'
import { Mark } from '../ui/mark.tsx'
import { Empty, Loading } from '../ui/states.tsx'

type Row = Output<'GET /groups/:group'>['partitions'][number]

const here = getRouteApi('/groups/$group/offsets')

const columns: readonly Column<Row>[] = [
  {
    id: 'topic',
    title: 'Topic',
    width: 'minmax(96px, 1fr)',
    cell: ({ topic }) => (
      <Link to="/topics/$topic" params={{ topic }} title={topic}>
        {topic}
      </Link>
    ),
  },
  { id: 'partition', title: 'P', width: '44px', right: true, mono: true, cell: row => row.partition },
  { id: 'start', title: 'Start', width: 'minmax(76px, 120px)', right: true, mono: true, wideOnly: true, cell: row => count(row.start) },
  {
    id: 'offset',
    title: 'Committed',
    width: 'minmax(88px, 120px)',
    right: true,
    mono: true,
    cell: row => (row.offset === null ? 'none' : count(row.offset)),
  },
  { id: 'end', title: 'End', width: 'minmax(76px, 120px)', right: true, mono: true, cell: row => count(row.end) },
  { id: 'note', title: 'Note', width: 'minmax(140px, 2fr)', wideOnly: true, cell: row => <Note row={row} /> },
]

function Note({ row: { offset, start, metadata } }: { row: Row }) {
  const lost = offset === null || start === null ? 0n : BigInt(start) - BigInt(offset)
  if (lost > 0n) return <Mark tone="warn">{`${counted(String(lost), 'record')} deleted before it read them`}</Mark>
  return <span title={metadata}>{metadata}</span>
}

export function Offsets() {
  const { group } = here.useParams()
  const info = useQuery(asked('GET /groups/:group', { params: { group } }))
  if (info.data === undefined) return <Loading />
  const { partitions } = info.data
  if (partitions.length === 0) return <Empty title="This group has committed no offsets and reads no partition" />
  return (
    <Grid
      label={`Offsets of ${group}`}
      columns={columns}
      count={partitions.length}
      rowAt={index => partitions[index]}
      keyOf={index => `${partitions[index]!.topic}-${partitions[index]!.partition}`}
    />
  )
}
