/** A long list in a view, loaded by page as its rows come in sight: the rows, or why there are none. */
import type { ReactNode } from 'react'
import { Grid, type GridProps } from './grid.tsx'
import type { Pages } from './paged.ts'
import { Failed, Loading } from './states.tsx'

interface PagedGridProps<Row> extends Omit<GridProps<Row>, 'count' | 'rowAt' | 'keyOf' | 'onSight'> {
  pages: Pages<Row>
  keyOf: (row: Row) => string
  /** The right without which it is refused. */
  needs?: string
  /** Instead of a list that has no rows. */
  empty: ReactNode
}

export function PagedGrid<Row>({ pages: { first, total, rowAt, onSight }, keyOf, needs, empty, ...rest }: PagedGridProps<Row>) {
  if (first.isPending) return <Loading />
  if (first.isError && first.data === undefined)
    return <Failed error={first.error} retry={() => void first.refetch()} {...(needs === undefined ? {} : { needs })} />
  if (total === 0) return empty
  const keyAt = (index: number) => {
    const row = rowAt(index)
    return row === undefined ? index : keyOf(row)
  }
  return <Grid {...rest} count={total} rowAt={rowAt} keyOf={keyAt} onSight={onSight} />
}
