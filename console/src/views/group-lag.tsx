/** How far a group has read each partition. */
import { useQuery } from '@tanstack/react-query'
import { getRouteApi, Link } from '@tanstack/react-router'
import { lazy, Suspense } from 'react'
import { asked, type Output } from '../api.ts'
import { count, duration } from '../format.ts'
import { type Column, Grid } from '../ui/grid.tsx'
import { Empty, Loading } from '../ui/states.tsx'
import css from './group-lag.module.css'

const Plot = lazy(() => import('../ui/plot.tsx'))

type Row = Output<'GET /groups/:group'>['partitions'][number]

const here = getRouteApi('/groups/$group/lag')

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
  {
    id: 'offset',
    title: 'Offset',
    width: 'minmax(76px, 120px)',
    right: true,
    mono: true,
    cell: row => (row.offset === null ? 'none' : count(row.offset)),
  },
  { id: 'end', title: 'End', width: 'minmax(76px, 120px)', right: true, mono: true, wideOnly: true, cell: row => count(row.end) },
  { id: 'lag', title: 'Lag', width: '84px', right: true, mono: true, cell: row => count(row.lag) },
  { id: 'member', title: 'Member', width: 'minmax(120px, 1fr)', mono: true, wideOnly: true, cell: row => row.member ?? '–' },
]

export function Lag() {
  const { group } = here.useParams()
  const info = useQuery(asked('GET /groups/:group', { params: { group } }))
  if (info.data === undefined) return <Loading />
  const { partitions } = info.data
  if (partitions.length === 0) return <Empty title="This group has committed no offsets and reads no partition" />
  return (
    <>
      <LagPlot group={group} />
      <Grid
        label={`Lag of ${group}`}
        columns={columns}
        count={partitions.length}
        rowAt={index => partitions[index]}
        keyOf={index => `${partitions[index]!.topic}-${partitions[index]!.partition}`}
      />
    </>
  )
}

function LagPlot({ group }: { group: string }) {
  const history = useQuery({ ...asked('GET /groups/:group/history', { params: { group } }), refetchInterval: 10_000 })
  const lag = history.data?.lag
  if (lag === undefined) return null
  if (lag.times.length < 2) return <p className={css['note']}>The plot of the lag begins within seconds: it is looked at every ten.</p>
  const age = Math.max(Date.now() - lag.times.at(-1)!, 0)
  return (
    <div className={css['plots']}>
      <Suspense fallback={<div className={css['waiting']} />}>
        <Plot
          title={`Lag of the last hour, in records; newest point ${duration(Math.round(age / 1000) * 1000)} old`}
          series={[{ name: 'lag', ...lag }]}
          format={value => count(Math.round(value))}
        />
      </Suspense>
    </div>
  )
}
