/** The last hour of the cluster as plots, of what is known of it. */
import { useQuery } from '@tanstack/react-query'
import { lazy, Suspense } from 'react'
import { asked } from '../api.ts'
import { bytes, count, short } from '../format.ts'
import css from './overview.module.css'

const Plot = lazy(() => import('../ui/plot.tsx'))

const plots = [
  { title: 'Records in', series: { in: 'recordsIn' }, format: (value: number) => `${short(value)}/s` },
  { title: 'Bytes', series: { in: 'bytesIn', out: 'bytesOut' }, format: (value: number) => `${bytes(value)}/s` },
  { title: 'Requests', series: { requests: 'requests' }, format: (value: number) => `${short(value)}/s` },
  {
    title: 'Latency, 99 % of requests',
    series: { produce: 'produceP99', fetch: 'fetchP99' },
    format: (value: number) => `${short(value)} ms`,
  },
  { title: 'Connections', series: { open: 'connections' }, format: (value: number) => count(Math.round(value)) },
  { title: 'Memory of the broker', series: { resident: 'memory' }, format: bytes },
  { title: 'On disk', series: { all: 'disk' }, format: bytes },
] as const

export function History() {
  const history = useQuery({ ...asked('GET /history', {}), refetchInterval: 10_000, retry: false })
  // Who may not see it has the rest of the page.
  if (history.data === undefined) return null
  const { series, problem } = history.data
  const known = plots
    .map(({ title, series: names, format }) => ({
      title,
      format,
      lines: Object.entries(names).map(([name, key]) => ({ name, ...series[key]! })),
    }))
    .filter(({ lines }) => lines.some(({ values }) => values.some(each => each !== null)))
  const newest = Math.max(0, ...known.flatMap(({ lines }) => lines[0]!.times.at(-1) ?? 0))
  const age = Math.max(Math.round((Date.now() - newest) / 1000), 0)
  return (
    <section aria-label="The last hour">
      <h2 className={css['heading']}>
        The last hour{' '}
        <span className={css['note']}>{newest === 0 ? 'The first points come within seconds.' : `newest point ${age} s old`}</span>
      </h2>
      {problem !== null && <p className={css['note']}>{problem}</p>}
      <Suspense>
        <div className={css['plots']}>
          {known.map(({ title, lines, format }) => (
            <Plot key={title} title={title} series={lines} format={format} />
          ))}
        </div>
      </Suspense>
    </section>
  )
}
