/** A table of few rows, drawn whole; it scrolls by itself. */
import type { ReactNode } from 'react'
import css from './table.module.css'

interface TableProps {
  label: string
  heads: readonly string[]
  rows: readonly (readonly ReactNode[])[]
  /** Of columns of numbers. */
  right?: readonly number[]
}

export function Table({ label, heads, rows, right = [] }: TableProps) {
  const side = (at: number) => (right.includes(at) ? css['right'] : '')
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: who has only a keyboard scrolls it with the arrows
    <section className={css['scroller']} aria-label={label} tabIndex={0}>
      <table className={css['table']}>
        <thead>
          <tr>
            {heads.map((head, at) => (
              <th key={head} scope="col" className={side(at)}>
                {head}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row, at) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: rows have no names of their own
            <tr key={at}>
              {row.map((cell, column) => (
                <td key={heads[column]} className={side(column)}>
                  {cell}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  )
}
