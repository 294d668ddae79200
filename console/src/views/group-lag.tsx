/** How far a group has read each partition. */
import { useQuery } from '@tanstack/react-query'
import { getRouteApi } from '@tanstack/react-router'
import { lazy, Suspense } from 'react'
import { asked } from '../api.ts'
import { count, duration } from '../format.ts'
import type { Column } from '../ui/grid.tsx'
import css from './group-lag.module.css'
import { type GroupPartition, GroupPartitions, partitionColumns } from './group-partitions.tsx'

const Plot = lazy(() => import('../ui/plot.tsx'))

const here = getRouteApi('/groups/$group/lag')

const { topic, partition, offset, end } = partitionColumns
const columns: readonly Column<GroupPartition>[] = [
  topic,
  partition,
  offset,
  { ...end, wideOnly: true },
  { id: 'lag', title: 'Lag', width: '84px', right: true, mono: true, cell: row => count(row.lag) },
  { id: 'member', title: 'Member', width: 'minmax(120px, 1fr)', mono: true, wideOnly: true, cell: row => row.member ?? '–' },
]

export function Lag() {
  const { group } = here.useParams()
  return (
    <GroupPartitions
      group={group}
      label={`Lag of ${group}`}
      columns={columns}
      above={
        <div className={css['plots']}>
          <LagPlot group={group} />
        </div>
      }
    />
  )
}

export function LagPlot({ group }: { group: string }) {
  const history = useQuery({ ...asked('GET /groups/:group/history', { params: { group } }), refetchInterval: 10_000 })
  const lag = history.data?.lag
  if (lag === undefined) return null
  if (lag.times.length < 2) return <p className={css['note']}>The plot begins in a few seconds: the lag is looked at every ten seconds.</p>
  const age = Math.max(Date.now() - lag.times.at(-1)!, 0)
  return (
    <Suspense fallback={<div className={css['waiting']} />}>
      <Plot
        title={`Lag of the last hour, in records; newest point ${duration(Math.round(age / 1000) * 1000)} old`}
        series={[{ name: 'lag', ...lag }]}
        format={value => count(Math.round(value))}
      />
    </Suspense>
  )
}
