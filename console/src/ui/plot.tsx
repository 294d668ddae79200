/** Lines over time. In a file of its own, because it brings a library that only some views need. All plots of a page share the crosshair. */
import './language.ts'
import 'uplot/dist/uPlot.min.css'
import { useEffect, useRef, useState } from 'react'
import uPlot from 'uplot'
import { clockTime } from '../format.ts'
import css from './plot.module.css'

export interface PlotSeries {
  name: string
  /** Milliseconds since the epoch; the same for all lines of a plot. */
  times: readonly number[]
  values: readonly (number | null)[]
}

interface PlotProps {
  title: string
  series: readonly PlotSeries[]
  format: (value: number) => string
}

const height = 116
/** Of the axis of time: few points would be stretched over it. */
const shortestSeconds = 600
const colours = ['--accent', '--warn'] as const

export default function Plot({ title, series, format }: PlotProps) {
  const place = useRef<HTMLDivElement>(null)
  const chart = useRef<uPlot | null>(null)
  const [pointed, setPointed] = useState<number | null>(null)
  const latest = useRef({ series, format })
  latest.current = { series, format }
  const names = series.map(each => each.name).join()
  useEffect(() => {
    const element = place.current!
    const draw = () => {
      chart.current?.destroy()
      chart.current = new uPlot(
        optionsOf(element, names.split(','), value => latest.current.format(value), setPointed),
        dataOf(latest.current.series),
        element,
      )
    }
    draw()
    const sized = new ResizeObserver(() => chart.current?.setSize({ width: element.clientWidth, height }))
    sized.observe(element)
    // A canvas does not follow the colours of the page by itself.
    const themed = new MutationObserver(draw)
    themed.observe(document.documentElement, { attributes: true, attributeFilter: ['data-theme'] })
    const dark = window.matchMedia('(prefers-color-scheme: dark)')
    dark.addEventListener('change', draw)
    return () => {
      sized.disconnect()
      themed.disconnect()
      dark.removeEventListener('change', draw)
      chart.current?.destroy()
      chart.current = null
    }
  }, [names])
  useEffect(() => {
    chart.current?.setData(dataOf(series))
  }, [series])
  const valuesAt = (at: number) => series.map(({ name, values }) => ({ name, value: values.at(at) ?? null }))
  const now = valuesAt(-1)
  const shown = pointed === null ? now : valuesAt(pointed)
  const said = (value: number | null) => (value === null ? '–' : format(value))
  return (
    <figure className={css['plot']}>
      <figcaption className={css['title']}>
        <span>{title}</span>
        <strong>
          {pointed !== null && <span className={css['time']}>{clockTime(series[0]!.times[pointed] ?? 0, true)}</span>}
          {shown.map(({ name, value }, at) => (
            <span key={name} className={css[at === 0 ? 'first' : 'second']}>
              {shown.length > 1 && `${name} `}
              {said(value)}
            </span>
          ))}
        </strong>
      </figcaption>
      <div
        ref={place}
        role="img"
        aria-label={`${title} over time; now ${now.map(each => `${each.name} ${said(each.value)}`).join(', ')}`}
      />
    </figure>
  )
}

/** What would be written twice is written at the last of its places. */
function labelsOf(splits: readonly number[], format: (value: number) => string): string[] {
  const labels = splits.map(format)
  return labels.map((label, at) => (label === labels[at + 1] ? '' : label))
}

function dataOf(series: readonly PlotSeries[]): uPlot.AlignedData {
  return [series[0]!.times.map(each => each / 1000), ...series.map(each => each.values)] as unknown as uPlot.AlignedData
}

function optionsOf(
  element: HTMLElement,
  names: readonly string[],
  format: (value: number) => string,
  point: (at: number | null) => void,
): uPlot.Options {
  const line = colourOf(element, '--line')
  const muted = colourOf(element, '--muted')
  const axis: uPlot.Axis = {
    stroke: muted,
    grid: { stroke: line, width: 1 },
    ticks: { stroke: line, width: 1 },
    font: '11px system-ui, sans-serif',
  }
  return {
    width: element.clientWidth,
    height,
    legend: { show: false },
    cursor: { sync: { key: 'page' }, y: false },
    hooks: { setCursor: [plot => point(plot.cursor.idx ?? null)] },
    scales: {
      x: { range: (_, first, last) => [Math.min(first, last - shortestSeconds), last] },
      y: { range: (_, __, most) => [0, most <= 0 ? 1 : most * 1.1] },
    },
    axes: [
      { ...axis, space: 64, size: 30, values: (_, splits, __, ___, step) => splits.map(each => clockTime(each * 1000, step < 60)) },
      { ...axis, size: (_, labels) => widthOf(labels ?? []), values: (_, splits) => labelsOf(splits, format) },
    ],
    series: [
      {},
      ...names.map((label, at): uPlot.Series => {
        const stroke = colourOf(element, colours[at % colours.length]!)
        return { label, stroke, width: 1.5, points: { show: false }, ...(at === 0 ? {} : { dash: [4, 3] }) }
      }),
    ],
  }
}

/** Of the labels, about. */
function widthOf(labels: readonly string[]): number {
  return 20 + 6.5 * Math.max(4, ...labels.map(each => each.length))
}

/** What a custom property comes to: its own value is a function of both themes. */
function colourOf(element: HTMLElement, name: string): string {
  const probe = document.createElement('span')
  probe.style.color = `var(${name})`
  element.append(probe)
  const { color } = getComputedStyle(probe)
  probe.remove()
  return color
}
