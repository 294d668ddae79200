/** The partitions that a group reads or has committed offsets of, with the columns that several lists of them have. */
import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import type { ReactNode } from 'react'
import { asked, type Output } from '../api.ts'
import { count } from '../format.ts'
import { type Column, Grid } from '../ui/grid.tsx'
import { Empty, Loading } from '../ui/states.tsx'

export type GroupPartition = Output<'GET /groups/:group'>['partitions'][number]

export const partitionColumns = {
  topic: {
    id: 'topic',
    title: 'Topic',
    width: 'minmax(96px, 1fr)',
    cell: ({ topic }) => (
      <Link to="/topics/$topic" params={{ topic }} title={topic}>
        {topic}
      </Link>
    ),
  },
  partition: { id: 'partition', title: 'P', width: '44px', right: true, mono: true, cell: row => row.partition },
  offset: {
    id: 'offset',
    title: 'Offset',
    width: 'minmax(76px, 120px)',
    right: true,
    mono: true,
    cell: row => (row.offset === null ? 'none' : count(row.offset)),
  },
  end: { id: 'end', title: 'End', width: 'minmax(76px, 120px)', right: true, mono: true, cell: row => count(row.end) },
} satisfies Record<string, Column<GroupPartition>>

interface GroupPartitionsProps {
  group: string
  label: string
  columns: readonly Column<GroupPartition>[]
  /** Where there are partitions. */
  above?: ReactNode
}

export function GroupPartitions({ group, label, columns, above }: GroupPartitionsProps) {
  const info = useQuery(asked('GET /groups/:group', { params: { group } }))
  if (info.data === undefined) return <Loading />
  const { partitions } = info.data
  if (partitions.length === 0) return <Empty title="This group has committed no offsets and reads no partition" />
  return (
    <>
      {above}
      <Grid
        label={label}
        columns={columns}
        count={partitions.length}
        rowAt={index => partitions[index]}
        keyOf={index => `${partitions[index]!.topic}-${partitions[index]!.partition}`}
      />
    </>
  )
}
