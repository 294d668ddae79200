/**
 * A table of any length, of which only the rows in sight are drawn. Rows may not be loaded yet. Arrow keys move between rows, Enter opens one.
 */
import { Link, type LinkProps } from '@tanstack/react-router'
import { useVirtualizer } from '@tanstack/react-virtual'
import { type KeyboardEvent, type ReactNode, useEffect, useRef, useState } from 'react'
import css from './grid.module.css'
import { useNarrow } from './narrow.ts'

export interface Column<Row> {
  id: string
  title: string
  /** A track of CSS grid: `minmax(160px, 1fr)`. */
  width: string
  right?: boolean
  mono?: boolean
  sortable?: boolean
  /** Left out where there is little room. */
  wideOnly?: boolean
  cell: (row: Row) => ReactNode
}

export interface Sorting {
  by: string
  descending: boolean
}

export interface GridProps<Row> {
  label: string
  columns: readonly Column<Row>[]
  count: number
  /** undefined: not loaded yet. */
  rowAt: (index: number) => Row | undefined
  keyOf: (index: number) => string | number
  /** The rows in sight, to load them. */
  onSight?: (first: number, last: number) => void
  sorting?: Sorting
  onSort?: (by: string) => void
  onOpen?: (row: Row) => void
  isOpen?: (row: Row) => boolean
}

const rowHeight = 32

export function Grid<Row>({ label, columns, count, rowAt, keyOf, onSight, sorting, onSort, onOpen, isOpen }: GridProps<Row>) {
  const scroller = useRef<HTMLDivElement>(null)
  const narrow = useNarrow()
  const shown = narrow ? columns.filter(each => each.wideOnly !== true) : columns
  const tracks = shown.map(each => each.width).join(' ')
  const [active, setActive] = useState(0)
  const rows = useVirtualizer({
    count,
    getScrollElement: () => scroller.current,
    estimateSize: () => rowHeight,
    getItemKey: keyOf,
    overscan: 16,
  })
  const items = rows.getVirtualItems()
  const first = items[0]?.index ?? 0
  const last = items.at(-1)?.index ?? 0
  // biome-ignore lint/correctness/useExhaustiveDependencies: only what is in sight matters
  useEffect(() => onSight?.(first, last), [first, last])

  const move = (event: KeyboardEvent) => {
    const by = { ArrowDown: 1, ArrowUp: -1, PageDown: 20, PageUp: -20, Home: -count, End: count }[event.key]
    const row = rowAt(active)
    if (event.key === 'Enter' && row !== undefined && event.target === event.currentTarget.ownerDocument.activeElement) return onOpen?.(row)
    if (by === undefined) return
    event.preventDefault()
    const next = Math.min(Math.max(active + by, 0), count - 1)
    setActive(next)
    rows.scrollToIndex(next)
    requestAnimationFrame(() => scroller.current?.querySelector<HTMLElement>(`[data-index="${next}"]`)?.focus())
  }

  return (
    // biome-ignore lint/a11y/useSemanticElements: rows of a table element cannot be placed one by one
    <div className={css['grid']} role="table" aria-label={label} aria-rowcount={count + 1}>
      <div className={css['scroller']} ref={scroller}>
        <div className={css['wide']}>
          <Head columns={shown} tracks={tracks} sorting={sorting} onSort={onSort} />
          {/* biome-ignore lint/a11y/useSemanticElements: as above */}
          <div className={css['body']} role="rowgroup" style={{ height: rows.getTotalSize() }} onKeyDown={move}>
            {items.map(({ index, key, start }) => {
              const row = rowAt(index)
              const open = row !== undefined && isOpen?.(row) === true
              return (
                // biome-ignore lint/a11y/useSemanticElements: as above
                // biome-ignore lint/a11y/useKeyWithClickEvents: the group of rows listens to keys
                <div
                  key={key}
                  role="row"
                  aria-rowindex={index + 2}
                  aria-selected={open}
                  data-index={index}
                  tabIndex={index === active ? 0 : -1}
                  className={`${css['row']} ${onOpen === undefined ? '' : css['opens']} ${open ? css['open'] : ''}`}
                  style={{ gridTemplateColumns: tracks, transform: `translateY(${start}px)` }}
                  onFocus={() => setActive(index)}
                  onClick={() => row !== undefined && onOpen?.(row)}
                >
                  {shown.map(column => (
                    // biome-ignore lint/a11y/useSemanticElements: as above
                    <div key={column.id} role="cell" className={classes(column)}>
                      {row === undefined ? <span className={css['bar']} /> : column.cell(row)}
                    </div>
                  ))}
                </div>
              )
            })}
          </div>
        </div>
      </div>
    </div>
  )
}

/** The name of a row, where it leads to what the row opens: for other tabs, and other programs. The keyboard is at the row. */
export function RowLink({ name, ...to }: { name: string } & Pick<LinkProps, 'to' | 'params'>) {
  return (
    <Link {...(to as LinkProps)} title={name} onClick={event => event.stopPropagation()} tabIndex={-1}>
      {name}
    </Link>
  )
}

function classes({ right, mono }: { right?: boolean; mono?: boolean }): string {
  return `${css['cell']} ${right === true ? css['right'] : ''} ${mono === true ? css['mono'] : ''}`
}

interface HeadProps<Row> {
  columns: readonly Column<Row>[]
  tracks: string
  sorting: Sorting | undefined
  onSort: ((by: string) => void) | undefined
}

function Head<Row>({ columns, tracks, sorting, onSort }: HeadProps<Row>) {
  return (
    // biome-ignore lint/a11y/useSemanticElements: as above
    <div role="rowgroup" className={css['head']}>
      {/* biome-ignore lint/a11y/useSemanticElements: as above */}
      {/* biome-ignore lint/a11y/useFocusableInteractive: its buttons have the focus */}
      <div role="row" aria-rowindex={1} className={css['row']} style={{ gridTemplateColumns: tracks }}>
        {columns.map(({ id, title, right, sortable }) => {
          const sorted = sorting?.by === id
          const direction = sorted ? (sorting.descending ? 'descending' : 'ascending') : 'none'
          return (
            // biome-ignore lint/a11y/useSemanticElements: as above
            // biome-ignore lint/a11y/useFocusableInteractive: its button has the focus
            <div
              key={id}
              role="columnheader"
              className={classes({ right: right ?? false })}
              {...(sortable === true ? { 'aria-sort': direction } : {})}
            >
              {sortable === true && onSort !== undefined ? (
                <button type="button" className={css['sort']} onClick={() => onSort(id)}>
                  {title}
                  <span aria-hidden="true">{sorted ? (sorting.descending ? ' ▾' : ' ▴') : ''}</span>
                </button>
              ) : (
                title
              )}
            </div>
          )
        })}
      </div>
    </div>
  )
}
