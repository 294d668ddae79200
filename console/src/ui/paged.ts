/** Rows of a long list, loaded by page as they come in sight. */
import { keepPreviousData, useQueries, useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import type { Question } from '../api.ts'

export const pageSize = 100

interface Page<Row> {
  total: number
  rows: readonly Row[]
}

export type Pages<Row> = ReturnType<typeof usePages<Row>>

/** `page`: the query of the rows from there on; those in sight are asked for again from time to time. */
export function usePages<Row>(page: (from: number) => Question<Page<Row>>, refetchInterval: number) {
  const [sight, setSight] = useState({ first: 0, last: 0 })
  const first = useQuery({ ...page(0), placeholderData: keepPreviousData, refetchInterval })
  const from = Math.floor(sight.first / pageSize)
  const to = Math.floor(sight.last / pageSize)
  const numbers = Array.from({ length: to - from + 1 }, (_, at) => from + at).filter(number => number > 0)
  const others = useQueries({ queries: numbers.map(number => ({ ...page(number * pageSize), refetchInterval })) })
  const rowAt = (index: number): Row | undefined => {
    const number = Math.floor(index / pageSize)
    const rows = number === 0 ? first.data?.rows : others[numbers.indexOf(number)]?.data?.rows
    return rows?.[index % pageSize]
  }
  return { first, total: first.data?.total ?? 0, rowAt, onSight: (one: number, two: number) => setSight({ first: one, last: two }) }
}
