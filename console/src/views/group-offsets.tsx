/** What a group has committed, and where each partition begins and ends. */
import { getRouteApi } from '@tanstack/react-router'
import { count, counted } from '../format.ts'
import type { Column } from '../ui/grid.tsx'
import { Mark } from '../ui/mark.tsx'
import { type GroupPartition, GroupPartitions, partitionColumns } from './group-partitions.tsx'

const here = getRouteApi('/groups/$group/offsets')

const { topic, partition, offset, end } = partitionColumns
const columns: readonly Column<GroupPartition>[] = [
  topic,
  partition,
  { id: 'start', title: 'Start', width: 'minmax(76px, 120px)', right: true, mono: true, wideOnly: true, cell: row => count(row.start) },
  { ...offset, title: 'Committed', width: 'minmax(88px, 120px)' },
  end,
  { id: 'note', title: 'Note', width: 'minmax(140px, 2fr)', wideOnly: true, cell: row => <Note row={row} /> },
]

function Note({ row: { offset, start, metadata } }: { row: GroupPartition }) {
  const lost = offset === null || start === null ? 0n : BigInt(start) - BigInt(offset)
  if (lost > 0n) return <Mark tone="warn">{`${counted(String(lost), 'record')} deleted before it read them`}</Mark>
  return <span title={metadata}>{metadata}</span>
}

export function Offsets() {
  const { group } = here.useParams()
  return <GroupPartitions group={group} label={`Offsets of ${group}`} columns={columns} />
}
